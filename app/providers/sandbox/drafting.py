"""Invoices in the making: drafts, the customer's balance, what an invoice is to be paid with."""

from typing import Any

from app.providers.sandbox import lines, payments
from app.providers.sandbox.core import Core
from app.providers.sandbox.discounts import still_valid
from app.providers.sandbox.errors import Thing

NO_STAMPS = {
    "finalized_at": None,
    "marked_uncollectible_at": None,
    "paid_at": None,
    "voided_at": None,
}


def draft(
    core: Core,
    customer: Thing,
    currency: str,
    *,
    reason: str,
    subscription: Thing | None = None,
    items: list[Thing] | None = None,
    made_lines: list[Thing] | None = None,
    **fields: Any,
) -> Thing:
    """A new draft of these lines and waiting items, with the discounts that apply."""
    key = subscription["id"] if subscription else customer["id"]
    ident = core.new_id("in", key)
    discounts = still_valid(core, (subscription or {}).get("discounts") or [])
    if not discounts and customer.get("discount"):
        discounts = [customer["discount"]["id"]]
    invoice = core.add(
        {**blank_invoice(core, customer, subscription), "id": ident, "currency": currency}
        | {"discounts": discounts, "billing_reason": reason}
        | fields
    )
    taken = lines.take_items(core, items or [], ident)
    lines.total_up(core, invoice, [*taken, *(made_lines or [])])
    core.emit("invoice.created", invoice)
    return invoice


def _parent(subscription: Thing | None) -> Thing | None:
    if subscription is None:
        return None
    return {
        "quote_details": None,
        "subscription_details": {
            "metadata": subscription["metadata"],
            "subscription": subscription["id"],
        },
        "type": "subscription_details",
    }


def blank_invoice(core: Core, customer: Thing, subscription: Thing | None) -> Thing:
    """A draft with every field and nothing in it."""
    empty = dict.fromkeys(BLANK_FIELDS)
    zero = dict.fromkeys(ZERO_FIELDS, 0)
    return {
        **empty,
        **zero,
        "object": "invoice",
        "account_country": "US",
        "account_name": "Sandbox",
        "attempted": False,
        "auto_advance": True,
        "automatic_tax": {"enabled": False, "liability": None, "status": None},
        "collection_method": "charge_automatically",
        "created": core.now,
        "currency": (subscription or customer)["currency"],
        "customer": customer["id"],
        "customer_address": customer["address"],
        "customer_email": customer["email"],
        "customer_name": customer["name"],
        "customer_phone": customer["phone"],
        "customer_tax_exempt": "none",
        "customer_tax_ids": [],
        "default_tax_rates": [],
        "issuer": {"type": "self"},
        "lines": {"object": "list", "data": [], "has_more": False, "total_count": 0},
        "livemode": False,
        "metadata": {},
        "parent": _parent(subscription),
        "payment_settings": {
            "default_mandate": None,
            "payment_method_options": None,
            "payment_method_types": None,
        },
        "period_end": core.now,
        "period_start": core.now,
        "status": "draft",
        "status_transitions": NO_STAMPS,
        "total_pretax_credit_amounts": [],
        "total_taxes": [],
    }


BLANK_FIELDS = (
    "account_tax_ids",
    "application",
    "automatically_finalizes_at",
    "custom_fields",
    "customer_account",
    "customer_shipping",
    "default_payment_method",
    "default_source",
    "description",
    "due_date",
    "effective_at",
    "ending_balance",
    "footer",
    "from_invoice",
    "hosted_invoice_url",
    "invoice_pdf",
    "last_finalization_error",
    "latest_revision",
    "next_payment_attempt",
    "number",
    "on_behalf_of",
    "receipt_number",
    "rendering",
    "shipping_cost",
    "shipping_details",
    "statement_descriptor",
    "status_details",
    "test_clock",
    "webhooks_delivered_at",
)
ZERO_FIELDS = (
    "amount_due",
    "amount_overpaid",
    "amount_paid",
    "amount_remaining",
    "amount_shipping",
    "attempt_count",
    "post_payment_credit_notes_amount",
    "pre_payment_credit_notes_amount",
    "starting_balance",
)


def stamps(invoice: Thing, **changes: int) -> Thing:
    """The status transitions with some set."""
    return {**invoice["status_transitions"], **changes}


def use_balance(core: Core, invoice: Thing, customer: Thing) -> None:
    """Set the customer's credit (negative) or debt (positive) off against the invoice."""
    start = customer["balance"]
    due = max(0, invoice["total"] + start)
    core.change(customer, balance=start + invoice["total"] - due)
    moved = customer["balance"] - start
    core.change(
        invoice,
        starting_balance=start,
        ending_balance=customer["balance"],
        amount_due=due,
        amount_remaining=due,
    )
    if moved:
        record_balance(core, customer, moved, invoice["currency"], "applied_to_invoice", invoice)


def record_balance(
    core: Core, customer: Thing, amount: int, currency: str, kind: str, invoice: Thing | None
) -> Thing:
    """A line of the customer's balance; the balance itself has been changed already."""
    return core.add(
        {
            "id": core.new_id("cbtxn", customer["id"]),
            "object": "customer_balance_transaction",
            "amount": amount,
            "created": core.now,
            "credit_note": None,
            "currency": currency,
            "customer": customer["id"],
            "customer_account": None,
            "description": None,
            "ending_balance": customer["balance"],
            "invoice": invoice["id"] if invoice else None,
            "metadata": {},
            "type": kind,
        }
    )


def expect_payment(core: Core, invoice: Thing) -> None:
    """Give a finalised invoice the payment intent it is to be paid with."""
    intent = payments.new_intent(
        core,
        amount=invoice["amount_due"],
        currency=invoice["currency"],
        customer=invoice["customer"],
        key=invoice["id"],
        invoice=invoice["id"],
        description="Payment for Invoice",
    )
    payment = join_payment(core, invoice, intent)
    core.hide(invoice, intent=intent["id"], payments=[payment["id"]])


def join_payment(core: Core, invoice: Thing, intent: Thing, *, paid: int | None = None) -> Thing:
    """The invoice payment that joins an intent to its invoice: the one it is to be paid with, or
    one that was made already and of which so much was `paid` on it."""
    return core.add(
        {
            "id": core.new_id("inpay", invoice["id"]),
            "object": "invoice_payment",
            "amount_paid": paid,
            "amount_requested": invoice["amount_due"] if paid is None else intent["amount"],
            "created": core.now,
            "currency": invoice["currency"],
            "invoice": invoice["id"],
            "is_default": paid is None,
            "payment": {"type": "payment_intent", "payment_intent": intent["id"]},
            "status": "open" if paid is None else "paid",
            "status_transitions": {
                "canceled_at": None,
                "paid_at": None if paid is None else core.now,
            },
        }
    )
