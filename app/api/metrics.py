"""`/metrics` for Prometheus: what this api counts, and how the deployment stands. No label names a
merchant or a customer. docs/operations.md lists every metric, and is compared with them."""

import os
from collections.abc import Iterable, Iterator

from fastapi import APIRouter
from prometheus_client import (
    CONTENT_TYPE_LATEST,
    REGISTRY,
    CollectorRegistry,
    Counter,
    Histogram,
    generate_latest,
    multiprocess,
)
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector
from starlette.responses import Response

from app.api.dependencies import WorldDep
from app.domain.alerts import AlertKind
from app.ports.store import StoreUnavailable
from app.services.condition import Condition, condition

WEBHOOKS = Counter("holdfast_webhooks", "Webhooks, by what became of them.", ["outcome"])
MAIL_REPORTS = Counter(
    "holdfast_mail_reports", "Reports about mail, by what they tell of it.", ["kind"]
)
REQUESTS = Histogram(
    "holdfast_http_seconds",
    "Seconds from the request to its answer.",
    ["method", "route", "status"],
    buckets=(0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10),
)

router = APIRouter(tags=["operations"])


class Standing(Collector):
    """Gauges read from the database at each scrape: any api tells the same of all processes."""

    def __init__(self, found: Condition | None) -> None:
        self._found = found

    def collect(self) -> Iterable[GaugeMetricFamily]:
        """Only whether the database answers, where it does not."""
        yield _gauge("database_up", "1 where the database answers.", float(self._found is not None))
        if self._found is not None:
            yield from _plain(self._found)
            yield from _by_name(self._found)


def _plain(found: Condition) -> Iterator[GaugeMetricFamily]:
    yield _gauge("events_waiting", "Webhooks taken and not handled yet.", found.events_waiting)
    yield _gauge("events_age_seconds", "Age of the oldest of them.", found.events_age_s)
    yield _gauge("actions_due", "Actions that are due and not done yet.", found.actions_due)
    yield _gauge("actions_late_seconds", "How late the first of them is.", found.actions_late_s)
    yield _gauge("accounts_paused", "Provider accounts that rest.", found.accounts_paused)
    yield _gauge(
        "invariants_unasked",
        "Questions that the database did not answer in the last rounds.",
        found.unasked,
    )
    if found.round_age_s is not None:
        yield _gauge(
            "invariants_age_seconds",
            "Age of the last round, of the merchant asked longest ago.",
            found.round_age_s,
        )


def _by_name(found: Condition) -> Iterator[GaugeMetricFamily]:
    alerts = GaugeMetricFamily("holdfast_alerts_open", "Alerts nobody resolved.", labels=["kind"])
    for kind in AlertKind:
        alerts.add_metric([kind], found.alerts.get(kind, 0))
    yield alerts
    broken = GaugeMetricFamily(
        "holdfast_invariants_broken", "Rows that break an invariant.", labels=["invariant"]
    )
    for name, count in found.broken.items():
        broken.add_metric([name], count)
    yield broken


def _gauge(name: str, meaning: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"holdfast_{name}", meaning, value=value)


@router.get("/metrics", include_in_schema=False)
async def metrics(world: WorldDep) -> Response:
    """This process's counts, or those of all where `PROMETHEUS_MULTIPROC_DIR` is set; and how the
    deployment stands."""
    counted, standing = REGISTRY, CollectorRegistry()
    if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
        counted = CollectorRegistry()
        multiprocess.MultiProcessCollector(counted)  # type: ignore[no-untyped-call]
    try:
        standing.register(Standing(await condition(world)))
    except StoreUnavailable:
        standing.register(Standing(None))
    told = generate_latest(counted) + generate_latest(standing)
    return Response(told, media_type=CONTENT_TYPE_LATEST)
