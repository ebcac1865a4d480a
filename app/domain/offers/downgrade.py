"""Another plan that costs less."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

from app.domain.changes import ChangeItems, DropPlan, PlanItems, Step
from app.domain.documents import Field, Words
from app.domain.offers.common import Facts, Kind, Limits, Why
from app.domain.offers.plans import PRICES, back, moved, unfit, wanted, with_changed


@dataclass(frozen=True, slots=True, kw_only=True)
class Downgrade(Kind):
    """Each price of `to` becomes the cheaper one it names, at the period's end or now."""

    kind: ClassVar = "downgrade"
    fields: ClassVar = (
        Field("to", PRICES, None, "The cheaper price for each dearer one.", needed=True),
        Field(
            "when",
            Words(("period_end", "now")),
            "period_end",
            "`now` credits the rest of the period on the next invoice.",
        ),
    )
    offer_id: str
    limits: Limits
    to: Mapping[str, str]
    when: str = "period_end"

    @classmethod
    def of(cls, offer_id: str, limits: Limits, terms: Mapping[str, Any]) -> Self:
        """The offer of terms whose shapes are right."""
        when = terms.get("when", "period_end")
        return cls(offer_id=offer_id, limits=limits, to=dict(terms["to"]), when=when)

    @property
    def ends_first(self) -> bool:
        """Under a schedule a planned end can no longer be taken back."""
        return self.when == "period_end"

    @property
    def prices_named(self) -> tuple[str, ...]:
        """The cheaper prices."""
        return tuple(self.to.values())

    def refusal(self, facts: Facts) -> Why | None:
        """It costs less and is billed as often."""
        changes = moved(facts, self.to)
        if why := unfit(facts, changes):
            return why
        if any(_rhythm(one.price) != _rhythm(one.item.price) for one in changes):
            return Why.INTERVAL
        if sum(one.amount_minor - one.was_minor for one in changes) >= 0:
            return Why.NOT_CHEAPER
        return None if self.when == "now" or facts.standing.period_end else Why.INTERVAL

    def changes(self, facts: Facts, mark: str) -> tuple[Step, ...]:
        """Now as a change of items, later as a plan."""
        return replanned(facts, mark, wanted(moved(facts, self.to)), now=self.when == "now")


def replanned(facts: Facts, mark: str, items: Any, *, now: bool) -> tuple[Step, ...]:
    """Other items, now with the rest of the period settled on the next invoice, or from the end of
    the period on."""
    standing = facts.standing
    if now:
        change = ChangeItems(items=items, proration="create_prorations", dated=facts.dated)
        return (Step(change=change, undo=back(standing, change)),)
    plan = PlanItems(
        mark=mark,
        at=standing.period_end or facts.now,
        items=with_changed(standing, items),
        keep=tuple(discount.id for discount in standing.discounts),
    )
    return (Step(change=plan, undo=DropPlan(mark=mark)),)


def _rhythm(price: Any) -> tuple[str, int]:
    return price.interval, price.interval_count
