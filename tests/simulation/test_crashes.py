"""A process that dies once, at every point of a short story: it comes out the same."""

from tests.simulation.crashes import STORIES
from tests.simulation.runner import die_everywhere

POINTS = 2000  # that all stories have together, at least: else something was left out


def test_it_comes_out_the_same_wherever_a_process_dies() -> None:
    found = die_everywhere(list(STORIES))

    assert {row["name"]: row["wrong"] for row in found} == {name: [] for name in STORIES}
    assert sum(row["points"] for row in found) > POINTS
