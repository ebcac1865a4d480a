"""Less to pay for a while."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar, Self

from app.domain.calendar import months_after
from app.domain.changes import AddDiscount, RemoveDiscount, Step
from app.domain.documents import Field, OrNull, Whole
from app.domain.offers.common import MONEY, Facts, Kind, Limits, Why, charges_within
from app.domain.standing import Standing


@dataclass(frozen=True, slots=True, kw_only=True)
class Discount(Kind):
    """`percent` off, or an amount by currency; on one invoice, or for so many `months`."""

    kind: ClassVar = "discount"
    fields: ClassVar = (
        Field("percent", OrNull(Whole(1, 100)), None, "Per cent off. Or `amount_minor`."),
        Field("amount_minor", OrNull(MONEY), None, "An amount off each invoice, by currency."),
        Field(
            "months",
            OrNull(Whole(1, 36)),
            None,
            "How long it runs, in calendar months; null: on one invoice. Where it is billed less "
            "often, only whole intervals are offered.",
        ),
    )
    offer_id: str
    limits: Limits
    percent: int | None = None
    amount_minor: Mapping[str, int] | None = None
    months: int | None = None

    @classmethod
    def of(cls, offer_id: str, limits: Limits, terms: Mapping[str, Any]) -> Self:
        """The offer of terms whose shapes are right."""
        percent, months, amounts = (terms.get(n) for n in ("percent", "months", "amount_minor"))
        return cls(
            offer_id=offer_id,
            limits=limits,
            percent=None if percent is None else int(percent),
            months=None if months is None else int(months),
            amount_minor=amounts and {code: int(minor) for code, minor in amounts.items()},
        )

    @classmethod
    def conflict(cls, terms: Mapping[str, Any]) -> str | None:
        """What its fields must not say together."""
        given = [name for name in ("percent", "amount_minor") if terms.get(name) is not None]
        return (
            None if len(given) == 1 else "needs one of `percent` and `amount_minor`, and one only"
        )

    def refusal(self, facts: Facts) -> Why | None:
        """No discount on top of one, none whose months are less than what one charge pays for."""
        standing = facts.standing
        if standing.discounted:
            return Why.HAS_DISCOUNT
        if self.percent is None and standing.currency not in (self.amount_minor or {}):
            return Why.CURRENCY
        every = standing.months
        if self.months is not None and every is not None and self.months % every:
            return Why.INTERVAL
        if self.percent is not None and standing.amount_minor is None:
            return Why.PRICE_UNKNOWN
        return None

    def cost_minor(self, facts: Facts) -> int:
        """What is taken off all invoices it can touch."""
        standing = facts.standing
        times = 1 if self.months is None else charges_within(standing, self.months)
        return self._off_minor(standing) * times

    def _off_minor(self, standing: Standing) -> int:
        amount = standing.amount_minor
        if self.percent is not None:
            return -(-(amount or 0) * self.percent // 100)
        off = (self.amount_minor or {}).get(standing.currency, 0)
        return off if amount is None else min(off, amount)

    def until(self, facts: Facts) -> datetime | None:
        """After the discounted months."""
        return None if self.months is None else months_after(facts.now, self.months)

    def changes(self, facts: Facts, mark: str) -> tuple[Step, ...]:
        """One coupon, beside whatever discounts stand."""
        coupon = self._coupon(facts.standing.currency)
        change = AddDiscount(
            coupon=coupon,
            mark=mark,
            percent=self.percent,
            amount_minor=(self.amount_minor or {}).get(facts.standing.currency),
            currency=None if self.percent is not None else facts.standing.currency,
            months=self.months,
            keep=tuple(discount.id for discount in facts.standing.discounts),
        )
        return (Step(change=change, undo=RemoveDiscount(coupon=coupon)),)

    def _coupon(self, currency: str) -> str:
        off = f"{self.percent}pct"
        if self.percent is None:
            off = f"{(self.amount_minor or {})[currency]}{currency}"
        return f"holdfast-{off}-{f'{self.months}m' if self.months else 'once'}"
