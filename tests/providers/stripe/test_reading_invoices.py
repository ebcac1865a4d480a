"""The last look: the invoice as it is, what was tried, what would be charged."""

from dataclasses import replace

import httpx
import pytest

from app.ports.payments import AccountRefused, ProviderRefused, ProviderUnavailable
from tests.providers.stripe.stripe_shapes import card, charge, intent, invoice, subscription
from tests.providers.stripe.wire import (
    ACCOUNT,
    API,
    NOW,
    answers,
    refuses,
)

pytestmark = pytest.mark.anyio
INVOICE = f"{API}/v1/invoices/in_1"
PAYMENTS = f"{API}/v1/invoice_payments"
SUBSCRIPTION = f"{API}/v1/subscriptions/sub_1"


def expanded(**more):
    """An invoice as `read_invoice` asks for it."""
    own = {"default_payment_method": card("pm_1")} | more.pop("subscription", {})
    sub = subscription(status="past_due", **own)
    customer = {"id": "cus_1", "invoice_settings": {"default_payment_method": card("pm_customer")}}
    obj = invoice(customer=customer | more.pop("customer", {}), **more)
    obj["parent"]["subscription_details"]["subscription"] = sub
    return obj


def pays(wire, *rows, of=None):
    """The invoice with these payments; what was tried of each shows in their own list."""
    shown = of if of is not None else expanded()
    bare = [{"id": f"inpay_{n}"} for n, _ in enumerate(rows)]
    invoices = wire.get(INVOICE).mock(return_value=answers(shown | {"payments": {"data": bare}}))
    listed = wire.get(PAYMENTS).mock(return_value=answers({"data": list(rows)}))
    return invoices, listed


async def test_a_reading_shows_invoice_payments_and_the_subscription(payments, wire):
    failed = intent(latest_charge=charge(), payment_method=card("pm_1"))
    row = {"id": "inpay_1", "status": "open", "payment": {"payment_intent": failed}}
    invoices, listed = pays(wire, row)

    reading = await payments.read_invoice(ACCOUNT, "in_1")

    asked = listed.calls[0].request.url.params
    assert asked["invoice"] == "in_1"
    assert asked["expand[0]"] == "data.payment.payment_intent.latest_charge"
    assert "payments" in invoices.calls[0].request.url.params.values()
    assert reading.invoice.remaining_minor == 9500
    assert reading.invoice.account_id == "acc_1"
    assert reading.invoice.seen_at == NOW
    assert (reading.invoice.subscription_id, reading.invoice.customer_id) == ("sub_1", "cus_1")
    assert reading.subscription_status == "past_due"
    (payment,) = reading.payments
    assert (payment.payment_id, payment.charge_id) == ("pi_1", "ch_1")
    assert (payment.status, payment.invoice_id) == ("failed", "in_1")
    assert payment.decline is not None
    assert payment.decline["kind"] == "insufficient_funds"
    assert payment.fingerprint == "fp_1"


async def test_several_payments_come_newest_first(payments, wire):
    def row(number):
        latest = charge(id=f"ch_{number}", created=number)
        return {"payment": {"payment_intent": intent(id=f"pi_{number}", latest_charge=latest)}}

    pays(wire, row(10), row(30), row(20))

    reading = await payments.read_invoice(ACCOUNT, "in_1")

    assert [payment.payment_id for payment in reading.payments] == ["pi_30", "pi_20", "pi_10"]


async def test_an_invoice_that_was_paid_between_the_calls_is_read_once_more(payments, wire):
    # given an invoice that is open when it is read, and paid when its payments are
    succeeded = intent(status="succeeded", last_payment_error=None)
    row = {"status": "paid", "amount_paid": 9500, "payment": {"payment_intent": succeeded}}
    of_another = {"status": "paid", "amount_paid": 100, "payment": {"payment_record": "prec_1"}}
    invoices, _ = pays(wire, row, of_another)
    paid = expanded(status="paid", amount_paid=9500, amount_remaining=0)
    invoices.side_effect = [invoices.return_value, answers(paid)]

    reading = await payments.read_invoice(ACCOUNT, "in_1")

    assert reading.invoice.status == "paid"
    assert [payment.status for payment in reading.payments] == ["succeeded"]


