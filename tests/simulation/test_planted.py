"""The simulation itself is tried: what is planted in the product must be found."""

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


def test_what_is_planted_is_found() -> None:
    found = try_planted(SOON, at_most=40)

    assert {row["name"] for row in found if row["caught"]} == set(SOON)
