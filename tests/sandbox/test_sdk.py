"""The official SDK against the sandbox, over real HTTP."""

import json
from typing import Any

import pytest
import stripe

from tests.sandbox.stand import connections, later

# The SDK hands bodies to httpx in a way httpx is giving up.
pytestmark = [
    pytest.mark.anyio,
    pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning"),
]


def a_paying_customer(client, card="pm_card_visa"):
    customer = client.v1.customers.create({"email": "ada@x.example"})
    method = client.v1.payment_methods.attach(card, {"customer": customer.id})
    settings = {"invoice_settings": {"default_payment_method": method.id}}
    client.v1.customers.update(customer.id, settings)
    return customer


def a_price(client, amount=2000):
    product = client.v1.products.create({"name": "Pro"})
    return client.v1.prices.create(
        {
            "product": product.id,
            "unit_amount": amount,
            "currency": "usd",
            "recurring": {"interval": "month"},
        }
    )


def a_subscription(client, customer):
    return client.v1.subscriptions.create(
        {"customer": customer.id, "items": [{"price": a_price(client).id}]}
    )


def an_open_invoice(client, served, customer):
    """The invoice of a renewal that was refused."""
    subscription = a_subscription(client, customer)
    card = client.v1.customers.retrieve(customer.id).invoice_settings.default_payment_method
    behaviour = {"kind": "decline", "code": "insufficient_funds"}
    served.control("cards", {"payment_method": card, "behaviour": behaviour})
    served.advance(days=31)
    found = client.v1.invoices.list({"customer": customer.id, "status": "open"})
    assert [i.parent.subscription_details.subscription for i in found.data] == [subscription.id]
    return found.data[0]


def test_a_declined_payment_is_a_card_error_with_everything_in_it(served):
    client = served.client()
    invoice = an_open_invoice(client, served, a_paying_customer(client))

    with pytest.raises(stripe.CardError) as refused:
        client.v1.invoices.pay(invoice.id, {"off_session": True})

    error: Any = refused.value.error
    assert (error.code, error.decline_code, error.advice_code) == (
        "card_declined",
        "insufficient_funds",
        "try_again_later",
    )
    assert error.charge.startswith("ch_")
    assert error.payment_intent.id.startswith("pi_")
    assert error.request_log_url
    assert str(refused.value.request_id).startswith("req_")


def test_the_failure_is_found_by_expanding_payments_and_by_the_join(served):
    client = served.client()
    invoice = an_open_invoice(client, served, a_paying_customer(client))

    deep: Any = {"expand": ["data.payment.payment_intent.latest_charge"]}
    read = client.v1.invoice_payments.list({"invoice": invoice.id, **deep})
    intent = read.data[0].payment.payment_intent
    joined = client.v1.invoice_payments.list(
        {"payment": {"type": "payment_intent", "payment_intent": intent.id}}
    )

    assert intent.latest_charge.outcome.network_decline_code == "51"
    assert joined.data[0].invoice == invoice.id


def test_more_than_four_levels_are_not_expanded_and_nothing_is_done(served):
    client = served.client()
    customer = a_paying_customer(client)
    deep = ["payments.data.payment.payment_intent.latest_charge"]

    with pytest.raises(stripe.InvalidRequestError) as refused:
        client.v1.invoices.create({"customer": customer.id, "expand": deep})

    assert refused.value.code == "property_expansion_max_depth"
    assert client.v1.invoices.list({"customer": customer.id}).data == []


def test_a_replayed_decline_is_the_first_answer_and_moves_no_money(served):
    client = served.client()
    invoice = an_open_invoice(client, served, a_paying_customer(client))
    path = f"/v1/invoices/{invoice.id}/pay"
    key = {"idempotency-key": "case-1-attempt-1"}

    first = served.raw("POST", path, headers=key, data={"off_session": "true"})
    second = served.raw("POST", path, headers=key, data={"off_session": "true"})

    assert (first.status_code, second.status_code) == (402, 402)
    assert first.json() == second.json()
    assert "idempotent-replayed" not in first.headers
    assert second.headers["idempotent-replayed"] == "true"


def test_a_key_used_for_another_request_is_an_idempotency_error(served):
    client = served.client()
    with_key = {"idempotency_key": "one"}
    client.v1.customers.create({"email": "a@x.example"}, with_key)

    with pytest.raises(stripe.IdempotencyError):
        client.v1.customers.create({"email": "b@x.example"}, with_key)


