"""Invoice lines and invoice items, and what an invoice comes to."""

from typing import Any

from app.providers.sandbox import discounts
from app.providers.sandbox.core import Core
from app.providers.sandbox.errors import Thing


def subscription_line(
    core: Core,
    subscription: Thing,
    item: Thing,
    *,
    amount: int | None = None,
    proration: bool = False,
    **fields: Any,
) -> Thing:
    """The line of one subscription item for its current period."""
    price = item["price"]
    total = price["unit_amount"] * item["quantity"] if amount is None else amount
    product = core.get(price["product"]) or {"name": price["product"]}
    every = price["recurring"]["interval"]
    detail = {
        "invoice_item": None,
        "proration": proration,
        "proration_details": {"credited_items": None},
        "subscription": subscription["id"],
        "subscription_item": item["id"],
    }
    return {
        **_line(core, subscription["id"], total, subscription["currency"]),
        "description": f"{item['quantity']} x {product['name']} (per {every})",
        "metadata": subscription["metadata"],
        "parent": {
            "invoice_item_details": None,
            "subscription_item_details": detail,
            "type": "subscription_item_details",
        },
        "period": {"start": item["current_period_start"], "end": item["current_period_end"]},
        "pricing": _pricing(price),
        "quantity": item["quantity"],
        **fields,
    }


def _pricing(price: Thing) -> Thing:
    return {
        "price_details": {"price": price["id"], "product": price["product"]},
        "type": "price_details",
        "unit_amount_decimal": str(price["unit_amount"]),
    }


def _line(core: Core, key: str, amount: int, currency: str) -> Thing:
    return {
        "id": core.new_id("il", key),
        "object": "line_item",
        "amount": amount,
        "currency": currency,
        "discount_amounts": [],
        "discountable": True,
        "discounts": [],
        "invoice": None,
        "livemode": False,
        "metadata": {},
        "pretax_credit_amounts": [],
        "subtotal": amount,
        "taxes": [],
    }


def invoice_item(
    core: Core,
    customer: str,
    amount: int,
    currency: str,
    *,
    subscription: str | None = None,
    proration: bool = False,
    **fields: Any,
) -> Thing:
    """Something to be billed on the customer's next invoice."""
    parent = None
    if subscription:
        detail = {"subscription": subscription, "subscription_item": None}
        parent = {"subscription_details": detail, "type": "subscription_details"}
    item = core.add(
        {
            "id": core.new_id("ii", customer),
            "object": "invoiceitem",
            "amount": amount,
            "currency": currency,
            "customer": customer,
            "customer_account": None,
            "date": core.now,
            "created": core.now,
            "description": None,
            "discountable": not proration,
            "discounts": [],
            "invoice": None,
            "metadata": {},
            "net_amount": amount,
            "parent": parent,
            "period": {"start": core.now, "end": core.now},
            "pricing": None,
            "proration": proration,
            "quantity": 1,
            "tax_rates": [],
            "test_clock": None,
            **fields,
        }
    )
    core.emit("invoiceitem.created", item)
    return item


def item_line(core: Core, item: Thing) -> Thing:
    """The line of an invoice item."""
    subscription = (item["parent"] or {}).get("subscription_details", {}).get("subscription")
    detail = {
        "invoice_item": item["id"],
        "proration": item["proration"],
        "proration_details": {"credited_items": None},
        "subscription": subscription,
    }
    return {
        **_line(core, item["id"], item["amount"], item["currency"]),
        "description": item["description"],
        "discountable": item["discountable"],
        "metadata": item["metadata"],
        "parent": {
            "invoice_item_details": detail,
            "subscription_item_details": None,
            "type": "invoice_item_details",
        },
        "period": item["period"],
        "pricing": item["pricing"],
        "quantity": item["quantity"],
    }


def pending_items(core: Core, customer: str, currency: str) -> list[Thing]:
    """Invoice items that wait for an invoice in this currency."""
    return [
        item
        for item in core.all("invoiceitem", customer)
        if item["invoice"] is None and item["currency"] == currency
    ]


def take_items(core: Core, items: list[Thing], invoice_id: str) -> list[Thing]:
    """Put items on an invoice; returns their lines."""
    for item in items:
        core.change(item, invoice=invoice_id)
    return [item_line(core, item) for item in items]


def total_up(core: Core, invoice: Thing, lines: list[Thing]) -> None:
    """Set the invoice's lines and everything that follows from them."""
    core.change(invoice, **totals(core, invoice, lines))


def totals(core: Core, invoice: Thing, lines: list[Thing]) -> Thing:
    """Lines, subtotal, discounts, total and what is due, before the customer's balance."""
    subtotal = sum(line["amount"] for line in lines)
    discountable = sum(line["amount"] for line in lines if line["discountable"])
    off = discounts.amounts_off(core, invoice["discounts"], discountable, invoice["currency"])
    total = subtotal - sum(row["amount"] for row in off)
    due = max(0, total)
    return {
        "lines": {
            "object": "list",
            "data": [{**line, "invoice": invoice["id"]} for line in _discounted(lines, off)],
            "has_more": False,
            "total_count": len(lines),
            "url": f"/v1/invoices/{invoice['id']}/lines",
        },
        "subtotal": subtotal,
        "subtotal_excluding_tax": subtotal,
        "total": total,
        "total_excluding_tax": total,
        "total_discount_amounts": off,
        "amount_due": due,
        "amount_remaining": due,
    }


def _discounted(lines: list[Thing], off: list[Thing]) -> list[Thing]:
    """The lines, each with its share of what is taken off; the last one bears the rounding."""
    open_to = [line for line in lines if line["discountable"]]
    full = sum(line["amount"] for line in open_to)
    shares: dict[str, list[Thing]] = {line["id"]: [] for line in lines}
    for row in off:
        left = row["amount"]
        for line in open_to:
            part = (
                row["amount"] * line["amount"] // full if full and line is not open_to[-1] else left
            )
            left -= part
            shares[line["id"]].append({"amount": part, "discount": row["discount"]})
    return [{**line, "discount_amounts": shares[line["id"]]} for line in lines]
