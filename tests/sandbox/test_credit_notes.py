"""Credit notes and payments in parts, by the official SDK over real HTTP."""

import pytest
import stripe

from tests.sandbox.test_sdk import a_paying_customer, a_subscription, an_open_invoice

# The SDK hands bodies to httpx in a way httpx is giving up.
pytestmark = [pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")]


def test_a_credit_note_lowers_an_open_invoice_and_its_void_raises_it(served):
    client = served.client()
    invoice = an_open_invoice(client, served, a_paying_customer(client))

    asked = {"invoice": invoice.id, "amount": 500, "reason": "order_change"}
    preview = client.v1.credit_notes.preview(asked)
    note = client.v1.credit_notes.create(asked)
    lowered = client.v1.invoices.retrieve(invoice.id)
    voided = client.v1.credit_notes.void_credit_note(note.id)
    raised = client.v1.invoices.retrieve(invoice.id)

    kinds = [e["type"] for e in served.events() if e["type"].startswith("credit_note")]
    assert (preview.pre_payment_amount, note.pre_payment_amount, note.type) == (
        500,
        500,
        "pre_payment",
    )
    assert (lowered.amount_remaining, lowered.pre_payment_credit_notes_amount) == (1500, 500)
    assert (voided.status, raised.amount_remaining) == ("void", 2000)
    assert raised.pre_payment_credit_notes_amount == 0
    assert [n.id for n in client.v1.credit_notes.list({"invoice": invoice.id}).data] == [note.id]
    assert kinds == ["credit_note.created", "credit_note.voided"]


def test_a_credit_note_over_all_pays_an_invoice_without_money(served):
    client = served.client()
    invoice = an_open_invoice(client, served, a_paying_customer(client))

    note = client.v1.credit_notes.create({"invoice": invoice.id, "amount": 2000})

    paid = client.v1.invoices.retrieve(invoice.id)
    assert (paid.status, paid.amount_due, paid.amount_paid) == ("paid", 0, 0)
    with pytest.raises(stripe.InvalidRequestError, match="open invoices can be voided"):
        client.v1.credit_notes.void_credit_note(note.id)
    with pytest.raises(stripe.InvalidRequestError, match="more than the invoice"):
        client.v1.credit_notes.create({"invoice": invoice.id, "amount": 1})


def test_a_credit_note_of_a_paid_invoice_says_how_the_money_goes_back(served):
    client = served.client()
    customer = a_paying_customer(client)
    subscription = a_subscription(client, customer)
    asked = {"invoice": subscription.latest_invoice, "amount": 700}

    with pytest.raises(stripe.InvalidRequestError, match="must equal the post payment amount"):
        client.v1.credit_notes.create(asked)
    note = client.v1.credit_notes.create({**asked, "refund_amount": 500, "credit_amount": 200})

    paid = client.v1.invoices.retrieve(subscription.latest_invoice)
    assert (note.type, note.post_payment_amount) == ("post_payment", 700)
    assert paid.post_payment_credit_notes_amount == 700
    assert [one.amount_refunded for one in note.refunds] == [500]
    assert client.v1.customers.retrieve(customer.id).balance == -200


def test_a_payment_made_elsewhere_is_attached_and_the_rest_is_asked_for(served):
    client = served.client()
    customer = a_paying_customer(client)
    invoice = an_open_invoice(client, served, customer)
    part = client.v1.payment_intents.create(
        {
            "amount": 800,
            "currency": "usd",
            "customer": customer.id,
            "payment_method": "pm_card_visa",
            "confirm": True,
        }
    )

    client.v1.invoices.attach_payment(invoice.id, {"payment_intent": part.id})

    left = client.v1.invoices.retrieve(invoice.id, {"expand": ["payments"]})
    assert (left.status, left.amount_paid, left.amount_remaining) == ("open", 800, 1200)
    assert sorted((p.status, p.amount_paid) for p in left.payments.data if p.amount_paid) == [
        ("paid", 800)
    ]
