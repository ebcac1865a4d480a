"""A subscription as Stripe shows it, read in full: items, discounts, schedule, pending update."""

from collections.abc import Collection, Iterable
from typing import Any

from app.domain.standing import Discounted, Forecast, Item, Price, Standing
from app.ports.payments import ProviderUnavailable
from app.providers.stripe.reading import Json, at, currency, instant, ref, rows, table, text, whole

# What we write into the metadata of what we change, to know it again.
MARK = "holdfast_offer"
STANDING: Any = {
    "expand": [
        "discounts.source.coupon",
        "customer.discount.source.coupon",
        "schedule",
        "latest_invoice",
    ]
}


def standing_of(obj: Json, credits_found: Iterable[Json] = ()) -> Standing:
    """The standing of a subscription that was read with `STANDING`.

    Raises `ProviderUnavailable` where the answer shows no subscription with an item.
    """
    subscription = ref(obj)
    items = tuple(_item(item) for item in rows(obj.get("items")))
    if subscription is None or not items:
        raise ProviderUnavailable("the answer shows no subscription")
    schedule, pending = obj.get("schedule"), table(obj.get("pending_update"))
    return Standing(
        subscription_id=subscription,
        customer_id=ref(obj.get("customer")),
        status=text(obj.get("status"), 40) or "unknown",
        currency=currency(obj.get("currency")) or items[0].price.currency,
        items=items,
        discounts=tuple(_discounts(obj)),
        customer_discounted=bool(table(at(obj, "customer", "discount"))),
        customer_discount=_discounted(at(obj, "customer", "discount")),
        mark=text(at(obj, "metadata", MARK)),
        credits=frozenset(mark for row in credits_found if (mark := _mark(row))),
        schedule=ref(schedule),
        schedule_mark=_mark(table(schedule)),
        cancel_at=instant(obj.get("cancel_at")),
        cancel_at_period_end=obj.get("cancel_at_period_end") is True,
        trial_end=instant(obj.get("trial_end")),
        flexible=at(obj, "billing_mode", "type") == "flexible",
        collection_paused=bool(table(obj.get("pause_collection"))),
        collection_resumes_at=instant(at(obj, "pause_collection", "resumes_at")),
        billed=obj.get("collection_method") == "send_invoice",
        pending=bool(pending),
        pending_until=instant(pending.get("expires_at")),
        latest_invoice=ref(obj.get("latest_invoice")),
        latest_invoice_status=text(at(obj, "latest_invoice", "status"), 40),
        draft_minor=_draft_minor(table(obj.get("latest_invoice"))),
    )


def price_of(obj: Json) -> Price:
    """A price; one that does not recur has the interval `once`."""
    recurring = table(obj.get("recurring"))
    plain = obj.get("billing_scheme") in (None, "per_unit") and not obj.get("transform_quantity")
    return Price(
        id=ref(obj) or "",
        currency=currency(obj.get("currency")) or "usd",
        unit_minor=whole(obj.get("unit_amount")) if plain else None,
        interval=text(recurring.get("interval"), 20) or "once",
        interval_count=whole(recurring.get("interval_count")) or 1,
        metered=recurring.get("usage_type") == "metered",
    )


def forecast_of(obj: Json, *, metered: Collection[str] = ()) -> Forecast:
    """A previewed invoice; `metered` are prices of what is used. Raises `ProviderUnavailable`
    where the answer shows no amount, or not all of its lines."""
    due, code = whole(obj.get("amount_due")), currency(obj.get("currency"))
    if due is None or code is None or at(obj, "lines", "has_more") is not False:
        raise ProviderUnavailable("the answer shows no preview")
    regular = [row for row in rows(obj.get("lines")) if _comes_again(row, metered)]
    return Forecast(
        due_minor=due,
        regular_minor=max(0, sum(map(_comes_to, regular))),
        currency=code,
        at=instant(obj.get("period_end")),
    )


def _comes_again(line: Json, metered: Collection[str]) -> bool:
    """Whether a line is for a period of an item, not for the rest of one."""
    detail = table(at(line, "parent", "subscription_item_details"))
    price = ref(at(line, "pricing", "price_details", "price"))
    return bool(detail) and detail.get("proration") is not True and price not in metered


def _comes_to(line: Json) -> int:
    """A line less its discounts, with the taxes that come on top."""
    taxes = [row for row in rows(line.get("taxes")) if row.get("tax_behavior") == "exclusive"]
    off = sum(whole(row.get("amount")) or 0 for row in rows(line.get("discount_amounts")))
    return (whole(line.get("amount")) or 0) - off + sum(whole(r.get("amount")) or 0 for r in taxes)


def _item(item: Json) -> Item:
    quantity = whole(item.get("quantity"))
    return Item(
        id=ref(item) or "",
        price=price_of(table(item.get("price"))),
        quantity=1 if quantity is None else quantity,
        discounted=bool(item.get("discounts")),
        period_start=instant(item.get("current_period_start")),
        period_end=instant(item.get("current_period_end")),
    )


def _discounts(obj: Json) -> Iterable[Discounted]:
    """Those shown in full and, should they not have been expanded, their bare ids."""
    listed = obj.get("discounts")
    for row in listed if isinstance(listed, list) else []:
        found = _discounted(row)
        if found is not None:
            yield found


def _discounted(row: object) -> Discounted | None:
    found, coupon = ref(row), at(row, "source", "coupon")
    if found is None:
        return None
    once = table(coupon).get("duration") == "once"
    ends_at = instant(table(row).get("end"))
    return Discounted(id=found, coupon=ref(coupon), ends_at=ends_at, once=once)


def _draft_minor(invoice: Json) -> int:
    """What a draft will charge by itself."""
    by_itself = invoice.get("auto_advance") is True
    charges = by_itself and invoice.get("collection_method") == "charge_automatically"
    drafted = charges and invoice.get("status") == "draft"
    return (whole(invoice.get("amount_due")) or 0) if drafted else 0


def _mark(obj: Json) -> str | None:
    return text(at(obj, "metadata", MARK))
