"""The simulation itself is tried: what is planted in the product must be found."""

import pytest

from tests.simulation.planted import PLANTED
from tests.simulation.runner import try_planted

AT_LEAST = 40
# Found within a few histories each; `./run simulate --planted` looks for all of them.
SOON = (
    "a charge before its intent",
    "the next attempt is lost",
    "letters go twice",
    "recovered money is not entered",
    "a timeline without lines",
)


def test_there_are_enough_planted_faults() -> None:
    assert len(PLANTED) >= AT_LEAST


@pytest.mark.parametrize("name", SOON)
def test_a_planted_fault_is_found(name: str) -> None:
    (found,) = try_planted([name], processes=1, at_most=40)

    assert found["caught"], f"{name} was not found in {found['histories']} histories"
