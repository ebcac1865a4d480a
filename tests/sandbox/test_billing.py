"""Renewals, the provider's own retries, and where a subscription stands."""

import pytest

from app.providers.sandbox import acts
from tests.sandbox.stand import (
    DAY,
    START,
    a_card,
    a_customer,
    a_failed_renewal,
    a_price,
    a_subscription,
    a_world,
    ask,
    behaves,
    default_card,
    events,
    latest_invoice,
    refusal,
    types,
)

MONTH = 30 * DAY  # the world begins on 21 September


def test_a_renewal_is_drafted_then_closed_and_charged_an_hour_later():
    world = a_world()
    subscription = a_subscription(world)

    world.advance_to(START + MONTH + 1800)
    drafted = latest_invoice(world, subscription["id"])["status"]
    world.advance_to(START + MONTH + 3600)

    invoice = latest_invoice(world, subscription["id"])
    assert drafted == "draft"
    assert (invoice["status"], invoice["billing_reason"]) == ("paid", "subscription_cycle")
    assert invoice["status_transitions"]["finalized_at"] == START + MONTH + 3600
    item = world.find("subscription", subscription["id"])["items"]["data"][0]
    assert item["current_period_start"] == START + MONTH


def test_one_payment_is_told_in_the_order_the_provider_tells_it():
    world = a_world()
    a_subscription(world)
    world.advance_to(START + MONTH)
    before = len(events(world))

    world.advance_to(START + MONTH + 3600)

    assert types(world)[before:] == [
        "payment_intent.created",
        "invoice.finalized",
        "charge.succeeded",
        "payment_intent.succeeded",
        "invoice.updated",
        "invoice.paid",
        "invoice.payment_succeeded",
        "invoice_payment.paid",
    ]


def test_a_refused_renewal_leaves_the_subscription_past_due():
    world = a_world()

    subscription = a_failed_renewal(world)

    update = events(world, "customer.subscription.updated")[-1]
    assert subscription["status"] == "past_due"
    assert update["data"]["previous_attributes"] == {"status": "active"}
    assert types(world, "charge.failed")
    assert types(world, "invoice.payment_failed")


def test_the_providers_own_retries_come_on_their_days_and_end_in_cancellation():
    world = a_world(retry_days=[3, 5, 7], end_action="cancel")
    subscription = a_failed_renewal(world)
    first = latest_invoice(world, subscription["id"])
    when = (first["attempt_count"], first["next_payment_attempt"])

    world.advance_to(START + 60 * DAY)

    invoice = latest_invoice(world, subscription["id"])
    ended = world.find("subscription", subscription["id"])
    assert when == (1, START + MONTH + 3600 + 3 * DAY)
    assert (invoice["attempt_count"], invoice["next_payment_attempt"]) == (4, None)
    assert ended["status"] == "canceled"
    assert ended["cancellation_details"]["reason"] == "payment_failed"
    assert invoice["auto_advance"] is False
    assert len(events(world, "charge.failed")) == 4


@pytest.mark.parametrize(
    ("action", "status"), [("unpaid", "unpaid"), ("past_due", "past_due"), ("pause", "paused")]
)
def test_the_end_of_the_retries_is_the_accounts_choice(action, status):
    world = a_world(retry_days=[3], end_action=action)
    subscription = a_failed_renewal(world)

    world.advance_to(START + 40 * DAY)

    assert world.find("subscription", subscription["id"])["status"] == status


def test_a_final_failure_that_pauses_says_why():
    world = a_world(retry_days=[], end_action="pause")

    subscription = a_failed_renewal(world)

    assert subscription["status_details"]["paused"]["subscription"]["type"] == (
        "final_payment_failure"
    )
    assert types(world, "customer.subscription.paused")


def test_without_auto_advance_nothing_is_retried_and_nothing_ends():
    world = a_world()
    subscription = a_failed_renewal(world)
    invoice = latest_invoice(world, subscription["id"])

    answer = ask(world, "POST", f"/v1/invoices/{invoice['id']}", auto_advance=False)
    world.advance_to(START + 58 * DAY)

    update = events(world, "invoice.updated")[-1]["data"]["previous_attributes"]
    assert answer["next_payment_attempt"] is None
    assert invoice["attempt_count"] == 1
    assert world.find("subscription", subscription["id"])["status"] == "past_due"
    assert update["auto_advance"] is True


def test_paying_by_hand_does_not_count_as_an_attempt():
    world = a_world()
    subscription = a_failed_renewal(world)
    invoice = latest_invoice(world, subscription["id"])

    refusal(world, "POST", f"/v1/invoices/{invoice['id']}/pay")
    paid = ask(world, "POST", f"/v1/invoices/{invoice['id']}/pay", payment_method="pm_card_visa")

    assert paid["attempt_count"] == 1
    assert paid["status"] == "paid"
    assert world.find("subscription", subscription["id"])["status"] == "active"


def test_a_hard_decline_is_counted_on_but_not_charged_again():
    world = a_world(retry_days=[3, 5, 7])
    a_failed_renewal(world, code="stolen_card")

    world.advance_to(START + 60 * DAY)

    assert len(events(world, "charge.failed")) == 1


