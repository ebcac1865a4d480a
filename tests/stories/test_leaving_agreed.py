"""What was agreed holds for who leaves and comes back: the plan that went for the end is planned
again, and a person is told where it cannot be."""

from typing import Any

import pytest

from app.domain.alerts import AlertKind
from app.services.cancel_telling import uncancel
from tests.offers.stage import Leaving
from tests.stories.cards import APPROVES
from tests.stories.leaving import Door
from tests.stories.stage import PRICE

pytestmark = pytest.mark.anyio


def cheaper(leaving: Leaving) -> dict[str, Any]:
    to = {leaving.own_price(): leaving.price("month", 2000)}
    return {"id": "less", "kind": "downgrade", "to": to}


def better(leaving: Leaving) -> dict[str, Any]:
    to = {leaving.own_price(): leaving.price("month", 5000)}
    return {"id": "more", "kind": "upgrade", "months": 2, "to": to}


async def agreed(door: Door, kind: Any) -> Leaving:
    """Somebody who accepted an offer that has planned something, a day ago."""
    leaving = Leaving(door.stage, await door.stage.subscriber(APPROVES))
    await leaving.accepts(kind(leaving))
    await door.stage.passes(days=1)
    return leaving


async def comes_back(leaving: Leaving) -> None:
    stage = leaving.stage
    whose = (stage.merchant.merchant_id, stage.account.account_id, leaving.person.subscription)
    await uncancel(stage.world, *whose, actor="customer")


def charged(leaving: Leaving) -> list[int]:
    """What was charged after the first period, in order."""
    return [invoice["amount_paid"] for invoice in reversed(leaving.paid())][1:]


@pytest.mark.parametrize(
    ("kind", "then"),
    [
        pytest.param(cheaper, [2000] * 2, id="a cheaper plan"),
        pytest.param(better, [PRICE] * 3, id="a better plan for a while"),
    ],
)
async def test_who_comes_back_is_charged_what_was_agreed(
    door: Door, kind: Any, then: list[int]
) -> None:
    # given somebody with a plan to come, who leaves
    leaving = await agreed(door, kind)
    await (await door.opens(leaving.person)).leaves()
    await door.stage.passes(days=2)

    # when they come back before the end
    await comes_back(leaving)
    await door.stage.passes(days=30 * len(then) + 2)

    assert charged(leaving) == then
    assert await door.stage.alerts() == []


async def test_who_takes_it_back_at_the_provider_keeps_what_was_agreed_too(door: Door) -> None:
    leaving = await agreed(door, cheaper)
    await (await door.opens(leaving.person)).leaves()
    await door.stage.passes(days=2)

    path = f"subscriptions/{leaving.person.subscription}"
    door.stage.call(path, cancel_at_period_end="false")
    await door.stage.passes(days=31)

    assert charged(leaving) == [2000]


async def test_what_was_agreed_stays_where_the_provider_never_heard_of_the_end(door: Door) -> None:
    # given a word that the provider could not be told of
    leaving = await agreed(door, cheaper)
    path = f"/v1/subscriptions/{leaving.person.subscription}"
    door.stage.fault("429", path, method="POST", times=3)
    await (await door.opens(leaving.person)).leaves()

    await comes_back(leaving)
    await door.stage.passes(days=31)

    assert charged(leaving) == [2000]


async def test_who_leaves_and_comes_back_twice_keeps_what_was_agreed(door: Door) -> None:
    leaving = await agreed(door, cheaper)

    for _ in range(2):
        await (await door.opens(leaving.person)).leaves()
        await comes_back(leaving)
        await door.stage.passes(hours=1)
    await door.stage.passes(days=31)

    assert charged(leaving) == [2000]


async def test_a_person_is_told_where_another_schedule_stands_in_the_way(door: Door) -> None:
    # given somebody who left, and a merchant who puts the subscription under a schedule
    leaving = await agreed(door, cheaper)
    await (await door.opens(leaving.person)).leaves()
    await door.stage.passes(days=2)
    path = f"subscriptions/{leaving.person.subscription}"
    door.stage.call(path, cancel_at_period_end="false")
    made = door.stage.call("subscription_schedules", from_subscription=leaving.person.subscription)
    door.stage.call(f"subscription_schedules/{made['id']}", **{"metadata[of]": "the merchant"})

    await door.stage.passes(days=1)

    assert await door.stage.alerts() == [AlertKind.REDEMPTION_PARKED]


async def test_what_goes_with_the_end_is_told_before_and_that_it_comes_back_after(
    door: Door,
) -> None:
    # given somebody with a cheaper plan to come
    leaving = await agreed(door, cheaper)
    leaver = await door.opens(leaving.person)

    # when they look, leave, and take it back
    (told,) = await leaver.outlook()
    receipt = await leaver.leaves()
    path = f"/v1/subscriptions/{leaving.person.subscription}/uncancel"
    undone = (await door.asks("POST", path, leaver.headers)).json()

    assert told["lets_go"] is True
    assert any("change of plan" in line for line in told["says"])
    assert undone["id"] == receipt["id"]
    assert (undone["state"], undone["plans_again"]) == ("undone", True)


async def test_nothing_is_told_of_plans_where_none_was_agreed(door: Door) -> None:
    person = await door.stage.subscriber(APPROVES)
    leaver = await door.opens(person)

    (told,) = await leaver.outlook()
    await leaver.leaves()
    path = f"/v1/subscriptions/{person.subscription}/uncancel"
    undone = (await door.asks("POST", path, leaver.headers)).json()

    assert told["lets_go"] is False
    assert not any("change of plan" in line for line in told["says"])
    assert undone["plans_again"] is False
