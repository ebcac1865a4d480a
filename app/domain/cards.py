"""Cards as budgets and networks see them: by what they are counted, and on which rail they go."""

from collections.abc import Iterable
from dataclasses import replace

from app.domain.dunning import CardUse
from app.domain.mirror import PaymentMethod
from app.domain.network_rows import DIRECT_DEBITS


def card_key_of(method: PaymentMethod | None) -> str | None:
    """What budgets are counted by: the fingerprint, else the payment-method id."""
    return (method.fingerprint or method.method_id) if method else None


def rail_of(method: PaymentMethod | None) -> str:
    """The rail whose rules apply to a method. UPI has no country: there is only one."""
    if method is None or method.type not in DIRECT_DEBITS:
        india = method is not None and (method.country or "").upper() == "IN"
        upi = method is not None and method.type == "upi"
        return "in_mandate" if india or upi else "card"
    return method.type


def uses_of(
    uses: Iterable[CardUse], card_key: str | None, method: PaymentMethod | None
) -> tuple[CardUse, ...]:
    """The attempts on this card; a never-flag falls with a new expiry date."""
    expiry = f"{method.exp_year}-{method.exp_month:02d}" if method and method.exp_month else None
    mine = [use for use in uses if use.card_key == card_key]
    return tuple(
        replace(use, never=False) if use.expiry and expiry and use.expiry != expiry else use
        for use in mine
    )
