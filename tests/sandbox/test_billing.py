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


def test_a_yearly_plan_and_a_currency_without_decimals():
    world = a_world()
    price = a_price(world, 12000, "jpy", "year")

    subscription = a_subscription(world, price=price)

    item = subscription["items"]["data"][0]
    assert (item["current_period_end"] - START) // DAY == 365
    invoice = latest_invoice(world, subscription["id"])
    assert (invoice["amount_paid"], invoice["currency"]) == (12000, "jpy")


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
