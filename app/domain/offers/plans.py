"""What kinds that change items share: which item becomes which price, and what that comes to."""

from collections.abc import Mapping
from dataclasses import dataclass

from app.domain.changes import ChangeItems, Wanted
from app.domain.documents import Keyed
from app.domain.offers.common import PRICE_ID, Facts, Why
from app.domain.standing import Item, Price, Standing

PRICES = Keyed(PRICE_ID, PRICE_ID, 100)


@dataclass(frozen=True, slots=True)
class Moved:
    """An item and the price it is to have."""

    item: Item
    price: Price

    @property
    def amount_minor(self) -> int:
        """A period's worth at the new price."""
        return (self.price.unit_minor or 0) * self.item.quantity

    @property
    def was_minor(self) -> int:
        """A period's worth at the old one."""
        return self.item.amount_minor or 0


def moved(facts: Facts, to: Mapping[str, str]) -> tuple[Moved, ...]:
    """The items that get another price, where that price could be read."""
    pairs = ((item, facts.prices.get(to.get(item.price.id, ""))) for item in facts.standing.items)
    return tuple(Moved(item, price) for item, price in pairs if price is not None)


def unfit(facts: Facts, changes: tuple[Moved, ...]) -> Why | None:
    """What of the prices speaks against it: none fits, another currency, no single amount."""
    if not changes:
        return Why.INTERVAL
    for change in changes:
        if change.price.currency != facts.standing.currency:
            return Why.CURRENCY
        if change.price.unit_minor is None or change.item.amount_minor is None:
            return Why.PRICE_UNKNOWN
    return None


def wanted(changes: tuple[Moved, ...]) -> tuple[Wanted, ...]:
    """The items as they are to be, each with its id and its quantity."""
    return tuple(
        Wanted(id=one.item.id, price=one.price.id, quantity=one.item.quantity) for one in changes
    )


def as_they_are(standing: Standing) -> tuple[Wanted, ...]:
    """All items as they stand."""
    return tuple(
        Wanted(
            id=item.id,
            price=item.price.id,
            quantity=None if item.price.metered else item.quantity,
        )
        for item in standing.items
    )


def with_changed(standing: Standing, changes: tuple[Wanted, ...]) -> tuple[Wanted, ...]:
    """All items, some of them changed."""
    new = {one.id: one for one in changes}
    return tuple(new.get(one.id, one) for one in as_they_are(standing))


def back(standing: Standing, change: ChangeItems) -> ChangeItems:
    """What takes a change of items back: the same rest of the period, the other way round."""
    ids = {one.id for one in change.items}
    old = tuple(one for one in as_they_are(standing) if one.id in ids)
    return ChangeItems(items=old, proration=change.proration, dated=change.dated)
