"""What customers, banks and staff do outside the API."""

import pytest

from app.providers.sandbox import acts
from app.providers.sandbox.errors import ApiError
from tests.sandbox.stand import (
    DAY,
    START,
    a_customer,
    a_failed_renewal,
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


def test_the_account_updater_makes_a_dead_card_good():
    world = a_world()
    subscription = a_failed_renewal(world, code="expired_card")
    customer = subscription["customer"]

    acts.act(world, customer, {"act": "update_card_automatically", "exp_year": 2033})
    world.advance_to(START + 36 * DAY)

    event = events(world, "payment_method.automatically_updated")[0]
    assert event["data"]["object"]["card"]["exp_year"] == 2033
    assert event["data"]["previous_attributes"]["card"]["exp_year"] != 2033
    assert latest_invoice(world, subscription["id"])["status"] == "paid"


def test_a_programmed_card_has_a_fingerprint_of_its_own():
    world = a_world()
    customer = a_customer(world)
    card = {"brand": "mastercard", "last4": "1881", "behaviour": {"kind": "approve"}}

    first = acts.act(world, customer, {"act": "new_card", "card": card})
    second = acts.act(world, customer, {"act": "new_card", "card": card})

    made = [world.find("payment_method", m["payment_method"])["card"] for m in (first, second)]
    assert made[0]["fingerprint"] != made[1]["fingerprint"]
    assert (made[0]["brand"], made[0]["last4"]) == ("mastercard", "1881")


def test_a_new_card_through_checkout_becomes_nobodys_default():
    world = a_world()
    customer = a_customer(world, None)
    session = ask(
        world,
        "POST",
        "/v1/checkout/sessions",
        mode="setup",
        customer=customer,
        success_url="https://shop.example/ok?s={CHECKOUT_SESSION_ID}",
    )

    done = acts.act(world, customer, {"act": "new_card", "checkout_session": session["id"]})

    assert done["redirect"] == f"https://shop.example/ok?s={session['id']}"
    assert types(world)[-3:] == [
        "payment_method.attached",
        "setup_intent.succeeded",
        "checkout.session.completed",
    ]
    settings = world.find("customer", customer)["invoice_settings"]
    assert settings["default_payment_method"] is None


def test_paying_on_the_hosted_page_is_told_like_any_payment():
    world = a_world()
    subscription = a_failed_renewal(world)

    done = acts.act(world, subscription["customer"], {"act": "pay_hosted_invoice"})

    assert done == {"outcome": "succeeded"}
    assert "invoice.paid" in types(world)
    assert world.find("subscription", subscription["id"])["status"] == "active"


def test_a_failed_try_on_the_hosted_page_is_a_failed_payment_too():
    world = a_world()
    subscription = a_failed_renewal(world)
    before = len(events(world, "invoice.payment_failed"))
    wish = {"act": "pay_hosted_invoice", "card": "pm_card_chargeCustomerFail"}

    done = acts.act(world, subscription["customer"], wish)

    assert done == {"outcome": "failed"}
    assert len(events(world, "invoice.payment_failed")) == before + 1


def test_a_customer_leaves_at_the_periods_end_with_a_reason():
    world = a_world()
    subscription = a_subscription(world)
    wish = {"act": "cancel_subscription", "at_period_end": True, "feedback": "too_expensive"}

    acts.act(world, subscription["customer"], wish)
    world.advance_to(START + 31 * DAY)

    left = world.find("subscription", subscription["id"])
    assert left["status"] == "canceled"
    assert left["cancellation_details"]["feedback"] == "too_expensive"
    assert left["cancel_at_period_end"] is False


def test_a_bank_disputes_and_the_merchant_loses():
    world = a_world()
    customer = a_subscription(world)["customer"]

    acts.act(world, customer, {"act": "dispute", "reason": "product_not_received"})
    acts.act(world, customer, {"act": "close_dispute", "won": False})

    assert types(world, "charge.dispute") == [
        "charge.dispute.created",
        "charge.dispute.funds_withdrawn",
        "charge.dispute.closed",
    ]
    assert next(world.all("dispute"))["status"] == "lost"


def test_staff_refunds_a_part():
    world = a_world()
    customer = a_subscription(world)["customer"]

    acts.act(world, customer, {"act": "refund", "amount": 300})

    event = events(world, "charge.refunded")[0]["data"]
    assert event["object"]["amount_refunded"] == 300
    assert event["previous_attributes"] == {"amount_refunded": 0}


def test_programming_a_card_again_begins_its_count_anew():
    world = a_world()
    customer = a_subscription(world)["customer"]
    card = default_card(world, customer)
    behaves(world, card, kind="script", codes=["do_not_honor", "approve"])

    acts.programme(world, {"payment_method": card, "behaviour": {"kind": "block"}})

    assert world.find("payment_method", card)["sandbox"]["behaviour"] == {"kind": "block"}
    assert world.records.counters[f"tries:{card}"] == 0


@pytest.mark.parametrize(
    ("path", "more"),
    [
        ("/v1/payment_methods/pm_card_visa/attach", {}),
        ("/v1/payment_methods", {"type": "card", "card": {"token": "tok_visa"}}),
        ("/v1/setup_intents", {}),
    ],
    ids=["attach", "create", "setup"],
)
def test_who_was_deleted_is_given_no_card(path, more):
    world = a_world()
    customer = a_customer(world)
    ask(world, "DELETE", f"/v1/customers/{customer}")

    answer = refusal(world, "POST", path, customer=customer, **more)

    error = answer.body["error"]
    assert answer.status == 400
    assert (error["code"], error["param"]) == ("resource_missing", "customer")


def test_who_was_deleted_enters_no_card():
    world = a_world()
    customer = a_customer(world)
    ask(world, "DELETE", f"/v1/customers/{customer}")

    with pytest.raises(ApiError) as refused:
        acts.act(world, customer, {"act": "new_card"})

    assert (refused.value.status, refused.value.error["param"]) == (400, "customer")


def test_an_unknown_act_is_refused():
    world = a_world()

    with pytest.raises(ApiError):
        acts.act(world, a_customer(world), {"act": "dance"})