async def test_no_question_asks_for_more_levels_than_stripe_expands(payments, wire):
    # Stripe refuses the fifth: github.com/stripe/stripe-java/issues/2011
    pays(wire, {"payment": {"payment_intent": intent()}})
    ended = subscription(status="canceled", default_payment_method=None)
    wire.get(SUBSCRIPTION).mock(return_value=answers(ended))

    await payments.read_invoice(ACCOUNT, "in_1")
    await payments.read_object(ACCOUNT, type="invoice", id="in_1", event="evt_1", at=NOW)
    await payments.read_object(ACCOUNT, type="object", id="sub_1", event="evt_1", at=NOW)
    await payments.read_renewal(ACCOUNT, "sub_1")
    await payments.read_standing(ACCOUNT, "sub_1")

    asked = [call.request.url.params.multi_items() for call in wire.calls]
    paths = {path for each in asked for name, path in each if name.startswith("expand")}
    assert len(paths) > 8
    assert [path for path in paths if path.count(".") > 3] == []


async def test_every_attempt_on_one_payment_is_shown_where_it_is_asked_for(payments, wire):
    # given an intent that was tried three times and shows the last
    charges = [charge(id=f"ch_{n}", created=n, payment_intent="pi_1") for n in (30, 20, 10)]
    row = {"payment": {"payment_intent": intent(id="pi_1", latest_charge=charges[0])}}
    pays(wire, row)
    listed = wire.get(f"{API}/v1/charges").mock(return_value=answers({"data": charges}))

    latest = await payments.read_invoice(ACCOUNT, "in_1")
    asked = listed.call_count
    every = await payments.read_invoice(ACCOUNT, "in_1", every_attempt=True)

    assert ([p.charge_id for p in latest.payments], asked) == (["ch_30"], 0)
    assert [p.charge_id for p in every.payments] == ["ch_30", "ch_20", "ch_10"]
    assert {p.payment_id for p in every.payments} == {"pi_1"}
    assert {p.invoice_id for p in every.payments} == {"in_1"}
    assert all(p.decline for p in every.payments)
    assert listed.calls[0].request.url.params["payment_intent"] == "pi_1"
    assert (latest.every_attempt, every.every_attempt) == (False, True)


async def test_a_debit_under_way_is_not_the_charge_that_was_refused_before_it(payments, wire):
    # given a mandate on a card in India: the debit is announced for a day before there is a charge
    refused = charge(id="ch_1", created=10, payment_intent="pi_1")
    announced = intent(
        id="pi_1", status="processing", latest_charge=refused, created=10, last_payment_error=None
    )
    pays(wire, {"status": "open", "payment": {"payment_intent": announced}})
    wire.get(f"{API}/v1/charges").mock(return_value=answers({"data": [refused]}))

    reading = await payments.read_invoice(ACCOUNT, "in_1", every_attempt=True)

    shown = [(p.status, p.charge_id, p.occurred_at is None) for p in reading.payments]
    assert shown == [("failed", "ch_1", False), ("processing", None, True)]


async def test_a_payment_that_was_never_tried_is_not_asked_about(payments, wire):
    untried = intent(latest_charge=None, last_payment_error=None)
    row = {"payment": {"payment_intent": untried}}
    pays(wire, row)

    reading = await payments.read_invoice(ACCOUNT, "in_1", every_attempt=True)

    assert reading.every_attempt


@pytest.mark.parametrize(
    "more",
    [
        {"charge": charge("2020-08-27"), "payment_intent": "pi_1"},
        {"charge": charge("2020-08-27"), "payment_intent": intent("2020-08-27")},
        {"charge": "ch_1", "payment_intent": intent("2020-08-27")},
    ],
    ids=["a charge", "both", "an intent with charges"],
)
async def test_an_old_invoice_has_one_payment(payments, wire, more):
    wire.get(INVOICE).mock(return_value=answers(invoice("2020-08-27", **more)))

    reading = await payments.read_invoice(ACCOUNT, "in_1")

    (payment,) = reading.payments
    assert (payment.payment_id, payment.charge_id, payment.status) == ("pi_1", "ch_1", "failed")


