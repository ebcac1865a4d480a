"""A process that dies once, at every point of a short story: it comes out the same."""

import pytest

from tests.simulation.runner import die_everywhere

# Of the longest every 40th point: `./run simulate --crashes` tries all of all.
STRIDES = {
    "a retry pays": 2,
    "a new card pays": 4,
    "the customer pays beside it": 2,
    "the window ends": 40,
    "somebody leaves who owes": 4,
    "somebody stays": 4,
}


@pytest.mark.parametrize("name", STRIDES)
def test_it_comes_out_the_same_wherever_a_process_dies(name: str) -> None:
    (found,) = die_everywhere([name], processes=1, stride=STRIDES[name])

    assert found["wrong"] == []
    assert found["points"] > 20
