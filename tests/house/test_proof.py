"""What docs/proof.md says is promised, planted and broken is what the tests do."""

import re
import tomllib
from typing import Any

import pytest

from tests.house.sources import ROOT
from tests.house.tables import table
from tests.simulation.planted import GROUPS, PLANTED

PAGE = ROOT / "docs" / "proof.md"
PROMISES, FAULTS, INCIDENTS = (
    tomllib.loads((ROOT / "tests" / f"{book}.toml").read_text())
    for book in ("promises", "faults", "incidents")
)


def tried_in(entry: dict[str, Any]) -> str:
    """The rooms of `tests/` that try it, or why it is not tried."""
    rooms = sorted({test.split("/")[1] for test in entry.get("tests", ())})
    return ", ".join(rooms) or f"not here: {entry['not_here']}"


@pytest.mark.parametrize(
    ("heading", "book"), [("| | promised |", PROMISES), ("| | broken |", FAULTS)]
)
def test_what_is_promised_and_broken_is_what_is_tried(heading: str, book: dict[str, Any]) -> None:
    told = table(PAGE, heading)

    assert told == [[name, entry["title"], tried_in(entry)] for name, entry in book.items()]


def test_the_planted_faults_of_the_page_are_those_that_are_looked_for() -> None:
    told = table(PAGE, "| about | planted |")

    assert told == [[about, " · ".join(faults)] for about, faults in GROUPS.items()]
    assert sum(map(len, GROUPS.values())) == len(PLANTED)


def test_the_incidents_that_no_planted_fault_stands_for_are_told() -> None:
    told = table(PAGE, "| incident | why none |")
    left_out = {key: one for key, one in INCIDENTS.items() if "not_planted" in one}

    assert told == [[f"{one['title']}", one["not_planted"]] for one in left_out.values()]


def test_every_fault_of_a_sum_on_the_page_is_counted() -> None:
    text = PAGE.read_text()
    (planted,) = re.findall(r"(\d+) planted faults", text)
    (incidents,) = re.findall(r"(\d+) incidents", text)

    assert (int(planted), int(incidents)) == (len(PLANTED), len(INCIDENTS))
