"""Invoices as they would be: of discounts, credit, trials and pauses, and where none comes."""

import pytest

from tests.sandbox.stand import (
    DAY,
    START,
    a_price,
    a_subscription,
    a_world,
    ask,
    behaves,
    default_card,
    latest_invoice,
    refusal,
)

PREVIEW = "/v1/invoices/create_preview"
MONTH = 30 * DAY


def test_a_coupon_is_previewed_without_being_redeemed():
    world = a_world()
    subscription = a_subscription(world)
    ask(world, "POST", "/v1/coupons", id="HALF", percent_off=50, duration="once")

    seen = ask(
        world, "POST", PREVIEW, subscription=subscription["id"], discounts=[{"coupon": "HALF"}]
    )

    assert (seen["subtotal"], seen["amount_due"]) == (2000, 1000)
    assert ask(world, "GET", "/v1/coupons/HALF")["times_redeemed"] == 0


def test_credit_is_taken_off_what_is_previewed():
    world = a_world()
    subscription = a_subscription(world)
    credits_path = f"/v1/customers/{subscription['customer']}/balance_transactions"
    ask(world, "POST", credits_path, amount=-500, currency="usd")

    seen = ask(world, "POST", PREVIEW, subscription=subscription["id"])

    assert (seen["total"], seen["amount_due"]) == (2000, 1500)


@pytest.mark.parametrize("end", [{"cancel_at_period_end": True}, {"cancel_at": "max_period_end"}])
def test_a_subscription_that_ends_has_no_next_invoice_unless_it_is_to_stay(end):
    world = a_world()
    subscription = a_subscription(world)
    ask(world, "POST", f"/v1/subscriptions/{subscription['id']}", **end)

    answer = refusal(world, "POST", PREVIEW, subscription=subscription["id"])
    stays = ask(
        world,
        "POST",
        PREVIEW,
        subscription=subscription["id"],
        subscription_details={"cancel_at_period_end": False}
        if "cancel_at_period_end" in end
        else {"cancel_at": ""},
    )

    assert answer.body["error"]["code"] == "invoice_upcoming_none"
    assert stays["amount_due"] == 2000


def test_a_paused_subscription_shows_the_invoice_it_goes_on_with():
    world = a_world()
    subscription = a_subscription(world)
    ask(world, "POST", f"/v1/subscriptions/{subscription['id']}/pause")

    answer = refusal(world, "POST", PREVIEW, subscription=subscription["id"])
    resumed = ask(
        world,
        "POST",
        PREVIEW,
        subscription=subscription["id"],
        subscription_details={"resume_at": "now"},
    )

    assert answer.body["error"]["code"] == "invoice_upcoming_none"
    assert resumed["lines"]["data"][-1]["amount"] == 2000


def test_a_pause_gives_the_rest_back_unless_it_is_told_not_to():
    world = a_world()
    given, kept = a_subscription(world), a_subscription(world)
    world.advance_to(START + MONTH // 2)

    ask(world, "POST", f"/v1/subscriptions/{given['id']}/pause")
    none = {"unused_time_from": {"type": "none"}}
    ask(world, "POST", f"/v1/subscriptions/{kept['id']}/pause", bill_for=none)

    waiting = [item["amount"] for item in world.all("invoiceitem")]
    assert waiting == [-1000]


def test_a_voided_invoice_takes_the_change_that_waits_for_it_along():
    world = a_world()
    subscription = a_subscription(world)
    item = subscription["items"]["data"][0]["id"]
    behaves(world, default_card(world, subscription["customer"]), kind="decline", code="generic")
    wish = {"id": item, "price": a_price(world, 20000, every="year"), "quantity": 1}
    pending = ask(
        world,
        "POST",
        f"/v1/subscriptions/{subscription['id']}",
        items=[wish],
        proration_behavior="always_invoice",
        payment_behavior="pending_if_incomplete",
    )

    ask(world, "POST", f"/v1/invoices/{pending['latest_invoice']}/void")

    now = world.find("subscription", subscription["id"])
    assert pending["pending_update"] is not None
    assert now["pending_update"] is None
    assert now["items"]["data"][0]["price"]["recurring"]["interval"] == "month"


def test_a_phase_brings_its_discount_and_takes_it_along():
    world = a_world()
    subscription = a_subscription(world)
    ask(world, "POST", "/v1/coupons", id="HALF", percent_off=50, duration="forever")
    made = ask(world, "POST", "/v1/subscription_schedules", from_subscription=subscription["id"])
    begun = made["phases"][0]
    first = {"items": begun["items"], "start_date": begun["start_date"]}
    first |= {"end_date": begun["end_date"] + 31 * DAY, "discounts": [{"coupon": "HALF"}]}
    then = {"items": begun["items"], "discounts": ""}
    path = f"/v1/subscription_schedules/{made['id']}"
    ask(world, "POST", path, phases=[first, then])

    world.advance_to(START + MONTH + DAY)
    halved = latest_invoice(world, subscription["id"])["amount_paid"]
    world.advance_to(START + 2 * MONTH + 2 * DAY)

    assert halved == 1000
    assert latest_invoice(world, subscription["id"])["amount_paid"] == 2000
