"""MRR is what is paid: discounts count from the moment they stand, and no report puts them off."""

import pytest

from app.domain.actions import Action, ActionKind
from app.domain.mirror import Subscription
from app.domain.mrr import MovementKind, MrrMovement
from tests.offers.stage import Leaving
from tests.stories.cards import APPROVES
from tests.stories.stage import PRICE, Stage

pytestmark = pytest.mark.anyio
THIRTY_OFF = {"id": "less", "kind": "discount", "percent": 30, "months": 3}


async def moves(stage: Stage) -> list[tuple[MovementKind, int]]:
    """The movements of MRR, in their order."""
    found = await stage.find(MrrMovement)
    ordered = sorted(found, key=lambda line: (line.recorded_at, line.movement_id))
    return [(line.kind, line.delta_minor) for line in ordered]


async def test_an_accepted_discount_is_a_contraction_and_its_end_an_expansion(
    stage: Stage,
) -> None:
    leaving = Leaving(stage, await stage.subscriber(APPROVES))
    await stage.passes(days=1)

    await leaving.accepts(THIRTY_OFF)
    await stage.passes(hours=1)
    with_it = await moves(stage)
    await stage.passes(days=130)

    less = (MovementKind.CONTRACTION, -PRICE * 30 // 100)
    assert with_it[1:] == [less]
    assert (await moves(stage))[2:] == [(MovementKind.EXPANSION, PRICE * 30 // 100)]


@pytest.mark.parametrize("turned", [False, True], ids=["in order", "the other way round"])
async def test_a_subscription_that_begins_with_a_coupon_begins_with_what_it_pays(
    stage: Stage, turned: bool
) -> None:
    person = await stage.subscriber(APPROVES)
    await stage.passes(hours=1)
    stage.order = (lambda events: events[::-1]) if turned else stage.order
    stage.call("coupons", id="half", percent_off=50, duration="forever")
    before = await moves(stage)

    stage.call(
        "subscriptions",
        customer=person.customer,
        **{"items[0][price]": stage.price("month", "usd", PRICE), "discounts[0][coupon]": "half"},
    )
    await stage.plays()

    assert (await moves(stage))[len(before) :] == [(MovementKind.NEW, PRICE // 2)]


async def test_a_report_that_only_names_known_discounts_moves_nothing_and_reads_nothing(
    stage: Stage,
) -> None:
    # given a subscription with a discount that was read
    leaving = Leaving(stage, await stage.subscriber(APPROVES))
    await stage.passes(days=1)
    await leaving.accepts(THIRTY_OFF)
    await stage.passes(hours=1)
    known, reads = await moves(stage), await looks(stage)

    # when other things of it change
    stage.call(f"subscriptions/{leaving.person.subscription}", **{"metadata[team]": "blue"})
    await stage.passes(hours=1)

    assert (await moves(stage), await looks(stage)) == (known, reads)
    (mirror,) = await stage.find(Subscription)
    assert (mirror.mrr_minor, mirror.list_minor) == (PRICE * 70 // 100, PRICE)
    assert mirror.discounts_hidden is None


async def looks(stage: Stage) -> int:
    """How often a subscription was read for its discounts."""
    found = [a for a in await stage.find(Action) if a.kind is ActionKind.READ]
    return sum(action.key.endswith(":discounts") for action in found)


async def test_more_of_a_discounted_plan_is_counted_less_its_discount(stage: Stage) -> None:
    leaving = Leaving(stage, await stage.subscriber(APPROVES))
    await stage.passes(days=1)
    await leaving.accepts(THIRTY_OFF)
    await stage.passes(hours=1)
    known = await moves(stage)

    item = stage.there(f"subscriptions/{leaving.person.subscription}")["items"]["data"][0]["id"]
    path = f"subscriptions/{leaving.person.subscription}"
    stage.call(path, **{"items[0][id]": item, "items[0][quantity]": 2})
    await stage.passes(hours=1)

    assert (await moves(stage))[len(known) :] == [(MovementKind.EXPANSION, PRICE * 70 // 100)]
