"""A year instead of months: paid now, at a saving."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

from app.domain.changes import ChangeItems, Step
from app.domain.documents import Field, Whole, Words
from app.domain.offers.common import Facts, Kind, Limits, Why, tenure_days
from app.domain.offers.plans import PRICES, moved, unfit, wanted


@dataclass(frozen=True, slots=True, kw_only=True)
class Annual(Kind):
    """Each monthly price of `to` becomes the yearly one it names. The end that was planned is
    taken back only when the year is paid for."""

    kind: ClassVar = "annual"
    fields: ClassVar = (
        Field("to", PRICES, None, "The yearly price for each monthly one.", needed=True),
        Field(
            "when_unpaid",
            Words(("hold", "refuse")),
            "hold",
            "`hold`: the switch waits for its payment, up to 23 hours. `refuse`: a refused card is "
            "the end of it.",
        ),
        Field("min_tenure_days", Whole(0, 3650), 0, "Only to customers of so many days."),
    )
    offer_id: str
    limits: Limits
    to: Mapping[str, str]
    when_unpaid: str = "hold"
    min_tenure_days: int = 0

    @classmethod
    def of(cls, offer_id: str, limits: Limits, terms: Mapping[str, Any]) -> Self:
        """The offer of terms whose shapes are right."""
        return cls(
            offer_id=offer_id,
            limits=limits,
            to=dict(terms["to"]),
            when_unpaid=terms.get("when_unpaid", "hold"),
            min_tenure_days=int(terms.get("min_tenure_days", 0)),
        )

    @property
    def prices_named(self) -> tuple[str, ...]:
        """The yearly prices."""
        return tuple(self.to.values())

    def refusal(self, facts: Facts) -> Why | None:
        """All items move together; a discount that stands would take its share of a whole year; in
        a trial nothing would be charged; by bill it would be in force, and its end taken back,
        before anybody has paid; no provider lets a change wait for a bank debit."""
        standing = facts.standing
        changes = moved(facts, self.to)
        every = standing.months
        if standing.status != "active":
            return Why.IN_TRIAL
        if standing.billed:
            return Why.BY_BILL
        if facts.by_debit:
            return Why.BY_DEBIT
        if tenure_days(facts) < self.min_tenure_days:
            return Why.NOT_LONG_ENOUGH
        if standing.discounted:
            return Why.HAS_DISCOUNT
        years = {change.price.months for change in changes}
        if every is None or len(changes) < len(standing.items) or years != {12} or every >= 12:
            return Why.INTERVAL
        if why := unfit(facts, changes):
            return why
        return None if self.saving_minor(facts) > 0 else Why.NOT_CHEAPER

    def saving_minor(self, facts: Facts) -> int:
        """What a year costs less than its months."""
        changes, every = moved(facts, self.to), facts.standing.months or 12
        return sum(one.was_minor * 12 // every - one.amount_minor for one in changes)

    def cost_minor(self, facts: Facts) -> int:
        """The saving of the first year."""
        return max(0, self.saving_minor(facts))

    def changes(self, facts: Facts, mark: str) -> tuple[Step, ...]:
        """Charged at once, and only then in force. What was paid for is not taken back."""
        change = ChangeItems(
            items=wanted(moved(facts, self.to)),
            proration="always_invoice",
            dated=facts.dated,
            when_unpaid=self.when_unpaid,
        )
        return (Step(change=change),)
