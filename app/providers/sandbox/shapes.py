"""The same object in the shapes of older API versions.

Objects are kept in the newest shape. `CHANGES` lists what moved and when, newest first; an older
version is reached by undoing every change that came after it. Dates: Stripe's changelog for
basil (2025-03-31), clover (2025-09-30), 2022-11-15.
"""

from collections.abc import Callable
from typing import Any, Protocol

from app.providers.sandbox.records import Records

Thing = dict[str, Any]


class Looks(Protocol):
    """What reshaping needs of the world: to find what used to be linked."""

    records: Records

    def get(self, ident: str) -> Thing | None: ...


def version_date(version: str) -> str:
    """`2025-11-17.clover` is of 2025-11-17."""
    return version.split(".")[0]


def shaped(core: Looks, thing: Thing, version: str) -> Thing:
    """The object as this version shows it; never changes what it was given."""
    asked = version_date(version)
    shown = thing
    for since, kind, undo in CHANGES:
        if asked < since and shown.get("object") == kind:
            shown = undo(core, shown)
    return shown


def _without(thing: Thing, *names: str) -> Thing:
    return {name: value for name, value in thing.items() if name not in names}


def _discount_with_coupon(core: Looks, thing: Thing) -> Thing:
    source = thing.get("source") or {}
    return {**_without(thing, "source"), "coupon": core.get(source.get("coupon") or "")}


def _promotion_with_coupon(core: Looks, thing: Thing) -> Thing:
    promotion = thing.get("promotion") or {}
    return {**_without(thing, "promotion"), "coupon": core.get(promotion.get("coupon") or "")}


def _subscription_with_period(core: Looks, thing: Thing) -> Thing:
    items = thing["items"]["data"]
    return {
        **thing,
        "items": {
            **thing["items"],
            "data": [_without(i, "current_period_start", "current_period_end") for i in items],
        },
        "current_period_start": items[0]["current_period_start"] if items else None,
        "current_period_end": items[0]["current_period_end"] if items else None,
        "discount": _first_discount(core, thing),
    }


def _first_discount(core: Looks, thing: Thing) -> Thing | None:
    ids = thing.get("discounts") or []
    found = core.get(ids[0]) if ids and isinstance(ids[0], str) else None
    return None if found is None else _discount_with_coupon(core, _without(found, "sandbox"))


def _item_without_period(core: Looks, thing: Thing) -> Thing:
    return _without(thing, "current_period_start", "current_period_end")


def _invoice_with_links(core: Looks, thing: Thing) -> Thing:
    parent = (thing.get("parent") or {}).get("subscription_details") or {}
    intent = _invoice_intent(core, str(thing.get("id")))
    shown = {
        **_without(thing, "parent", "amount_overpaid", "total_taxes", "confirmation_secret"),
        "charge": intent["latest_charge"] if intent else None,
        "discount": _first_discount(core, thing),
        "lines": {
            **thing["lines"],
            "data": [_line_with_links(core, line) for line in thing["lines"]["data"]],
        },
        "paid": thing["status"] == "paid",
        "paid_out_of_band": thing["status"] == "paid" and intent is None and thing["total"] > 0,
        "payment_intent": intent["id"] if intent else None,
        "quote": None,
        "subscription": parent.get("subscription"),
        "subscription_details": {"metadata": parent.get("metadata")},
        "tax": None,
        "total_tax_amounts": [],
        "transfer_data": None,
    }
    return _without(shown, "id") if str(thing.get("id")).startswith("upcoming_in_") else shown


def _invoice_intent(core: Looks, ident: str) -> Thing | None:
    invoice = core.get(ident) or {}
    return core.get(invoice.get("sandbox", {}).get("intent") or "")


def _line_with_links(core: Looks, line: Thing) -> Thing:
    parent = line.get("parent") or {}
    detail = parent.get("subscription_item_details") or parent.get("invoice_item_details") or {}
    pricing = (line.get("pricing") or {}).get("price_details") or {}
    price = core.get(pricing.get("price") or "")
    return {
        **_without(line, "parent", "pricing", "taxes"),
        "plan": plan_of(price) if price else None,
        "price": _without(price, "sandbox") if price else None,
        "proration": detail.get("proration", False),
        "subscription": detail.get("subscription"),
        "subscription_item": detail.get("subscription_item"),
        "tax_amounts": [],
        "tax_rates": [],
        "type": "subscription" if parent.get("subscription_item_details") else "invoiceitem",
    }


def plan_of(price: Thing) -> Thing | None:
    """The legacy plan of a recurring price."""
    recurring = price.get("recurring")
    if not recurring:
        return None
    return {
        "id": price["id"],
        "object": "plan",
        "active": price["active"],
        "amount": price["unit_amount"],
        "amount_decimal": price["unit_amount_decimal"],
        "billing_scheme": "per_unit",
        "created": price["created"],
        "currency": price["currency"],
        "interval": recurring["interval"],
        "interval_count": recurring["interval_count"],
        "livemode": False,
        "metadata": price["metadata"],
        "meter": None,
        "nickname": price["nickname"],
        "product": price["product"],
        "tiers_mode": None,
        "transform_usage": None,
        "trial_period_days": recurring["trial_period_days"],
        "usage_type": "licensed",
    }


def _with_invoice(core: Looks, thing: Thing) -> Thing:
    intent = thing["id"] if thing["object"] == "payment_intent" else thing.get("payment_intent")
    found = core.get(intent or "") or {}
    return {**thing, "invoice": found.get("sandbox", {}).get("invoice")}


def _charge_with_refunds(core: Looks, thing: Thing) -> Thing:
    found = [r for r in core.records.of("refund") if r["charge"] == thing["id"]]
    return {**thing, "refunds": _list(found, f"/v1/charges/{thing['id']}/refunds")}


def _intent_with_charges(core: Looks, thing: Thing) -> Thing:
    kept = core.get(thing["id"]) or {}
    found = [core.get(ident) or {} for ident in kept.get("sandbox", {}).get("charges", [])]
    charges = [_with_invoice(core, charge) for charge in found]
    url = f"/v1/charges?payment_intent={thing['id']}"
    return {**_without(thing, "latest_charge"), "charges": _list(charges, url)}


def _list(found: list[Thing], url: str) -> Thing:
    data = [_without(thing, "sandbox") for thing in reversed(found)]
    return {"object": "list", "data": data, "has_more": False, "total_count": len(data), "url": url}


Undo = Callable[[Looks, Thing], Thing]

CHANGES: tuple[tuple[str, str, Undo], ...] = (
    ("2025-09-30", "discount", _discount_with_coupon),
    ("2025-09-30", "promotion_code", _promotion_with_coupon),
    ("2025-03-31", "subscription", _subscription_with_period),
    ("2025-03-31", "subscription_item", _item_without_period),
    ("2025-03-31", "invoice", _invoice_with_links),
    ("2025-03-31", "charge", _with_invoice),
    ("2025-03-31", "payment_intent", _with_invoice),
    ("2022-11-15", "charge", _charge_with_refunds),
    ("2022-11-15", "payment_intent", _intent_with_charges),
)
