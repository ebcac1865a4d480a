"""Events as Stripe sends them: pretty-printed JSON of some 5 kB, thousands of them quickly.

A template is rendered once; the ids are then put in as bytes, so that building the load costs
microseconds an event.
"""

import hmac
import json
from collections.abc import Iterator
from typing import Any

VERSION = "2026-10-28.endive"
ADDRESS = {"city": "Oslo", "country": "NO", "line1": "Storgata 1", "line2": None, "state": None}


LINE = {
    "id": "il_@N@",
    "object": "line_item",
    "amount": 4900,
    "currency": "eur",
    "description": "1 x Studio (at 49.00 EUR / month)",
    "discount_amounts": [],
    "discountable": True,
    "discounts": [],
    "invoice": "in_@N@",
    "livemode": False,
    "metadata": {},
    "parent": {
        "invoice_item_details": None,
        "subscription_item_details": {
            "invoice_item": None,
            "proration": False,
            "proration_details": {"credited_items": None},
            "subscription": "sub_@N@",
            "subscription_item": "si_@N@",
        },
        "type": "subscription_item_details",
    },
    "period": {"end": "@CREATED@", "start": "@CREATED@"},
    "pricing": {
        "price_details": {"price": "price_studio", "product": "prod_studio"},
        "type": "price_details",
        "unit_amount_decimal": "4900",
    },
    "quantity": 1,
    "subtotal": 4900,
    "taxes": [],
}
EMPTY = dict.fromkeys(
    (
        "account_tax_ids", "application", "automatically_finalizes_at", "custom_fields",
        "customer_account", "customer_phone", "customer_shipping", "default_payment_method",
        "default_source", "description", "due_date", "footer", "from_invoice",
        "last_finalization_error", "latest_revision", "on_behalf_of", "receipt_number",
        "shipping_cost", "shipping_details", "statement_descriptor", "test_clock",
    )
)  # fmt: skip
AMOUNTS = dict.fromkeys(("amount_due", "subtotal", "subtotal_excluding_tax", "total"), 4900)
NOTHING = dict.fromkeys(("amount_overpaid", "amount_shipping", "starting_balance"), 0)
OPEN_INVOICE: dict[str, Any] = {
    "id": "in_@N@",
    "object": "invoice",
    "account_country": "DE",
    "account_name": "Studio of the bench",
    **AMOUNTS,
    **NOTHING,
    **EMPTY,
    "amount_paid": 0,
    "amount_remaining": 4900,
    "attempt_count": 1,
    "attempted": True,
    "auto_advance": True,
    "automatic_tax": {"disabled_reason": None, "enabled": False, "liability": None},
    "billing_reason": "subscription_cycle",
    "collection_method": "charge_automatically",
    "created": "@CREATED@",
    "currency": "eur",
    "customer": "cus_@N@",
    "customer_address": ADDRESS,
    "customer_email": "reader-@N@@example.com",
    "customer_name": "Reader @N@",
    "customer_tax_exempt": "none",
    "effective_at": "@CREATED@",
    "hosted_invoice_url": "https://invoice.example.com/i/acct_bench/@N@?s=ap",
    "invoice_pdf": "https://invoice.example.com/i/acct_bench/@N@/pdf?s=ap",
    "issuer": {"type": "self"},
    "lines": {
        "object": "list",
        "data": [LINE],
        "has_more": False,
        "total_count": 1,
        "url": "/v1/invoices/in_@N@/lines",
    },
    "livemode": False,
    "metadata": {},
    "next_payment_attempt": None,
    "number": "BENCH-@N@",
    "parent": {
        "quote_details": None,
        "subscription_details": {"metadata": {"plan": "studio"}, "subscription": "sub_@N@"},
        "type": "subscription_details",
    },
    "payment_settings": {"default_mandate": None, "payment_method_types": None},
    "period_end": "@CREATED@",
    "period_start": "@CREATED@",
    "status": "open",
    "status_transitions": {
        "finalized_at": "@CREATED@",
        "marked_uncollectible_at": None,
        "paid_at": None,
        "voided_at": None,
    },
    "total_discount_amounts": [],
    "total_taxes": [],
    "webhooks_delivered_at": "@CREATED@",
}
PAID_INVOICE = OPEN_INVOICE | {
    "amount_paid": 4900,
    "amount_remaining": 0,
    "attempt_count": 2,
    "auto_advance": False,
    "status": "paid",
    "status_transitions": OPEN_INVOICE["status_transitions"] | {"paid_at": "@CREATED@"},
}
PRICE = {
    "id": "price_studio",
    "object": "price",
    "active": True,
    "billing_scheme": "per_unit",
    "created": 1700000000,
    "currency": "eur",
    "livemode": False,
    "metadata": {},
    "nickname": None,
    "product": "prod_studio",
    "recurring": {"interval": "month", "interval_count": 1, "usage_type": "licensed"},
    "type": "recurring",
    "unit_amount": 4900,
    "unit_amount_decimal": "4900",
}
ITEM = {
    "id": "si_@N@",
    "object": "subscription_item",
    "created": 1700000000,
    "current_period_end": "@CREATED@",
    "current_period_start": "@CREATED@",
    "discounts": [],
    "metadata": {},
    "price": PRICE,
    "quantity": 1,
    "subscription": "sub_@N@",
    "tax_rates": [],
}
SUBSCRIPTION = {
    "id": "sub_@N@",
    "object": "subscription",
    "billing_cycle_anchor": 1700000000,
    "cancel_at": None,
    "cancel_at_period_end": False,
    "canceled_at": None,
    "cancellation_details": {"comment": None, "feedback": None, "reason": None},
    "collection_method": "charge_automatically",
    "created": 1700000000,
    "currency": "eur",
    "customer": "cus_@N@",
    "default_payment_method": None,
    "discounts": [],
    "ended_at": None,
    "items": {"object": "list", "data": [ITEM], "has_more": False, "total_count": 1},
    "latest_invoice": "in_@N@",
    "livemode": False,
    "metadata": {"plan": "studio"},
    "pause_collection": None,
    "start_date": 1700000000,
    "status": "past_due",
    "trial_end": None,
    "trial_start": None,
}


