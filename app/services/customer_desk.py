"""What the handlers of actions about a subscription or a card share: a customer on the desk."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import datetime

from app.domain.actions import Action, ActionKind, ActionState, still_claimed
from app.domain.alerts import AlertKind
from app.domain.calendar import in_daytime
from app.domain.mirror import Customer
from app.domain.records import Book
from app.domain.terms import Terms
from app.ports.store import Transaction
from app.ports.world import World
from app.services.books import Touched, account_terms, load_touched, write
from app.services.merchants import settle_alerts

# Where these did not work at once a person was told; done by the workers, nothing is left to do.
TOLD_OF_LATE = frozenset({ActionKind.CANCEL, ActionKind.SETTLE})


@dataclass(frozen=True, slots=True)
class CustomerDesk:
    """One customer with the subscription and the card concerned, inside a transaction."""

    tx: Transaction
    book: Book
    terms: Terms
    action: Action

    @property
    def customer(self) -> Customer | None:
        """Whom it is about."""
        return self.book.get(Customer, self.action.account_id, self.action.customer_id)

    def done(self, why: str | None = None) -> None:
        """Mark the action carried out, or needless where `why` says so."""
        state = ActionState.DROPPED if why else ActionState.DONE
        self.book.put(replace(self.action, state=state, leased_until=None, note=why))

    @property
    def is_closed(self) -> bool:
        """Whether the action is carried out or needless by now."""
        now = self.book.get(Action, self.action.action_id) or self.action
        return now.state in {ActionState.DONE, ActionState.DROPPED}

    def again(self, at: datetime, why: str) -> None:
        """Put the action off."""
        self.book.put(replace(self.action, due_at=at, leased_until=None, note=why))

    def not_done(self, at: datetime, why: str) -> None:
        """Put the action off, also where somebody took it over meanwhile and closed it for what
        may have happened: it has not."""
        pending = replace(self.action, state=ActionState.PENDING)
        self.book.put(replace(pending, due_at=at, leased_until=None, note=why))

    def is_day(self) -> bool:
        """Whether it is day where the customer lives; else the action waits for it."""
        when = in_daytime(self.terms.now, self.terms.zone_of(self.customer))
        if when > self.terms.now:
            self.again(when, "local daytime")
        return when <= self.terms.now


@asynccontextmanager
async def customer_desk(
    world: World, action: Action, touched: Touched, *, after_the_deed: bool = False
) -> AsyncIterator[CustomerDesk | None]:
    """Open the customer of an action, locked; write the book when the block ends.

    Yields None where the claim stands no more: its lease ran out and somebody else is at it, or
    is through. What was done outside by then is recorded all the same (`after_the_deed`).
    """
    if action.customer_id:
        touched.customers.add(action.customer_id)
    async with world.store.transaction(action.merchant_id) as tx:
        book = await load_touched(tx, action.account_id, touched)
        rows = await tx.load(Action, [(action.action_id,)])
        if still_claimed(rows, action) is None and not after_the_deed:
            yield None
            return
        terms = await account_terms(tx, world, action.merchant_id, action.account_id)
        opened = CustomerDesk(tx, book, terms, rows[0] if rows else action)
        yield opened
        await write(tx, book, at=terms.now)
        if action.kind in TOLD_OF_LATE and opened.is_closed:
            delayed = AlertKind.CANCEL_DELAYED
            await settle_alerts(tx, action.merchant_id, delayed, action.subject, at=terms.now)
