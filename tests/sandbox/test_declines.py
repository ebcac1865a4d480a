"""What a refused charge looks like, card by card."""

import pytest

from app.providers.sandbox import acts
from tests.sandbox.stand import (
    DAY,
    START,
    a_card,
    a_customer,
    a_failed_renewal,
    a_subscription,
    a_world,
    ask,
    behaves,
    default_card,
    latest_invoice,
    refusal,
    types,
)


def an_invoice(world, customer, amount=2000, currency="usd"):
    ask(
        world,
        "POST",
        "/v1/invoiceitems",
        customer=customer,
        amount=amount,
        currency=currency,
        description="Work",
    )
    made = ask(
        world,
        "POST",
        "/v1/invoices",
        customer=customer,
        pending_invoice_items_behavior="include",
    )
    return ask(world, "POST", f"/v1/invoices/{made['id']}/finalize")


@pytest.mark.parametrize(
    ("card", "code", "decline_code", "advice"),
    [
        ("pm_card_visa_chargeDeclined", "card_declined", "generic_decline", "try_again_later"),
        (
            "pm_card_visa_chargeDeclinedInsufficientFunds",
            "card_declined",
            "insufficient_funds",
            "try_again_later",
        ),
        ("pm_card_visa_chargeDeclinedLostCard", "card_declined", "lost_card", "do_not_try_again"),
        (
            "pm_card_visa_chargeDeclinedStolenCard",
            "card_declined",
            "stolen_card",
            "do_not_try_again",
        ),
        ("pm_card_chargeDeclinedExpiredCard", "expired_card", "expired_card", "do_not_try_again"),
        (
            "pm_card_chargeDeclinedIncorrectCvc",
            "incorrect_cvc",
            "incorrect_cvc",
            "confirm_card_data",
        ),
        (
            "pm_card_chargeDeclinedProcessingError",
            "processing_error",
            "processing_error",
            "try_again_later",
        ),
    ],
)
def test_a_test_card_is_refused_with_its_code(card, code, decline_code, advice):
    world = a_world()
    customer = a_customer(world)
    invoice = an_invoice(world, customer)

    answer = refusal(world, "POST", f"/v1/invoices/{invoice['id']}/pay", payment_method=card)

    error = answer.body["error"]
    assert answer.status == 402
    assert error["type"] == "card_error"
    assert (error["code"], error["decline_code"], error["advice_code"]) == (
        code,
        decline_code,
        advice,
    )
    assert world.find("charge", error["charge"])["status"] == "failed"
    assert error["payment_intent"]["status"] == "requires_payment_method"
    assert error["payment_method"]["type"] == "card"


def test_a_radar_block_never_reaches_the_network():
    world = a_world()
    invoice = an_invoice(world, a_customer(world))

    answer = refusal(
        world, "POST", f"/v1/invoices/{invoice['id']}/pay", payment_method="pm_card_radarBlock"
    )

    outcome = world.find("charge", answer.body["error"]["charge"])["outcome"]
    assert outcome["type"] == "blocked"
    assert outcome["network_status"] == "not_sent_to_network"
    assert outcome["reason"] == "highest_risk_level"
    assert outcome["advice_code"] == "do_not_try_again"


def test_a_mastercard_refusal_carries_a_merchant_advice_code():
    world = a_world()
    customer = a_customer(world, "pm_card_mastercard")
    behaves(world, default_card(world, customer), kind="decline", code="stolen_card")
    invoice = an_invoice(world, customer)

    error = refusal(world, "POST", f"/v1/invoices/{invoice['id']}/pay").body["error"]

    assert error["network_advice_code"] == "03"
    assert error["network_decline_code"] == "43"


def test_a_programmed_decline_names_its_own_network_codes():
    world = a_world()
    customer = a_customer(world)
    behaves(
        world,
        default_card(world, customer),
        kind="decline",
        code="do_not_honor",
        network_advice_code="24",
        network_decline_code="05",
        advice_code=None,
    )
    invoice = an_invoice(world, customer)

    error = refusal(world, "POST", f"/v1/invoices/{invoice['id']}/pay").body["error"]

    assert error["network_advice_code"] == "24"
    assert "advice_code" not in error


def test_a_card_refuses_n_times_and_then_pays():
    world = a_world()
    customer = a_customer(world)
    behaves(world, default_card(world, customer), kind="decline", code="do_not_honor", times=2)
    path = f"/v1/invoices/{an_invoice(world, customer)['id']}/pay"

    refusal(world, "POST", path)
    refusal(world, "POST", path)

    assert ask(world, "POST", path)["status"] == "paid"


def test_insufficient_funds_turn_good_on_payday():
    world = a_world(retry_days=[3, 5, 7])
    subscription = a_failed_renewal(world, kind="until", until=START + 35 * DAY)

    assert latest_invoice(world, subscription["id"])["status"] == "open"
    world.advance_to(START + 42 * DAY)

    assert latest_invoice(world, subscription["id"])["status"] == "paid"
    assert world.find("subscription", subscription["id"])["status"] == "active"


def test_a_card_that_needs_authentication_is_refused_while_its_owner_is_away():
    world = a_world()
    customer = a_customer(world, "pm_card_authenticationRequired")
    invoice = an_invoice(world, customer)

    answer = refusal(world, "POST", f"/v1/invoices/{invoice['id']}/pay", off_session=True)

    assert answer.status == 402
    assert answer.body["error"]["code"] == "authentication_required"
    assert "invoice.payment_action_required" in types(world)


def test_with_its_owner_present_authentication_is_asked_for_and_then_pays():
    world = a_world()
    customer = a_customer(world, "pm_card_authenticationRequired")
    invoice = an_invoice(world, customer)

    answer = refusal(world, "POST", f"/v1/invoices/{invoice['id']}/pay", off_session=False)
    acts.act(world, customer, {"act": "authenticate", "invoice": invoice["id"]})

    assert answer.body["error"]["code"] == "invoice_payment_intent_requires_action"
    assert world.find("invoice", invoice["id"])["status"] == "paid"


def test_a_direct_debit_comes_back_days_after_it_was_made():
    world = a_world(retry_days=[])
    subscription = a_subscription(world)
    debit = {"kind": "debit", "days": 4, "code": "insufficient_funds"}
    made = acts.act(
        world, subscription["customer"], {"act": "new_card", "card": {"behaviour": debit}}
    )
    world.advance_to(START + 31 * DAY)
    invoice = latest_invoice(world, subscription["id"])
    waiting = (invoice["status"], world.find("subscription", subscription["id"])["status"])
    world.settle_settings({"end_action": "past_due"})

    world.advance_to(START + 36 * DAY)

    assert world.find("payment_method", made["payment_method"])["type"] == "sepa_debit"
    assert waiting == ("open", "active")
    assert world.find("subscription", subscription["id"])["status"] == "past_due"
    assert {"charge.pending", "charge.failed", "invoice.payment_failed"} <= set(types(world))


def test_a_second_card_has_the_fingerprint_of_its_number():
    world = a_world()
    one, other = a_customer(world, None, "a@x.example"), a_customer(world, None, "b@x.example")

    first, second = a_card(world, one), a_card(world, other)
    third = a_card(world, one, "pm_card_mastercard")

    prints = [world.find("payment_method", m)["card"]["fingerprint"] for m in (first, second)]
    assert prints[0] == prints[1]
    assert world.find("payment_method", third)["card"]["fingerprint"] != prints[0]
