"""What operators read and import is what the code tells."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from prometheus_client import REGISTRY

from app.api.metrics import Standing
from app.domain.alerts import ALERTS, AlertKind
from app.domain.invariants import INVARIANTS
from app.services.condition import Condition
from tests.house.sources import ROOT
from tests.house.tables import table
from workers.carrying import CARRIED

RUNBOOK = ROOT / "docs" / "runbook.md"
EMPTY = Condition(
    events_waiting=0,
    events_age_s=0,
    actions_due=0,
    actions_late_s=0,
    accounts_paused=0,
    broken=dict.fromkeys(INVARIANTS, 0),
    round_age_s=0,
)
RULES = yaml.safe_load((ROOT / "docs" / "operations" / "alerts.yaml").read_text())["groups"]
DASHBOARD = json.loads((ROOT / "docs" / "operations" / "dashboard.json").read_text())


def metrics() -> Iterator[Any]:
    """Every metric of ours, as the code tells it."""
    assert CARRIED.describe()  # the workers' are registered where their modules are loaded
    yield from (one for one in REGISTRY.collect() if one.name.startswith("holdfast_"))
    yield from Standing(EMPTY).collect()


def questions() -> Iterator[tuple[str, str]]:
    """What the dashboard and the rules ask of Prometheus."""
    for panel in DASHBOARD["panels"]:
        yield from ((panel["title"], target["expr"]) for target in panel["targets"])
    yield from ((rule["alert"], rule["expr"]) for group in RULES for rule in group["rules"])


def test_the_metrics_of_the_page_are_those_of_the_code() -> None:
    rows = table(ROOT / "docs" / "operations.md", "| metric |")

    told = [(row[0].strip("`"), row[1], row[3]) for row in rows]
    assert sorted(told) == sorted((one.name, one.type, one.documentation) for one in metrics())


@pytest.mark.parametrize(("where", "asked"), list(questions()))
def test_the_dashboard_and_the_rules_ask_for_metrics_there_are(where: str, asked: str) -> None:
    known = {one.name for one in metrics()}
    named = re.findall(r"holdfast_\w+", asked)

    assert named, where
    assert {re.sub(r"_(total|bucket|count|sum)$", "", name) for name in named} <= known
    assert set(re.findall(r'invariant[!=]~?"(\w+)"', asked)) <= set(INVARIANTS)


def test_the_panels_do_not_lie_over_each_other() -> None:
    places = [panel["gridPos"] for panel in DASHBOARD["panels"]]
    cells = [
        (x, y)
        for at in places
        for x in range(at["x"], at["x"] + at["w"])
        for y in range(at["y"], at["y"] + at["h"])
    ]

    assert len(cells) == len(set(cells))
    assert max(x for x, _ in cells) == 23


def test_the_runbook_knows_every_alert_and_every_rule() -> None:
    alerts = table(RUNBOOK, "| alert |")
    rules = [f"`{rule['alert']}`" for group in RULES for rule in group["rules"]]

    assert alerts == [[f"`{k}`", words.meaning, words.advice] for k, words in ALERTS.items()]
    assert set(ALERTS) == set(AlertKind)
    assert [row[0] for row in table(RUNBOOK, "| rule |")] == rules


def test_the_invariants_of_the_pages_are_those_that_are_asked() -> None:
    rows = table(ROOT / "docs" / "proof.md", "| invariant |")

    assert [row[:3] for row in rows] == [
        [f"`{one.name}`", one.proves, one.meaning] for one in INVARIANTS.values()
    ]
    assert [row[0] for row in table(RUNBOOK, "| invariant |")] == [f"`{n}`" for n in INVARIANTS]