def test_a_refused_parameter_is_not_kept_for_its_key(served):
    client = served.client()
    with_key = {"idempotency_key": "one"}

    with pytest.raises(stripe.InvalidRequestError) as refused:
        client.v1.customers.create({"emial": "a@x.example"}, with_key)
    made = client.v1.customers.create({"email": "a@x.example"}, with_key)

    assert refused.value.param == "emial"
    assert made.email == "a@x.example"


def test_a_key_is_forgotten_after_a_day(served):
    client = served.client()
    with_key = {"idempotency_key": "one"}
    first = client.v1.customers.create({"email": "a@x.example"}, with_key)

    served.advance(days=1.1)
    second = client.v1.customers.create({"email": "a@x.example"}, with_key)

    assert first.id != second.id


def test_after_a_timeout_the_same_key_tells_what_happened(served):
    client = served.client(timeout=0.3)
    invoice = an_open_invoice(client, served, a_paying_customer(client))
    served.control("faults", {"fault": "timeout_after", "path": "/v1/invoices/*/pay"})
    pay = {"payment_method": "pm_card_visa"}

    with pytest.raises(stripe.APIConnectionError):
        client.v1.invoices.pay(invoice.id, pay, {"idempotency_key": "k"})
    known = client.v1.invoices.pay(invoice.id, pay, {"idempotency_key": "k"})

    assert known.status == "paid"
    charges = client.v1.charges.list({"customer": known.customer})
    assert len([c for c in charges.data if c.paid]) == 2


def test_a_timeout_before_execution_does_nothing(served):
    client = served.client(timeout=0.3)
    invoice = an_open_invoice(client, served, a_paying_customer(client))
    served.control("faults", {"fault": "timeout_before", "path": "/v1/invoices/*/pay"})

    with pytest.raises(stripe.APIConnectionError):
        client.v1.invoices.pay(invoice.id, {"payment_method": "pm_card_visa"})

    assert client.v1.invoices.retrieve(invoice.id).status == "open"


@pytest.mark.parametrize(
    ("fault", "error", "status"),
    [
        ("500", stripe.APIError, 500),
        ("429", stripe.RateLimitError, 429),
        ("lock_timeout", stripe.RateLimitError, 429),
        ("409", stripe.APIError, 409),
        ("html", stripe.APIError, 502),
        ("reset", stripe.APIConnectionError, None),
    ],
)
def test_faults_come_when_asked_for_and_only_then(served, fault, error, status):
    client = served.client()
    served.control("faults", {"fault": fault, "method": "POST", "path": "/v1/customers"})

    with pytest.raises(error) as refused:
        client.v1.customers.create({"email": "a@x.example"})
    made = client.v1.customers.create({"email": "a@x.example"})

    assert refused.value.http_status == status
    assert made.email == "a@x.example"


def test_the_sdk_tries_again_after_a_reset_with_one_key(served):
    client = served.client(retries=2)
    served.control("faults", {"fault": "reset_after", "path": "/v1/customers"})

    made = client.v1.customers.create({"email": "a@x.example"})

    assert [c.id for c in client.v1.customers.list().data] == [made.id]


def test_lists_are_paged(served):
    client = served.client()
    made = [client.v1.customers.create({"email": f"{n}@x.example"}).id for n in range(5)]

    first = client.v1.customers.list({"limit": 2})
    everyone = [c.id for c in first.auto_paging_iter()]

    assert first.has_more
    assert everyone == made[::-1]


def test_a_wrong_key_and_a_missing_object_are_told_apart(served):
    client = served.client()
    served.key = "sk_live_nothing"

    with pytest.raises(stripe.AuthenticationError):
        served.client().v1.customers.list()
    with pytest.raises(stripe.InvalidRequestError) as missing:
        client.v1.invoices.retrieve("in_none")

    assert (missing.value.http_status, missing.value.code) == (404, "resource_missing")


def test_refunds_add_up(served):
    client = served.client()
    customer = a_paying_customer(client)
    a_subscription(client, customer)
    charge = client.v1.charges.list({"customer": customer.id}).data[0]

    client.v1.refunds.create({"charge": charge.id, "amount": 500})
    client.v1.refunds.create({"payment_intent": charge.payment_intent, "amount": 700})

    read = client.v1.charges.retrieve(charge.id)
    assert (read.amount_refunded, read.refunded) == (1200, False)
    with pytest.raises(stripe.InvalidRequestError):
        client.v1.refunds.create({"charge": charge.id, "amount": 801})


