"""Lists of the sandbox: the newest first, and only what was made when it is asked for."""

import pytest

from app.providers.sandbox.render import EVER, bounds_of
from tests.sandbox.stand import START, a_world, ask

DAY = 86_400


@pytest.mark.parametrize(
    ("created", "first", "last"),
    [
        pytest.param(None, *EVER, id="any time"),
        pytest.param("7", 7, 7, id="one second"),
        pytest.param({"gte": "7"}, 7, EVER[1], id="from"),
        pytest.param({"gt": 7, "lt": 9}, 8, 8, id="between"),
        pytest.param({"gte": 7, "gt": 7, "lte": 9}, 8, 9, id="the narrower of two"),
    ],
)
def test_bounds_say_the_first_and_the_last_second(created: object, first: int, last: int) -> None:
    assert bounds_of(created) == (first, last)


def test_events_of_a_span_are_listed_newest_first_and_no_others() -> None:
    # given a customer made on each of five days
    world = a_world()
    for day in range(5):
        world.advance_to(START + day * DAY)
        ask(world, "POST", "/v1/customers", name=f"of day {day}")

    # when those of the second to the fourth are asked for
    listed = ask(world, "GET", "/v1/events", created={"gte": START + DAY, "lt": START + 4 * DAY})[
        "data"
    ]

    # then the newest comes first, and who came before or later is not there
    names = [event["data"]["object"]["name"] for event in listed]
    assert names == ["of day 3", "of day 2", "of day 1"]
