"""What is planned for later at Stripe: a schedule of two phases, made by two requests."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from app.domain.changes import DropPlan, PlanItems, Wanted
from app.ports.payments import ProviderRefused
from tests.providers.stripe.stripe_shapes import subscription
from tests.providers.stripe.wire import ACCOUNT, API, answers, form, key, refuses

pytestmark = pytest.mark.anyio
SUBSCRIPTION = f"{API}/v1/subscriptions/sub_1"
DECEMBER = datetime(2026, 12, 1, tzinfo=UTC)
PLAN = PlanItems(mark="red_1", at=DECEMBER, items=(Wanted(id="si_1", price="less", quantity=4),))
SCHEDULES = f"{API}/v1/subscription_schedules"
BEGUN: dict[str, Any] = {
    "id": "sub_sched_1",
    "metadata": {},
    "phases": [
        {
            "items": [{"price": "price_month", "quantity": 4}],
            "start_date": 1793491200,
            "end_date": 1796083200,
        }
    ],
}


async def ask(payments, change):
    await payments.change(ACCOUNT, "sub_1", change, customer="cus_1", key="red_1:1:1")


async def test_a_plan_is_a_schedule_of_two_phases_that_lets_go(payments, wire):
    made = wire.post(SCHEDULES).mock(return_value=answers(BEGUN))
    phased = wire.post(f"{SCHEDULES}/sub_sched_1").mock(return_value=answers(BEGUN))

    await ask(payments, replace(PLAN, keep=("di_1",)))

    assert form(made) == {"from_subscription": "sub_1"}
    assert form(phased) == {
        "end_behavior": "release",
        "proration_behavior": "none",
        "metadata[holdfast_offer]": "red_1",
        "phases[0][items][0][price]": "price_month",
        "phases[0][items][0][quantity]": "4",
        "phases[0][start_date]": "1793491200",
        "phases[0][end_date]": "1796083200",
        "phases[0][proration_behavior]": "none",
        "phases[0][discounts][0][discount]": "di_1",
        "phases[1][items][0][price]": "less",
        "phases[1][items][0][quantity]": "4",
        "phases[1][duration][interval]": "month",
        "phases[1][duration][interval_count]": "1",
        "phases[1][proration_behavior]": "none",
        "phases[1][discounts][0][discount]": "di_1",
    }
    assert [key(route) for route in (made, phased)] == ["red_1:1:1", "red_1:1:1:phases"]


async def test_a_plan_with_something_off_until_then_ends_that_with_its_first_phase(payments, wire):
    wire.get(f"{API}/v1/coupons/c").mock(return_value=answers({"id": "c"}))
    wire.post(SCHEDULES).mock(return_value=answers(BEGUN))
    phased = wire.post(f"{SCHEDULES}/sub_sched_1").mock(return_value=answers(BEGUN))

    await ask(payments, replace(PLAN, coupon="c", off_minor=2000, currency="usd", months=3))

    sent = form(phased)
    assert sent["phases[0][discounts][0][coupon]"] == "c"
    assert sent["phases[1][discounts]"] == ""


TERMS = {
    "automatic_tax": {"enabled": True, "liability": {"type": "account", "account": "acct_2"}},
    "collection_method": "send_invoice",
    "default_payment_method": "pm_1",
    "default_tax_rates": [{"id": "txr_1", "percentage": 19}],
    "invoice_settings": {"account_tax_ids": None, "days_until_due": 14, "issuer": {"type": "self"}},
    "transfer_data": {"destination": "acct_3", "amount_percent": None},
    "trial_end": 1796083200,
}


async def test_a_plan_names_again_what_its_phases_would_lose(payments, wire):
    # given a trial, with taxes, that is to be paid by bill, and an item with a discount of its own
    (phase,) = BEGUN["phases"]
    item = {"price": "price_month", "quantity": 4, "tax_rates": [{"id": "txr_2"}]}
    item |= {"discounts": [{"coupon": None, "discount": "di_7"}]}
    begun = {**BEGUN, "phases": [{**phase, **TERMS, "items": [item]}]}
    wire.post(SCHEDULES).mock(return_value=answers(begun))
    phased = wire.post(f"{SCHEDULES}/sub_sched_1").mock(return_value=answers(begun))

    await ask(payments, PLAN)

    sent = form(phased)
    for number in (0, 1):
        told = {k.removeprefix(f"phases[{number}]"): v for k, v in sent.items()}
        assert told["[items][0][tax_rates][0]"] == "txr_2"
        assert told["[items][0][discounts][0][discount]"] == "di_7"
        assert told["[default_tax_rates][0]"] == "txr_1"
        assert told["[automatic_tax][enabled]"] == "true"
        assert told["[automatic_tax][liability][account]"] == "acct_2"
        assert told["[invoice_settings][days_until_due]"] == "14"
        assert told["[collection_method]"] == "send_invoice"
        assert told["[default_payment_method]"] == "pm_1"
        assert told["[transfer_data][destination]"] == "acct_3"
    assert sent["phases[0][trial_end]"] == "1796083200"
    assert "phases[1][trial_end]" not in sent


@pytest.mark.parametrize("attached", [BEGUN, {**BEGUN, "metadata": {"theirs": "yes"}}])
async def test_a_schedule_left_half_made_is_taken_up_and_no_other(payments, wire, attached):
    wire.post(SCHEDULES).mock(return_value=refuses(400, code="schedule_attached"))
    shown = subscription(schedule=attached)
    wire.get(url__startswith=SUBSCRIPTION).mock(return_value=answers(shown))
    phased = wire.post(f"{SCHEDULES}/sub_sched_1").mock(return_value=answers(BEGUN))

    if attached["metadata"]:
        with pytest.raises(ProviderRefused):
            await ask(payments, PLAN)
    else:
        await ask(payments, PLAN)

    assert phased.call_count == (0 if attached["metadata"] else 1)


@pytest.mark.parametrize(("mark", "times"), [("red_1", 1), ("red_0", 0)])
async def test_a_plan_is_dropped_by_its_mark_and_no_other_is(payments, wire, mark, times):
    schedule = {"id": "sub_sched_1", "metadata": {"holdfast_offer": mark}}
    wire.get(url__startswith=SUBSCRIPTION).mock(
        return_value=answers(subscription(schedule=schedule))
    )
    released = wire.post(f"{SCHEDULES}/sub_sched_1/release").mock(return_value=answers(BEGUN))

    await ask(payments, DropPlan(mark="red_1"))

    assert released.call_count == times