def test_a_new_card_on_the_customer_is_ignored_while_the_subscription_has_its_own():
    world = a_world()
    customer = a_customer(world)
    own = a_card(world, customer, "pm_card_chargeCustomerFail")
    subscription = a_subscription(world, customer)
    ask(world, "POST", f"/v1/subscriptions/{subscription['id']}", default_payment_method=own)
    acts.act(world, customer, {"act": "new_card", "card": "pm_card_mastercard"})

    world.advance_to(START + 31 * DAY)

    charge = events(world, "charge.failed")[-1]["data"]["object"]
    assert charge["payment_method"] == own


def test_only_the_latest_invoice_decides_how_a_subscription_stands():
    world = a_world(retry_days=[], end_action="past_due")
    subscription = a_failed_renewal(world)
    old = latest_invoice(world, subscription["id"])
    world.advance_to(START + 62 * DAY)

    ask(world, "POST", f"/v1/invoices/{old['id']}/pay", payment_method="pm_card_visa")

    assert world.find("subscription", subscription["id"])["status"] == "past_due"


def test_an_incomplete_subscription_expires_after_23_hours():
    world = a_world()
    customer = a_customer(world, "pm_card_chargeCustomerFail")
    subscription = a_subscription(world, customer)

    world.advance_to(START + DAY)

    ended = world.find("subscription", subscription["id"])
    assert subscription["status"] == "incomplete"
    assert ended["status"] == "incomplete_expired"
    assert latest_invoice(world, subscription["id"])["status"] == "void"


def test_with_error_if_incomplete_a_refused_first_payment_leaves_nothing():
    world = a_world()
    customer = a_customer(world, "pm_card_chargeCustomerFail")

    answer = refusal(
        world,
        "POST",
        "/v1/subscriptions",
        customer=customer,
        items=[{"price": a_price(world)}],
        payment_behavior="error_if_incomplete",
    )

    assert answer.status == 402
    assert not list(world.all("subscription"))
    assert not list(world.all("invoice"))


def test_a_trial_ends_in_the_first_charge():
    world = a_world()
    subscription = a_subscription(world, trial_period_days=14)

    world.advance_to(START + 15 * DAY)

    invoice = latest_invoice(world, subscription["id"])
    assert subscription["status"] == "trialing"
    assert (invoice["status"], invoice["amount_paid"]) == ("paid", 2000)
    assert types(world, "customer.subscription.trial_will_end")
    assert world.find("subscription", subscription["id"])["status"] == "active"


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
        off_session=True,
    )
    ask(world, "POST", f"/v1/invoices/{pending['latest_invoice']}/pay")

    now = world.find("subscription", subscription["id"])
    assert pending["status"] == "active"
    assert pending["items"]["data"][0]["price"]["recurring"]["interval"] == "month"
    assert pending["pending_update"]["subscription_items"]
    assert now["items"]["data"][0]["price"]["id"] == yearly
    assert now["pending_update"] is None


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


def test_a_yearly_plan_and_a_currency_without_decimals():
    world = a_world()
    price = a_price(world, 12000, "jpy", "year")

    subscription = a_subscription(world, price=price)

    item = subscription["items"]["data"][0]
    assert (item["current_period_end"] - START) // DAY == 365
    invoice = latest_invoice(world, subscription["id"])
    assert (invoice["amount_paid"], invoice["currency"]) == (12000, "jpy")


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


def test_an_uncollectible_invoice_can_still_be_paid_but_a_void_one_cannot():
    world = a_world(retry_days=[], end_action="past_due")
    subscription = a_failed_renewal(world)
    path = f"/v1/invoices/{latest_invoice(world, subscription['id'])['id']}"

    ask(world, "POST", f"{path}/mark_uncollectible")
    paid = ask(world, "POST", f"{path}/pay", payment_method="pm_card_visa")

    assert paid["status"] == "paid"
    assert refusal(world, "POST", f"{path}/void").status == 400


def test_paid_out_of_band_no_money_moves():
    world = a_world()
    subscription = a_failed_renewal(world)
    path = f"/v1/invoices/{latest_invoice(world, subscription['id'])['id']}"
    charges = len(list(world.all("charge")))

    paid = ask(world, "POST", f"{path}/pay", paid_out_of_band=True)

    assert paid["status"] == "paid"
    assert len(list(world.all("charge"))) == charges
    assert not types(world, "invoice_payment.paid")[1:]


def test_cancelling_stops_collection_but_the_invoice_stays_payable():
    world = a_world()
    subscription = a_failed_renewal(world)

    ask(world, "DELETE", f"/v1/subscriptions/{subscription['id']}")
    world.advance_to(START + 60 * DAY)

    invoice = latest_invoice(world, subscription["id"])
    assert (invoice["status"], invoice["next_payment_attempt"]) == ("open", None)
    paid = ask(world, "POST", f"/v1/invoices/{invoice['id']}/pay", payment_method="pm_card_visa")
    assert paid["status"] == "paid"
    assert world.find("subscription", subscription["id"])["status"] == "canceled"
