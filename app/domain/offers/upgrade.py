"""The better plan at the price of this one, for a while."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, ClassVar, Self

from app.domain.calendar import months_after
from app.domain.changes import ChangeItems, DropPlan, PlanItems, Step
from app.domain.documents import Field, Whole
from app.domain.offers.common import Facts, Kind, Limits, Why
from app.domain.offers.plans import PRICES, as_they_are, back, moved, unfit, wanted

# The better plan and the coupon that makes up the difference are two requests: both are to be there
# before the next charge, also where the provider is away for a day and a half between them.
BEFORE_CHARGE = timedelta(days=2)


@dataclass(frozen=True, slots=True, kw_only=True)
class Upgrade(Kind):
    """Each price of `to` becomes the better one it names, now, for `months` from the next charge
    on at no more than today's price, and then again what it was."""

    kind: ClassVar = "upgrade"
    fields: ClassVar = (
        Field("to", PRICES, None, "The better price for each one.", needed=True),
        Field("months", Whole(1, 12), 1, "For how many charges."),
    )
    offer_id: str
    limits: Limits
    to: Mapping[str, str]
    months: int = 1

    @classmethod
    def of(cls, offer_id: str, limits: Limits, terms: Mapping[str, Any]) -> Self:
        """The offer of terms whose shapes are right."""
        months = int(terms.get("months", 1))
        return cls(offer_id=offer_id, limits=limits, to=dict(terms["to"]), months=months)

    @property
    def prices_named(self) -> tuple[str, ...]:
        """The better prices."""
        return tuple(self.to.values())

    @property
    def ends_first(self) -> bool:
        """Under a schedule, or paused, a planned end can no longer be taken back."""
        return True

    def refusal(self, facts: Facts) -> Why | None:
        """Billed by the month, at a price above today's; a discount that stands would be mixed
        with the one that makes up the difference."""
        standing, changes = facts.standing, moved(facts, self.to)
        if standing.status != "active":
            return Why.IN_TRIAL
        if standing.discounted:
            return Why.HAS_DISCOUNT
        if why := unfit(facts, changes):
            return why
        monthly = {one.price.months for one in changes} == {1} == {standing.months}
        if not monthly or standing.period_end is None:
            return Why.INTERVAL
        if standing.period_end - facts.now < BEFORE_CHARGE:
            return Why.TOO_LATE
        return None if self._more_minor(facts) > 0 else Why.NOT_BETTER

    def _more_minor(self, facts: Facts) -> int:
        return sum(one.amount_minor - one.was_minor for one in moved(facts, self.to))

    def cost_minor(self, facts: Facts) -> int:
        """The difference, for each charge."""
        return max(0, self._more_minor(facts)) * self.months

    def until(self, facts: Facts) -> datetime | None:
        """When the plan is again what it was."""
        return months_after(facts.standing.period_end or facts.now, self.months)

    def changes(self, facts: Facts, mark: str) -> tuple[Step, ...]:
        """The better plan at once, and the way back planned with it. The coupon outlives the plan
        by less than a month; the second phase ends it on time."""
        standing, more = facts.standing, self._more_minor(facts)
        change = ChangeItems(items=wanted(moved(facts, self.to)))
        months = self.months + 1
        plan = PlanItems(
            mark=mark,
            at=self.until(facts) or facts.now,
            items=as_they_are(standing),
            coupon=f"holdfast-{more}{standing.currency}-{months}m",
            off_minor=more,
            currency=standing.currency,
            months=months,
        )
        return (
            Step(change=change, undo=back(standing, change)),
            Step(change=plan, undo=DropPlan(mark=mark)),
        )