def _event(kind: str, thing: dict[str, Any]) -> dict[str, Any]:
    return {
        "id": "evt_@EVENT@",
        "object": "event",
        "api_version": VERSION,
        "created": "@CREATED@",
        "data": {"object": thing},
        "livemode": False,
        "pending_webhooks": 1,
        "request": {"id": None, "idempotency_key": None},
        "type": kind,
    }


def _template(kind: str, thing: dict[str, Any]) -> bytes:
    text = json.dumps(_event(kind, thing), indent=2)
    return text.replace('"@CREATED@"', "@CREATED@").encode()


# What happens to one customer, in this order; the third customer's money never comes.
STORY = (
    _template("customer.subscription.updated", SUBSCRIPTION),
    _template("invoice.payment_failed", OPEN_INVOICE),
    _template("invoice.paid", PAID_INVOICE),
)
# Customers whose stories are told at the same time, so that a batch touches many.
TOGETHER = 400


def bodies(tag: str, *, created: int) -> Iterator[bytes]:
    """Events without end, each with an id of its own: many customers' stories, interleaved.

    `tag` keeps runs apart; `created` is the instant of the first event in Unix seconds.
    """
    stamp, first = str(created).encode(), 0
    while True:
        for step, template in enumerate(STORY):
            for n in range(first, first + TOGETHER):
                if step == 2 and n % 3 == 2:
                    continue
                name = f"{tag}{n:07d}".encode()
                event = name + b"_%d" % step
                yield (
                    template.replace(b"@EVENT@", event)
                    .replace(b"@N@", name)
                    .replace(b"@CREATED@", stamp)
                )
        first += TOGETHER


def signature(body: bytes, *, secret: bytes, at: int) -> bytes:
    """The value of `Stripe-Signature` for these bytes at this Unix second."""
    stamp = str(at).encode()
    digest = hmac.digest(secret, stamp + b"." + body, "sha256").hex().encode()
    return b"t=" + stamp + b",v1=" + digest
