"""Fewer seats."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

from app.domain.changes import Step, Wanted
from app.domain.documents import Field, OrNull, Whole, Words
from app.domain.offers.common import PRICE_ID, Facts, Kind, Limits, Why
from app.domain.offers.downgrade import replanned
from app.domain.standing import Item

MOST_SEATS = 100_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Seats(Kind):
    """`remove` seats less of one price, but never fewer than `at_least`."""

    kind: ClassVar = "seats"
    fields: ClassVar = (
        Field("remove", Whole(1, MOST_SEATS), None, "How many seats fewer.", needed=True),
        Field("at_least", Whole(1, MOST_SEATS), 1, "How many are left at least."),
        Field("price", OrNull(PRICE_ID), None, "The price of a seat; null: the first price."),
        Field(
            "when",
            Words(("period_end", "now")),
            "period_end",
            "`now` credits the rest of the period on the next invoice.",
        ),
    )
    offer_id: str
    limits: Limits
    remove: int
    at_least: int = 1
    price: str | None = None
    when: str = "period_end"

    @classmethod
    def of(cls, offer_id: str, limits: Limits, terms: Mapping[str, Any]) -> Self:
        """The offer of terms whose shapes are right."""
        return cls(
            offer_id=offer_id,
            limits=limits,
            remove=int(terms["remove"]),
            at_least=int(terms.get("at_least", 1)),
            price=terms.get("price"),
            when=terms.get("when", "period_end"),
        )

    @property
    def ends_first(self) -> bool:
        """Under a schedule a planned end can no longer be taken back."""
        return self.when == "period_end"

    def refusal(self, facts: Facts) -> Why | None:
        """There are more than would be left."""
        item = self._item(facts)
        if item is None or item.quantity - self.remove < self.at_least:
            return Why.NO_SEATS
        if item.amount_minor is None:
            return Why.PRICE_UNKNOWN
        return None if self.when == "now" or facts.standing.period_end else Why.INTERVAL

    def _item(self, facts: Facts) -> Item | None:
        licensed = [item for item in facts.standing.items if not item.price.metered]
        fitting = [item for item in licensed if self.price in (None, item.price.id)]
        return fitting[0] if fitting else None

    def changes(self, facts: Facts, mark: str) -> tuple[Step, ...]:
        """The same price, another quantity."""
        item = self._item(facts)
        if item is None:
            return ()
        fewer = Wanted(id=item.id, price=item.price.id, quantity=item.quantity - self.remove)
        return replanned(facts, mark, (fewer,), now=self.when == "now")
