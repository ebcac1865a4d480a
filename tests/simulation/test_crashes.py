"""A process that dies once, at every point of a short story: it comes out the same."""

import pytest

from tests.simulation.runner import die_everywhere

# Every so many points: `./run simulate --crashes` tries all of all.
STRIDES = {
    "a retry pays": 8,
    "a new card pays": 8,
    "the customer pays beside it": 8,
    "the window ends": 80,
    "somebody leaves who owes": 8,
    "somebody stays": 8,
}


@pytest.mark.parametrize("name", STRIDES)
def test_it_comes_out_the_same_wherever_a_process_dies(name: str) -> None:
    (found,) = die_everywhere([name], processes=1, stride=STRIDES[name])

    assert found["wrong"] == []
    assert found["points"] > 8
