"""A process that dies once, at every point of a short story: it comes out the same."""

from tests.simulation.crashes import STORIES
from tests.simulation.runner import die_everywhere

# Every so many points: `./run simulate --crashes` tries all of all.
STRIDE = 8


def test_it_comes_out_the_same_wherever_a_process_dies() -> None:
    found = die_everywhere(list(STORIES), stride=STRIDE)

    assert {row["name"]: row["wrong"] for row in found} == {name: [] for name in STORIES}
    assert min(row["points"] for row in found) > STRIDE
