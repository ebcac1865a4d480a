"""Coupons at work: discounts on customers and subscriptions, and what they take off an invoice."""

from app.providers.sandbox.calendar import add_interval
from app.providers.sandbox.core import Core
from app.providers.sandbox.errors import Thing, invalid, refused


def foreseen(core: Core, given: Thing) -> str:
    """What one entry of a preview's `discounts` would take off: the id of a discount that stands,
    or that of a coupon which is not redeemed by looking at it.

    Raises:
        ApiError: unknown or used-up coupon.
    """
    if given.get("discount"):
        return str(core.find("discount", given["discount"], "discounts")["id"])
    coupon, _ = _named(core, given)
    _check_valid(coupon)
    return str(coupon["id"])


def redeem(core: Core, given: Thing, *, customer: str, subscription: str | None) -> str:
    """One entry of `discounts`: an existing discount, a coupon or a promotion code.

    Returns the discount's id.

    Raises:
        ApiError: unknown or used-up coupon.
    """
    if given.get("discount"):
        return str(core.find("discount", given["discount"], "discounts")["id"])
    coupon, promotion = _named(core, given)
    return _start(core, coupon, customer, subscription, promotion)


def _named(core: Core, given: Thing) -> tuple[Thing, Thing | None]:
    """The coupon of an entry, and the promotion code that led to it."""
    if given.get("promotion_code"):
        promotion = core.find("promotion_code", given["promotion_code"], "discounts")
        return core.find("coupon", promotion["promotion"]["coupon"], "coupon"), promotion
    if given.get("coupon"):
        return core.find("coupon", given["coupon"], "coupon"), None
    raise invalid("Each discount needs a coupon, promotion_code or discount.", param="discounts")


def _check_valid(coupon: Thing) -> None:
    limit = coupon["max_redemptions"]
    if not coupon["valid"] or (limit is not None and coupon["times_redeemed"] >= limit):
        raise refused(f"Coupon expired: {coupon['id']}", code="coupon_expired", param="coupon")


def _start(
    core: Core, coupon: Thing, customer: str, subscription: str | None, promotion: Thing | None
) -> str:
    _check_valid(coupon)
    limit = coupon["max_redemptions"]
    used = coupon["times_redeemed"] + 1
    core.change(coupon, times_redeemed=used, valid=limit is None or used < limit)
    end = None
    if coupon["duration"] == "repeating":
        end = add_interval(core.now, "month", coupon["duration_in_months"])
    made = core.add(
        {
            "id": core.new_id("di", subscription or customer),
            "object": "discount",
            "checkout_session": None,
            "customer": customer,
            "customer_account": None,
            "end": end,
            "invoice": None,
            "invoice_item": None,
            "promotion_code": promotion["id"] if promotion else None,
            "source": {"coupon": coupon["id"], "type": "coupon"},
            "start": core.now,
            "subscription": subscription,
            "subscription_item": None,
        }
    )
    return str(made["id"])


def still_valid(core: Core, discounts: list[str], at: int | None = None) -> list[str]:
    """The discounts that have not run out, now or `at` that time; a coupon that is only previewed
    among them."""
    when = core.now if at is None else at
    ends = {ident: (core.get(ident) or {}).get("end") for ident in discounts}
    return [ident for ident, end in ends.items() if end is None or end > when]


def without_used(core: Core, discounts: list[str]) -> list[str]:
    """What is left after an invoice was made: a `once` coupon is gone."""
    found = [core.find("discount", ident, "discounts") for ident in still_valid(core, discounts)]
    return [d["id"] for d in found if _coupon(core, d)["duration"] != "once"]


def _coupon(core: Core, discount: Thing) -> Thing:
    return core.find("coupon", discount["source"]["coupon"], "coupon")


def amounts_off(core: Core, discounts: list[str], subtotal: int, currency: str) -> list[Thing]:
    """What each discount takes off, one after the other, never below zero."""
    left = subtotal
    rows = []
    for ident in discounts:
        found = core.get(ident) or {}
        coupon = found if found["object"] == "coupon" else _coupon(core, found)
        off = min(left, _off(coupon, left, currency)) if left > 0 else 0
        left -= off
        rows.append({"amount": off, "discount": ident})
    return rows


def _off(coupon: Thing, amount: int, currency: str) -> int:
    if coupon["percent_off"] is not None:
        return int(amount * float(coupon["percent_off"]) / 100 + 0.5)
    return int(coupon["amount_off"]) if coupon["currency"] == currency else 0
