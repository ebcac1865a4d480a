"""What the api counts, and `/metrics` for Prometheus. No label names a merchant or a customer."""

import os

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
from starlette.responses import Response

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


@router.get("/metrics", include_in_schema=False)
async def metrics() -> Response:
    """This process's figures; those of all, where `PROMETHEUS_MULTIPROC_DIR` is set."""
    registry = REGISTRY
    if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
        registry = CollectorRegistry()
        multiprocess.MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)
