"""What was agreed before outlives an offer that came to nothing."""

from dataclasses import replace
from datetime import timedelta

import pytest

from app.domain.changes import PlanItems, ReleaseSchedule, Step
from app.domain.offers import steps
from app.domain.redemptions import RedemptionState
from app.domain.standing import Discounted
from app.services import redeeming
from tests.offers.facts import NOW, facts
from tests.offers.stage import Leaving, offer_of
from tests.stories.cards import APPROVES, REFUSED

pytestmark = pytest.mark.anyio


def planned(leaving: Leaving, kind: str) -> dict[str, object]:
    """An offer that is to change the price at the end of a period."""
    to = {leaving.own_price(): leaving.price("month", 2000 if kind == "downgrade" else 5000)}
    return {"id": "planned", "kind": kind, "to": to}


def a_year(leaving: Leaving, when_unpaid: str) -> dict[str, object]:
    to = {leaving.own_price(): leaving.price("year", 30000)}
    return {
        "id": "year",
        "kind": "annual",
        "to": to,
        "when_unpaid": when_unpaid,
        "cool_down_days": 0,
    }


async def test_a_cheaper_plan_for_later_is_planned_again_when_a_year_is_refused(
    leaving: Leaving,
) -> None:
    # given somebody who was told of a lower price from the next period on
    said = await leaving.sees(planned(leaving, "downgrade"))
    await leaving.accepts(planned(leaving, "downgrade"))
    await leaving.stage.passes(days=1)
    leaving.stage.program(leaving.person.method, REFUSED)

    failed = await leaving.accepts(a_year(leaving, "refuse"), session="cxs_2")
    leaving.stage.program(leaving.person.method, APPROVES)
    await leaving.stage.passes(days=61)

    assert failed.state is RedemptionState.FAILED
    assert await leaving.steps(failed) == [
        ("release_schedule", "undone"),
        ("change_items", "refused"),
    ]
    assert said.next_minor == 2000
    assert [invoice["amount_paid"] for invoice in leaving.paid()] == [2000, 2000, 3000]


async def test_a_cheaper_plan_for_later_is_planned_again_when_nobody_paid_for_the_year(
    leaving: Leaving,
) -> None:
    await leaving.accepts(planned(leaving, "downgrade"))
    await leaving.stage.passes(days=1)
    leaving.stage.program(leaving.person.method, REFUSED)
    waiting = await leaving.accepts(a_year(leaving, "hold"), session="cxs_2")

    merchant = leaving.stage.merchant.merchant_id
    failed = await redeeming.give_up(leaving.stage.world, merchant, waiting.redemption_id)
    leaving.stage.program(leaving.person.method, APPROVES)
    await leaving.stage.passes(days=31)

    assert waiting.state is RedemptionState.WAITING
    assert failed.state is RedemptionState.FAILED
    assert leaving.paid()[0]["amount_paid"] == 2000


def test_a_plan_made_again_takes_what_came_off_until_then_once() -> None:
    # given a better plan that goes back in a month, and what its old price takes off until then
    back = PlanItems(
        mark="red_0", at=NOW + timedelta(days=20), items=(), coupon="ours", keep=("a",)
    )
    stand = (Discounted(id="b", coupon="theirs"), Discounted(id="c", coupon="ours"))
    five = offer_of({"id": "five", "kind": "credit", "amount_minor": {"usd": 500}})
    known = facts(schedule="sub_sched_1", schedule_mark="red_0", discounts=stand)

    (first, *_) = steps(five, replace(known, planned=back), "red_1")
    (over, *_) = steps(five, replace(known, planned=replace(back, at=NOW)), "red_1")

    assert first.undo == replace(back, keep=("b",))
    assert over == Step(change=ReleaseSchedule(schedule="sub_sched_1", spent=True))


async def test_a_plan_whose_day_passed_while_the_year_waited_is_for_a_person(
    leaving: Leaving,
) -> None:
    await leaving.accepts(planned(leaving, "downgrade"))
    await leaving.stage.passes(days=29, hours=12)
    leaving.stage.program(leaving.person.method, REFUSED)
    await leaving.accepts(a_year(leaving, "hold"), session="cxs_2")

    await leaving.stage.passes(days=2)

    parked = (await leaving.redeemed())[-1]
    assert parked.state is RedemptionState.PARKED
    assert "redemption_parked" in await leaving.stage.alerts()


async def test_a_schedule_of_the_merchants_that_was_let_go_for_nothing_is_for_a_person(
    leaving: Leaving,
) -> None:
    leaving.stage.call("subscription_schedules", from_subscription=leaving.person.subscription)
    leaving.stage.program(leaving.person.method, REFUSED)

    parked = await leaving.accepts(a_year(leaving, "refuse"))

    assert parked.state is RedemptionState.PARKED
    assert await leaving.stage.alerts() == ["redemption_parked"]
