"""Discounts: given once, read back, doubled by nobody, and taken back where the rest fails."""

import asyncio

import pytest

from app.domain.offers.common import Why
from app.domain.redemptions import RedemptionState
from app.services.redemptions import OfferRefused
from tests.offers.stage import THIRTY_OFF, Leaving
from tests.stories.breaking import Crash

pytestmark = pytest.mark.anyio
ONCE = {"id": "half-once", "kind": "discount", "percent": 50}
AMOUNT = {"id": "five-off", "kind": "discount", "amount_minor": {"usd": 500}, "months": 2}


@pytest.mark.parametrize("offer", [THIRTY_OFF, ONCE, AMOUNT], ids=lambda o: o["id"])
async def test_a_discount_is_applied_and_the_next_charge_is_what_was_said(
    leaving: Leaving, offer: dict[str, object]
) -> None:
    said = await leaving.sees(offer)

    redemption = await leaving.accepts(offer)
    await leaving.stage.passes(days=31)

    charged = leaving.invoices()[0]
    assert redemption.state is RedemptionState.APPLIED
    assert (said.next_minor, said.currency) == (charged["amount_paid"], charged["currency"])
    assert said.next_at is not None
    assert said.next_at.timestamp() == charged["created"]
    assert said.then_minor == 3000 > charged["amount_paid"]


async def test_a_discount_ends_when_its_months_are_over(leaving: Leaving) -> None:
    # given a day of the paid month gone by: months that begin with a period end before the fourth
    await leaving.stage.passes(days=1)
    said = await leaving.sees(THIRTY_OFF)
    await leaving.accepts(THIRTY_OFF)

    await leaving.stage.passes(days=130)

    amounts = [invoice["amount_paid"] for invoice in leaving.invoices()]
    assert amounts == [said.then_minor, 2100, 2100, 2100, 3000]
    assert said.cost_minor == 3 * 900


async def test_the_charge_afterwards_is_told_without_what_is_settled_once(
    leaving: Leaving,
) -> None:
    # given two seats since the middle of the month, to be settled, and something on account
    await leaving.stage.passes(days=15)
    leaving.adds_seats(2)
    leaving.stage.call(
        f"customers/{leaving.person.customer}/balance_transactions", amount=-500, currency="usd"
    )

    said = await leaving.sees()
    await leaving.accepts()
    await leaving.stage.passes(days=16)
    first = leaving.invoices()[0]["amount_paid"]
    await leaving.stage.passes(days=95)

    assert said.next_minor == first != said.then_minor
    assert said.then_minor == leaving.invoices()[0]["amount_paid"] == 2 * 3000


async def test_an_accepted_discount_takes_the_planned_end_back(leaving: Leaving) -> None:
    leaving.plans_to_leave()
    said = await leaving.sees()

    redemption = await leaving.accepts()

    standing = await leaving.stands()
    assert said.undoes_end
    assert await leaving.steps(redemption) == [
        ("add_discount", "done"),
        ("take_back_end", "done"),
    ]
    assert not standing.ends
    assert len(standing.discounts) == 1


async def test_a_double_click_gives_one_discount(leaving: Leaving) -> None:
    first = await leaving.accepts()
    again = await leaving.accepts()

    assert again == first
    assert len(await leaving.redeemed()) == len(leaving.discounts()) == 1


async def test_two_tabs_at_once_give_one_discount(leaving: Leaving) -> None:
    tabs = await asyncio.gather(leaving.claims(), leaving.claims(), leaving.claims())
    await asyncio.gather(*(leaving.carries_on(tab) for tab in tabs))

    assert len({tab.redemption_id for tab in tabs}) == 1
    assert len(leaving.discounts()) == 1
    (redemption,) = await leaving.redeemed()
    assert redemption.state is RedemptionState.APPLIED


async def test_one_offer_at_a_time_is_applied_to_a_subscription(leaving: Leaving) -> None:
    await leaving.claims({**THIRTY_OFF, "cool_down_days": 0})

    with pytest.raises(OfferRefused) as refused:
        await leaving.claims({**ONCE, "cool_down_days": 0}, session="cxs_2")

    assert refused.value.why is Why.UNDER_WAY


async def test_a_second_session_is_refused_by_the_cool_down(leaving: Leaving) -> None:
    await leaving.accepts()

    with pytest.raises(OfferRefused) as refused:
        await leaving.accepts(ONCE, session="cxs_2")

    assert refused.value.why is Why.COOL_DOWN
    assert len(leaving.discounts()) == 1


