"""Changing a running subscription: plans, pauses, schedules, discounts, its planned end."""

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

MONTH = 30 * DAY  # the world begins on 21 September


def test_a_planned_end_can_be_taken_back_either_way():
    world = a_world()
    subscription = a_subscription(world)
    path = f"/v1/subscriptions/{subscription['id']}"

    planned = ask(world, "POST", path, cancel_at_period_end=True)
    undone = ask(world, "POST", path, cancel_at_period_end=False)
    flexible = ask(world, "POST", path, cancel_at="max_period_end")
    cleared = ask(world, "POST", path, cancel_at="")

    assert planned["cancel_at"] == START + MONTH
    assert planned["cancellation_details"]["reason"] == "cancellation_requested"
    assert undone["cancel_at"] is None
    assert (flexible["cancel_at"], flexible["cancel_at_period_end"]) == (START + MONTH, False)
    assert cleared["cancel_at"] is None


def test_a_planned_end_comes_before_that_days_renewal():
    world = a_world()
    subscription = a_subscription(world, cancel_at_period_end=True)

    world.advance_to(START + MONTH)

    assert world.find("subscription", subscription["id"])["status"] == "canceled"
    assert len(list(world.all("invoice"))) == 1


def test_an_end_within_a_later_period_is_charged_for_its_part():
    world = a_world()
    subscription = a_subscription(world)
    path = f"/v1/subscriptions/{subscription['id']}"
    half = START + MONTH + 31 * DAY // 2
    ask(world, "POST", path, cancel_at=half)

    foreseen = ask(world, "POST", "/v1/invoices/create_preview", subscription=subscription["id"])
    stays = ask(
        world,
        "POST",
        "/v1/invoices/create_preview",
        subscription=subscription["id"],
        subscription_details={"cancel_at": ""},
    )
    world.advance_to(START + MONTH + DAY)
    charged = latest_invoice(world, subscription["id"])["amount_paid"]
    world.advance_to(half)

    assert (foreseen["amount_due"], stays["amount_due"], charged) == (1000, 2000, 1000)
    assert ask(world, "GET", path)["ended_at"] == half


def test_voiding_pauses_make_invoices_that_nobody_owes():
    world = a_world()
    subscription = a_subscription(world)
    ask(
        world,
        "POST",
        f"/v1/subscriptions/{subscription['id']}",
        pause_collection={"behavior": "void", "resumes_at": START + 40 * DAY},
    )

    world.advance_to(START + 41 * DAY)

    assert latest_invoice(world, subscription["id"])["status"] == "void"
    resumed = world.find("subscription", subscription["id"])
    assert (resumed["status"], resumed["pause_collection"]) == ("active", None)


def test_a_real_pause_stops_invoices_until_resumed():
    world = a_world()
    subscription = a_subscription(world)
    path = f"/v1/subscriptions/{subscription['id']}"

    paused = ask(world, "POST", f"{path}/pause", type="subscription")
    world.advance_to(START + 40 * DAY)
    resumed = ask(world, "POST", f"{path}/resume", billing_cycle_anchor={"type": "now"})

    assert paused["status_details"]["paused"]["subscription"]["type"] == "pause_requested"
    assert resumed["status"] == "active"
    assert latest_invoice(world, subscription["id"])["status"] == "paid"
    assert len(list(world.all("invoice"))) == 2


def test_an_older_version_does_not_know_the_real_pause():
    world = a_world()
    subscription = a_subscription(world)

    answer = world.call(
        "POST", f"/v1/subscriptions/{subscription['id']}/pause", api_version="2026-08-26.dahlia"
    )

    assert answer.status == 404


def test_a_price_without_its_item_is_added_and_without_quantity_it_is_one():
    world = a_world()
    subscription = a_subscription(world, items=[{"price": a_price(world), "quantity": 5}])
    item = subscription["items"]["data"][0]["id"]
    path = f"/v1/subscriptions/{subscription['id']}"

    changed = ask(world, "POST", path, items=[{"id": item, "price": a_price(world, 3000)}])
    added = ask(world, "POST", path, items=[{"price": a_price(world, 500)}])

    assert [i["quantity"] for i in changed["items"]["data"]] == [1]
    assert [i["price"]["unit_amount"] for i in added["items"]["data"]] == [3000, 500]


def test_a_change_in_the_middle_is_prorated_on_the_next_invoice():
    world = a_world()
    subscription = a_subscription(world)
    item = subscription["items"]["data"][0]["id"]
    world.advance_to(START + 15 * DAY)

    wish = {"id": item, "price": a_price(world, 4000), "quantity": 1}
    ask(world, "POST", f"/v1/subscriptions/{subscription['id']}", items=[wish])
    world.advance_to(START + 31 * DAY)

    invoice = latest_invoice(world, subscription["id"])
    assert sorted(line["amount"] for line in invoice["lines"]["data"]) == [-1000, 2000, 4000]
    assert invoice["amount_paid"] == 5000


