"""Prices and plans: items of a subscription, its monthly recurring revenue, its plan's name."""

from datetime import datetime
from decimal import Decimal, InvalidOperation
from fractions import Fraction
from typing import Any

from app.providers.stripe.reading import (
    LARGEST_AMOUNT,
    Json,
    at,
    currency,
    instant,
    listed,
    ref,
    rows,
    table,
    text,
    whole,
)

# Months in one interval; a year has 365 days and 52 weeks (design: finance, MRR).
MONTHS = {
    "day": Fraction(12, 365),
    "week": Fraction(12, 52),
    "month": Fraction(1),
    "year": Fraction(12),
}
# A discount of these durations belongs to the recurring price; `once` does not.
LASTING = frozenset({"forever", "repeating"})


def items_of(obj: Json) -> tuple[Json, ...]:
    """The subscription's items as plain facts; old subscriptions have one plan and no list."""
    return tuple(_item(item) for item in _shown(obj))


def _shown(obj: Json) -> list[Json]:
    found = list(rows(obj.get("items")))
    if not found and isinstance(obj.get("plan"), dict):
        found = [{"plan": obj["plan"], "quantity": obj.get("quantity")}]
    return found


def mrr_of(obj: Json, items: tuple[Json, ...], *, at_instant: datetime) -> int:
    """Monthly recurring revenue in minor units, metered and tiered parts left out.

    A week counts 52/12, a day 365/12, a year 1/12 of a month's worth. Lasting discounts are taken
    off where the snapshot shows them in full (since 2025-03-31 an event carries only their ids:
    `hides_discounts`): each item's own, then the subscription's. One rounding at the end, half to
    even.
    """
    code = currency(obj.get("currency")) or currency(at(obj, "plan", "currency"))
    monthly: Fraction | int = 0
    for item, row in zip(items, _shown(obj), strict=False):
        own = [one for one in rows(row.get("discounts")) if _runs(one, at_instant)]
        months = _months(item) or Fraction(1)
        monthly += _off(_monthly(item), own, months=months, code=code)
    months = next((m for item in items if (m := _months(item))), Fraction(1))
    own = [one for one in _discounts(obj) if _runs(one, at_instant)]
    return min(round(_off(monthly, own, months=months, code=code)), LARGEST_AMOUNT)


def _runs(discount: Json, at_instant: datetime) -> bool:
    ends = instant(discount.get("end"))
    return ends is None or ends > at_instant


def _off(
    monthly: Fraction | int, discounts: list[Json], *, months: Fraction, code: str | None
) -> Fraction | int:
    """What is left of a month's worth; without a discount a whole number stays one."""
    for discount in discounts:
        monthly = _less(Fraction(monthly), _coupon(discount), months=months, code=code)
    return monthly


def list_mrr_of(items: tuple[Json, ...]) -> int:
    """The same before discounts."""
    return min(round(sum(_monthly(item) for item in items)), LARGEST_AMOUNT)


def discount_ids(obj: Json) -> tuple[str, ...]:
    """The discounts of a subscription and of its items, shown or only named, in the order of
    their ids."""
    found = (ref(one) for one in _named(obj))
    return tuple(sorted(one for one in found if one is not None))


def hides_discounts(obj: Json) -> bool:
    """Whether a snapshot names discounts without showing what they take off, or leaves out items:
    it shows ten, and there may be twenty."""
    short = at(obj, "items", "has_more") is True
    return short or any(_is_hidden(one) for one in _named(obj))


def _is_hidden(discount: object) -> bool:
    """Whether there is no word of its coupon. One that is said to have none takes nothing off."""
    told = table(discount)
    if "coupon" not in told and "coupon" not in table(told.get("source")):
        return True
    return ref(told.get("coupon") or at(told, "source", "coupon")) is not None and not _coupon(told)


def _named(obj: Json) -> list[object]:
    """Every discount, in full or as an id: the subscription's and its items'."""
    places = (obj, *_shown(obj))
    return [one for place in places for one in listed(place.get("discounts"))]


def plan_name(items: tuple[Json, ...]) -> str | None:
    """What the first item's price is called: nickname, product, lookup key, else its id."""
    first = items[0] if items else {}
    return first.get("name") or first.get("price")


def _item(item: Json) -> Json:
    price, plan = table(item.get("price")), table(item.get("plan"))
    recurring = table(price.get("recurring")) or plan
    quantity = whole(item.get("quantity"))
    product = price.get("product") or plan.get("product")
    names = (
        price.get("nickname"),
        plan.get("nickname"),
        at(product, "name"),
        plan.get("name"),
        price.get("lookup_key"),
    )
    return {
        "id": ref(item),
        "price": ref(item.get("price")) or ref(item.get("plan")),
        "product": ref(product),
        "name": next((name for place in names if (name := text(place, 200))), None),
        "quantity": quantity,
        "unit_amount_minor": whole(_first(price.get("unit_amount"), plan.get("amount"))),
        "unit_amount_decimal": text(
            _first(price.get("unit_amount_decimal"), plan.get("amount_decimal")), 40
        ),
        "interval": text(recurring.get("interval"), 20),
        "interval_count": whole(recurring.get("interval_count")) or 1,
        "metered": recurring.get("usage_type") == "metered",
        "divide_by": whole(at(price, "transform_quantity", "divide_by")) or 1,
        "round_up": at(price, "transform_quantity", "round") == "up",
        "period_end": whole(item.get("current_period_end")),
    }


def _first(*values: Any) -> Any:
    return next((value for value in values if value is not None), None)


def _months(item: Json) -> Fraction | None:
    months = MONTHS.get(item["interval"] or "")
    count = item["interval_count"]
    return months * count if months and count != 1 else months


def _monthly(item: Json) -> Fraction | int:
    """What one item brings a month; whole numbers stay such, as fractions cost ten times more."""
    months = _months(item)
    if months is None or item["metered"]:
        return 0
    quantity = 1 if item["quantity"] is None else item["quantity"]
    packs, rest = divmod(quantity, item["divide_by"])
    billed: int = packs + (1 if rest and item["round_up"] else 0)
    amount = _unit(item) * billed
    return amount if months == 1 else Fraction(amount) / months


def _unit(item: Json) -> Fraction | int:
    """The unit price; one below a cent stands only in the decimal field."""
    if item["unit_amount_minor"] is not None:
        return int(item["unit_amount_minor"])
    try:
        unit = Decimal(item["unit_amount_decimal"] or "0")
    except InvalidOperation:
        return Fraction(0)
    if not unit.is_finite() or not 0 <= unit <= LARGEST_AMOUNT:
        return Fraction(0)
    return Fraction(round(unit, 12))


def _discounts(obj: Json) -> list[Json]:
    """The discounts shown in full: a list since 2023, one object before."""
    shown = list(rows(obj.get("discounts")))
    old = obj.get("discount")
    return shown or ([old] if isinstance(old, dict) else [])


def _coupon(discount: Json) -> Json:
    """The coupon: under `source` since 2025-09-30, directly before."""
    return table(at(discount, "source", "coupon")) or table(discount.get("coupon"))


def _less(monthly: Fraction, coupon: Json, *, months: Fraction, code: str | None) -> Fraction:
    if text(coupon.get("duration"), 20) not in LASTING:
        return monthly
    percent = coupon.get("percent_off")
    if isinstance(percent, int | float) and not isinstance(percent, bool) and 0 < percent <= 100:
        return monthly * (100 - Fraction(str(percent))) / 100
    off = whole(coupon.get("amount_off"))
    if off and currency(coupon.get("currency")) == code:
        return max(monthly - Fraction(off) / months, Fraction(0))
    return monthly