@pytest.mark.parametrize("fault", ["timeout_before", "timeout_after", "reset_after", "500"])
async def test_an_answer_that_is_lost_is_found_out_by_reading(leaving: Leaving, fault: str) -> None:
    leaving.plans_to_leave()
    leaving.loses_the_answers(fault)

    doubtful = await leaving.accepts()
    await leaving.stage.passes(hours=1)

    (redemption,) = await leaving.redeemed()
    assert doubtful.state is RedemptionState.APPLYING
    assert redemption.state is RedemptionState.APPLIED
    assert len(leaving.discounts()) == 1
    assert not (await leaving.stands()).ends


async def test_a_discount_used_up_before_we_looked_is_not_given_again(leaving: Leaving) -> None:
    # given a discount for one invoice whose answer was lost, and a provider that is away until
    # the invoice was made
    leaving.loses_the_answers()
    await leaving.accepts(ONCE)
    leaving.stage.mended()
    leaving.stage.fuse.away = True
    await leaving.stage.passes(days=31)
    leaving.stage.fuse.away = False

    await leaving.stage.passes(days=32)

    (redemption,) = await leaving.redeemed()
    assert redemption.state is RedemptionState.APPLIED
    assert leaving.discounts() == []
    assert [invoice["amount_paid"] for invoice in leaving.invoices()] == [3000, 1500, 3000]


@pytest.mark.parametrize("point", range(1, 13))
async def test_a_process_that_dies_at_any_point_leaves_one_discount(
    leaving: Leaving, point: int
) -> None:
    leaving.plans_to_leave()
    claimed = await leaving.claims()
    leaving.stage.fuse.arm(point)
    with pytest.raises(Crash):
        await leaving.carries_on(claimed)

    await leaving.stage.passes(hours=1)

    (redemption,) = await leaving.redeemed()
    assert redemption.state is RedemptionState.APPLIED
    assert len(leaving.discounts()) == 1
    assert not (await leaving.stands()).ends


async def test_a_discount_is_taken_back_when_a_later_step_is_refused(leaving: Leaving) -> None:
    # given a schedule that the merchant attaches right after the discount was given: the end
    # cannot be taken back past it
    leaving.plans_to_leave()
    claimed = await leaving.claims()

    leaving.attaches_a_schedule_after_the_first_call()

    redemption = await leaving.carries_on(claimed)

    assert redemption.state is RedemptionState.FAILED
    assert await leaving.steps(redemption) == [
        ("add_discount", "undone"),
        ("take_back_end", "refused"),
    ]
    assert leaving.discounts() == []


async def test_an_attached_schedule_is_let_go_first_and_it_is_said_before(
    leaving: Leaving,
) -> None:
    leaving.stage.call("subscription_schedules", from_subscription=leaving.person.subscription)
    said = await leaving.sees()

    redemption = await leaving.accepts()

    assert said.ends_schedule
    assert redemption.state is RedemptionState.APPLIED
    assert (await leaving.stands()).schedule is None


async def test_a_subscription_that_ended_meanwhile_gets_nothing(leaving: Leaving) -> None:
    claimed = await leaving.claims()
    leaving.stage.sandbox.raw("DELETE", f"/v1/subscriptions/{leaving.person.subscription}")

    redemption = await leaving.carries_on(claimed)

    assert redemption.state is RedemptionState.FAILED
    assert leaving.discounts() == []


async def test_nobody_gets_a_discount_on_top_of_one(leaving: Leaving) -> None:
    leaving.stage.call("coupons", id="OLD", percent_off=10, duration="forever")
    leaving.stage.call(
        f"subscriptions/{leaving.person.subscription}", **{"discounts[0][coupon]": "OLD"}
    )

    with pytest.raises(OfferRefused) as refused:
        await leaving.accepts()

    assert refused.value.why is Why.HAS_DISCOUNT
    assert len(leaving.discounts()) == 1


async def test_three_months_off_are_not_offered_for_a_year(leaving: Leaving) -> None:
    person = await leaving.stage.subscriber({}, every="year", amount=30000)

    with pytest.raises(OfferRefused) as refused:
        await Leaving(leaving.stage, person).accepts(THIRTY_OFF)

    assert refused.value.why is Why.INTERVAL


async def test_a_key_that_is_refused_pauses_the_account_and_nothing_is_lost(
    leaving: Leaving,
) -> None:
    good = leaving.stage.account.api_key_sealed
    claimed = await leaving.claims()
    await leaving.stage.key_is(leaving.stage.world.sealer.seal("sk_live_revoked"))

    redemption = await leaving.carries_on(claimed)
    await leaving.stage.passes(hours=0.1)
    paused = await leaving.stage.paused()
    await leaving.stage.key_is(good)

    later = await leaving.carries_on(claimed)

    assert redemption.state is RedemptionState.APPLYING
    assert paused is not None
    assert later.state is RedemptionState.APPLIED