@pytest.mark.parametrize(
    ("more", "charged"),
    [
        pytest.param({"default_payment_method": card("pm_own")}, "pm_own", id="the invoice's"),
        pytest.param(
            {"subscription": {"default_payment_method": card("pm_sub")}},
            "pm_sub",
            id="the subscription's wins over the customer's",
        ),
        pytest.param(
            {
                "subscription": {
                    "default_payment_method": None,
                    "default_source": {"id": "card_sub", "object": "card", "brand": "Visa"},
                }
            },
            "card_sub",
            id="the subscription's legacy card too",
        ),
        pytest.param(
            {"subscription": {"default_payment_method": None}}, "pm_customer", id="the customer's"
        ),
        pytest.param(
            {
                "subscription": {"default_payment_method": None},
                "customer": {
                    "invoice_settings": {"default_payment_method": None},
                    "default_source": {"id": "card_old", "object": "card", "brand": "Visa"},
                },
            },
            "card_old",
            id="the customer's legacy card",
        ),
    ],
)
async def test_the_method_to_be_charged_follows_stripes_order(payments, wire, more, charged):
    wire.get(INVOICE).mock(return_value=answers(expanded(**more)))

    reading = await payments.read_invoice(ACCOUNT, "in_1")

    assert reading.method is not None
    assert reading.method.method_id == charged
    assert reading.method.brand == "visa"


async def test_a_method_shown_only_by_its_id_is_asked_for(payments, wire):
    wire.get(INVOICE).mock(return_value=answers(expanded(default_payment_method="pm_7")))
    wire.get(f"{API}/v1/payment_methods/pm_7").mock(return_value=answers(card("pm_7")))

    reading = await payments.read_invoice(ACCOUNT, "in_1")

    assert reading.method is not None
    assert reading.method.method_id == "pm_7"


async def test_nobody_can_be_charged_without_a_method(payments, wire):
    nothing = {
        "subscription": {"default_payment_method": None},
        "customer": {"invoice_settings": {"default_payment_method": None}},
    }
    wire.get(INVOICE).mock(return_value=answers(expanded(**nothing)))

    assert (await payments.read_invoice(ACCOUNT, "in_1")).method is None


@pytest.mark.parametrize(
    ("response", "error"),
    [
        pytest.param(refuses(401), AccountRefused, id="401"),
        pytest.param(refuses(403, code="secret_key_required"), AccountRefused, id="403"),
        pytest.param(refuses(400, code="parameter_unknown"), ProviderRefused, id="400"),
        pytest.param(refuses(404, code="resource_missing"), ProviderRefused, id="404"),
        pytest.param(refuses(409), ProviderUnavailable, id="409"),
        pytest.param(refuses(429, code="rate_limit"), ProviderUnavailable, id="429"),
        pytest.param(refuses(500), ProviderUnavailable, id="500"),
        pytest.param(answers([1]), ProviderUnavailable, id="a list"),
        pytest.param(answers({"object": "invoice"}), ProviderUnavailable, id="no id"),
        pytest.param(
            httpx.Response(200, text="<html>", headers={"Stripe-Should-Retry": "false"}),
            ProviderUnavailable,
            id="HTML",
        ),
    ],
)
async def test_an_answer_that_is_no_reading(payments, wire, response, error):
    wire.get(INVOICE).mock(return_value=response)

    with pytest.raises(error):
        await payments.read_invoice(ACCOUNT, "in_1")


async def test_the_code_and_the_wait_come_along(payments, wire):
    wire.get(INVOICE).mock(
        side_effect=[
            refuses(404, code="resource_missing"),
            answers({"error": {"code": "rate_limit"}}, 429, Retry_After="12"),
        ]
    )

    with pytest.raises(ProviderRefused) as refused:
        await payments.read_invoice(ACCOUNT, "in_1")
    with pytest.raises(ProviderUnavailable) as unavailable:
        await payments.read_invoice(ACCOUNT, "in_1")

    assert refused.value.code == "resource_missing"
    assert unavailable.value.retry_after_s == 12.0


async def test_the_sandbox_is_asked_where_the_account_says(payments, wire):
    account = replace(ACCOUNT, api_base="http://127.0.0.1:9/")
    route = wire.get("http://127.0.0.1:9/v1/invoices/in_1").mock(return_value=answers(invoice()))

    await payments.read_invoice(account, "in_1")

    assert route.called


async def test_a_new_key_is_used_at_once(payments, wire):
    route = wire.get(INVOICE).mock(return_value=answers(invoice()))
    await payments.read_invoice(ACCOUNT, "in_1")

    await payments.read_invoice(replace(ACCOUNT, api_key_sealed="sealed:sk_test_2"), "in_1")

    assert route.calls[1].request.headers["authorization"] == "Bearer sk_test_2"