def test_an_unpaid_switch_to_annual_stays_pending_and_happens_when_paid():
    world = a_world()
    subscription = a_subscription(world)
    item = subscription["items"]["data"][0]["id"]
    yearly = a_price(world, 20000, every="year")
    card = default_card(world, subscription["customer"])
    behaves(world, card, kind="decline", code="insufficient_funds", times=1)
    wish = {"id": item, "price": yearly, "quantity": 1}

    pending = ask(
        world,
        "POST",
        f"/v1/subscriptions/{subscription['id']}",
        items=[wish],
        proration_behavior="always_invoice",
        payment_behavior="pending_if_incomplete",
    )
    ask(world, "POST", f"/v1/invoices/{pending['latest_invoice']}/pay")

    now = world.find("subscription", subscription["id"])
    assert pending["status"] == "active"
    assert pending["items"]["data"][0]["price"]["recurring"]["interval"] == "month"
    assert pending["pending_update"]["subscription_items"]
    assert now["items"]["data"][0]["price"]["id"] == yearly
    assert now["pending_update"] is None


@pytest.mark.parametrize("beside", [{"off_session": True}, {"metadata": {"a": "b"}}], ids=str)
def test_what_may_be_pending_takes_nothing_that_cannot_wait(beside):
    world = a_world()
    subscription = a_subscription(world)

    answer = refusal(
        world,
        "POST",
        f"/v1/subscriptions/{subscription['id']}",
        payment_behavior="pending_if_incomplete",
        **beside,
    )

    assert answer.status == 400
    assert next(iter(beside)) in answer.body["error"]["message"]


def test_a_schedule_turns_at_the_period_end_and_blocks_the_pause():
    world = a_world()
    subscription = a_subscription(world)
    cheaper = a_price(world, 900)
    made = ask(world, "POST", "/v1/subscription_schedules", from_subscription=subscription["id"])
    first = made["phases"][0]
    ask(
        world,
        "POST",
        f"/v1/subscription_schedules/{made['id']}",
        phases=[first_phase(first), {"items": [{"price": cheaper, "quantity": 1}]}],
    )

    refused = refusal(world, "POST", f"/v1/subscriptions/{subscription['id']}/pause")
    world.advance_to(START + 31 * DAY)

    assert refused.status == 400
    assert latest_invoice(world, subscription["id"])["amount_paid"] == 900


def first_phase(phase):
    return {name: phase[name] for name in ("items", "start_date", "end_date")}


def test_discounts_replace_each_other_and_once_is_used_up():
    world = a_world()
    subscription = a_subscription(world)
    ask(world, "POST", "/v1/coupons", id="HALF", percent_off=50, duration="once")
    path = f"/v1/subscriptions/{subscription['id']}"

    ask(world, "POST", path, discounts=[{"coupon": "HALF"}])
    world.advance_to(START + 31 * DAY)
    halved = latest_invoice(world, subscription["id"])["amount_paid"]
    world.advance_to(START + 62 * DAY)

    assert halved == 1000
    assert latest_invoice(world, subscription["id"])["amount_paid"] == 2000
    assert ask(world, "GET", path)["discounts"] == []


def test_a_discount_of_months_touches_no_invoice_after_them():
    # given three months off from the middle of a period on
    world = a_world()
    subscription = a_subscription(world)
    path = f"/v1/subscriptions/{subscription['id']}"
    terms = {"percent_off": 50, "duration": "repeating", "duration_in_months": 3}
    ask(world, "POST", "/v1/coupons", id="HALF", **terms)
    world.advance_to(START + 15 * DAY)
    ask(world, "POST", path, discounts=[{"coupon": "HALF"}])

    world.advance_to(START + 95 * DAY)
    seen = ask(world, "POST", "/v1/invoices/create_preview", subscription=subscription["id"])
    world.advance_to(START + 126 * DAY)

    amounts = [invoice["amount_paid"] for invoice in world.all("invoice")]
    assert amounts == [2000, 1000, 1000, 1000, 2000]
    assert seen["amount_due"] == 2000


def test_credit_on_the_balance_pays_the_next_invoice():
    world = a_world()
    subscription = a_subscription(world)
    ask(
        world,
        "POST",
        f"/v1/customers/{subscription['customer']}/balance_transactions",
        amount=-500,
        currency="usd",
    )

    world.advance_to(START + 31 * DAY)

    invoice = latest_invoice(world, subscription["id"])
    assert (invoice["total"], invoice["amount_paid"]) == (2000, 1500)
    assert world.find("customer", subscription["customer"])["balance"] == 0


def test_the_next_invoice_can_be_previewed_without_leaving_a_trace():
    world = a_world()
    subscription = a_subscription(world)
    item = subscription["items"]["data"][0]["id"]
    wish = {"id": item, "price": a_price(world, 4000), "quantity": 1}
    before = len(world.records.things)

    preview = ask(
        world,
        "POST",
        "/v1/invoices/create_preview",
        subscription=subscription["id"],
        subscription_details={"items": [wish], "proration_behavior": "none"},
    )

    assert preview["amount_due"] == 4000
    assert preview["id"].startswith("upcoming_in_")
    assert len(world.records.things) == before