def test_a_dispute_takes_the_money_and_winning_brings_it_back(served):
    client = served.client()
    customer = a_paying_customer(client, "pm_card_createDispute")
    a_subscription(client, customer)

    dispute = client.v1.disputes.list().data[0]
    client.v1.disputes.update(dispute.id, {"evidence": {"uncategorized_text": "winning_evidence"}})

    kinds = [e.type for e in client.v1.events.list({"types": DISPUTES, "limit": 10}).data]
    assert kinds == [
        "charge.dispute.funds_reinstated",
        "charge.dispute.closed",
        "charge.dispute.updated",
        "charge.dispute.funds_withdrawn",
        "charge.dispute.created",
    ]
    assert client.v1.disputes.retrieve(dispute.id).status == "won"


DISPUTES = [
    f"charge.dispute.{word}"
    for word in ("created", "updated", "closed", "funds_withdrawn", "funds_reinstated")
]


def test_a_card_is_renewed_through_checkout_by_a_person(served):
    client = served.client()
    customer = client.v1.customers.create({"email": "ada@x.example"})
    session = client.v1.checkout.sessions.create(
        {
            "mode": "setup",
            "customer": customer.id,
            "currency": "usd",
            "success_url": f"{served.url}/_sandbox/status?s={{CHECKOUT_SESSION_ID}}",
            "setup_intent_data": {"metadata": {"case": "1"}},
        }
    )
    path = session.url.removeprefix(served.url)

    seen = served.raw("GET", path)
    done = served.raw("POST", path, data={"card": "mastercard"})

    setup = client.v1.setup_intents.retrieve(session.setup_intent)
    assert "Save a card" in seen.text
    assert done.status_code == 303
    assert done.headers["location"].endswith(f"s={session.id}")
    assert (setup.status, setup.metadata.to_dict()) == ("succeeded", {"case": "1"})
    methods = client.v1.payment_methods.list({"customer": customer.id}).data
    assert [m.card.brand for m in methods] == ["mastercard"]
    assert client.v1.checkout.sessions.retrieve(session.id).status == "complete"


def test_looking_at_the_invoice_page_changes_nothing_and_paying_there_pays(served):
    client = served.client()
    invoice = an_open_invoice(client, served, a_paying_customer(client))
    path = invoice.hosted_invoice_url.removeprefix(served.url)

    seen = served.raw("GET", path)
    still = client.v1.invoices.retrieve(invoice.id).status
    declined = served.raw("POST", path, data={"card": "chargeDeclined"})
    paid = served.raw("POST", path, data={"card": "visa"})

    assert "20.00 USD" in seen.text
    assert still == "open"
    assert (declined.status_code, paid.status_code) == (402, 200)
    assert client.v1.invoices.retrieve(invoice.id).status == "paid"


def test_the_portal_changes_the_customers_default_and_no_subscriptions(served):
    client = served.client()
    customer = a_paying_customer(client)
    subscription = a_subscription(client, customer)
    session = client.v1.billing_portal.sessions.create(
        {
            "customer": customer.id,
            "flow_data": {
                "type": "payment_method_update",
                "after_completion": {
                    "type": "redirect",
                    "redirect": {"return_url": "https://shop.example/done"},
                },
            },
        }
    )

    done = served.raw("POST", session.url.removeprefix(served.url), data={"card": "amex"})

    default = client.v1.customers.retrieve(customer.id).invoice_settings.default_payment_method
    assert done.headers["location"] == "https://shop.example/done"
    assert client.v1.payment_methods.retrieve(default).card.brand == "amex"
    assert client.v1.subscriptions.retrieve(subscription.id).default_payment_method is None


def test_the_clock_stands_still_until_it_is_moved(served):
    before = served.status()

    moved = served.control("advance", {"to": later(before["now"], 2)})

    assert served.raw("GET", "/_sandbox/status").json()["now"] == moved["now"]
    assert before["next_event_at"] is None
    assert json.dumps(moved)


async def test_the_asynchronous_client_works_too(served):
    client = served.client()

    made = await client.v1.customers.create_async({"email": "ada@x.example"})
    read = await client.v1.customers.retrieve_async(made.id)
    await connections(5).close_async()

    assert read.email == "ada@x.example"
