"""Every fault of the catalogue has tests that exist, or says why it cannot happen here."""

import tomllib

import pytest

from tests.house.collecting import collected
from tests.house.sources import ROOT

FAULTS = tomllib.loads((ROOT / "tests" / "faults.toml").read_text())


def test_no_fault_is_forgotten() -> None:
    assert list(FAULTS) == [f"F{number}" for number in range(1, 46)]


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_tried_or_does_not_apply(name: str) -> None:
    fault = FAULTS[name]

    assert fault["title"]
    assert bool(fault.get("tests")) is not bool(fault.get("not_here"))


def test_every_named_test_of_a_fault_is_collected() -> None:
    named = {test for fault in FAULTS.values() for test in fault.get("tests", ())}

    assert not named - collected({test.partition("::")[0] for test in named}, "--faults")
