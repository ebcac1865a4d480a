"""A key of a command at the customer's door: it decides nothing that the session does not."""

import pytest

from app.domain.cancellations import CancelRequest
from tests.stories.cards import APPROVES, REFUSED_ONCE
from tests.stories.leaving import Door

pytestmark = pytest.mark.anyio


async def test_one_key_with_two_ends_is_one_end_and_a_refusal(door: Door) -> None:
    # given somebody who owes, and who has two ends to choose from
    stage = door.stage
    person = await stage.subscriber(REFUSED_ONCE)
    await stage.fails(person)
    leaver = await door.opens(person)

    # when their page sends one key with both, and with the first once more
    first = await leaver.says("period_end", key="k")
    other = await leaver.says("now", key="k")
    again = await leaver.says("period_end", key="k")

    # then the first counts, and the other is refused by name
    assert (first.status_code, other.status_code) == (200, 409)
    assert other.json()["type"] == "/problems/conflict"
    assert again.json() == first.json()
    assert len(await stage.find(CancelRequest)) == 1


async def test_one_key_of_two_customers_is_two_commands(door: Door) -> None:
    one = await door.opens(await door.stage.subscriber(APPROVES))
    two = await door.opens(await door.stage.subscriber(APPROVES))

    first, second = await one.leaves(key="k"), await two.leaves(key="k")

    assert first["id"] != second["id"]
    assert (await one.looks())["state"] == (await two.looks())["state"] == "cancelled"
    assert len(await door.stage.find(CancelRequest)) == 2
