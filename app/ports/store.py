"""The store: plural only, one transaction per use case, the only commit."""

from collections.abc import Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from app.domain.actions import Action
from app.domain.operations import InboxEvent
from app.domain.records import Key, R

# A transaction that is not at its end by then comes to nothing. It is shorter than every lease, so
# that who stood still writes nothing beside who has the work now. Figures as of an instant are
# repeatable from 5 s after it: no ledger line is written later.
TRANSACTION_LIMIT_S = 4.5


class Conflict(Exception):
    """Another transaction wrote first (serialization, deadlock, unique violation on an upsert).
    Nothing was written; the use case may be repeated as a whole."""


class StoreUnavailable(Exception):
    """The database did not answer or refused. Whether a commit happened is unknown."""


class RowRefused(Exception):
    """A rule of the database forbids what was asked: a foreign key, a check, an append-only
    table, text it cannot hold, a row of another merchant. Nothing was written, and the same rows
    will be refused again: a batch is halved until the poisonous row stands alone."""


@dataclass(frozen=True, slots=True)
class Ask:
    """One of several questions asked together: the rows of a kind with these primary keys, or,
    without `keys`, those that `where` describes as in `find`."""

    kind: type[Any]
    keys: Collection[Key] | None = None
    where: Mapping[str, Any] = field(default_factory=dict)
    order: Sequence[str] = ()
    limit: int | None = None


class Transaction(Protocol):
    """Reads and writes of the merchants this transaction was opened for; nobody else's rows
    are visible. Everything becomes durable together when the block of `Store` ends."""

    async def act_for(self, merchants: Collection[str]) -> None:
        """Leave the system role of `Store.system` and act for these merchants from here on."""
        ...

    async def agree_on(self, now: datetime) -> None:
        """Raises `StoreUnavailable` where the database's clock is more than a minute away from
        this instant: who knows a wrong time may neither claim nor carry out anything. Not asked
        of a clock that is stepped."""
        ...

    async def lock(self, account_id: str, keys: Collection[str]) -> None:
        """Hold these customers (or lone object ids) until the transaction ends, in key order,
        so that two use cases on one customer never interleave."""
        ...

    async def load(self, kind: type[R], keys: Collection[Key]) -> list[R]:
        """The rows with these primary keys that exist; missing ones are left out."""
        ...

    async def find(
        self,
        kind: type[R],
        *,
        where: Mapping[str, Any],
        after: Key | None = None,
        order: Sequence[str] = (),
        limit: int | None = None,
    ) -> list[R]:
        """Rows whose fields equal the given values; a list, tuple or set means any of them.
        A field name with the suffix `__lte` or `__gte` compares. `order` names fields (a leading
        `-` turns it round); `after` is the keyset position: the values of the `order` fields of
        the last row seen."""
        ...

    async def ask(self, *questions: Ask) -> list[list[Any]]:
        """The answers of `load` and `find` to all of these at once, in their order."""
        ...

    async def count(self, kind: type[R], *, where: Mapping[str, Any]) -> int:
        """How many rows `find` would give."""
        ...

    async def insert(self, rows: Sequence[R]) -> list[R]:
        """Insert what is not there yet under any of its unique keys; return what was new."""
        ...

    async def save(self, rows: Sequence[R]) -> None:
        """Insert or replace by primary key."""
        ...

    async def claim_inbox(self, limit: int, *, at: datetime) -> list[InboxEvent]:
        """Take pending inbox rows: they count as handled at `at`, should this transaction commit.

        In order of arrival, and none of a share that another transaction has taken a row of: what
        is in one share is worked on by one at a time. Only in `Store.system`."""
        ...

    async def park_inbox(self, parked: Mapping[Key, str]) -> None:
        """Set claimed inbox rows aside: (account_id, event_id) → why."""
        ...

    async def drop_bodies(self, account_id: str, *, before: datetime, limit: int) -> int:
        """Empty the bodies of up to `limit` webhooks of this account that were settled by then,
        the oldest first; how many there were. What waits to be handled keeps its body."""
        ...

    async def empty_bodies(self, keys: Collection[Key]) -> None:
        """Empty the bodies of these webhooks, whatever their state."""
        ...

    async def claim_actions(
        self, limit: int, *, now: datetime, lease_s: float, but: Collection[str] = ()
    ) -> list[Action]:
        """Due pending actions, lease taken and `claims` raised; never one whose customer has
        another leased one, nor of the accounts in `but`. Earliest (due_at, key) first. Only in
        `Store.system`."""
        ...

    async def unclaim_actions(self, claims: Mapping[str, int]) -> None:
        """End these leases (action id and number of the claim) now, where the claim stands, so
        that whoever asks next gets the actions. One that somebody holds at this moment is left."""
        ...

    async def lease_clock(self) -> datetime:
        """The instant by which leases are counted: the database's own clock."""
        ...


class Store(Protocol):
    def transaction(self, *merchants: str) -> AbstractAsyncContextManager[Transaction]:
        """A transaction that sees and writes these merchants' rows only. Commits when the block
        ends, rolls back when it raises, and where it took longer than `TRANSACTION_LIMIT_S`.
        Raises `Conflict` or `StoreUnavailable`."""
        ...

    def system(self) -> AbstractAsyncContextManager[Transaction]:
        """A transaction of the system role: sees inbox, actions, provider accounts, API keys and
        payment links of all merchants, to claim work and to find out who is asking. Nothing
        else until `act_for`."""
        ...


class IntakeWriter(Protocol):
    """The hot path of the webhooks: group commit without a timer."""

    async def put(self, event: InboxEvent) -> bool:
        """Return once the event is durable: True if new, False if it was known. Raises
        `StoreUnavailable` when it could not be stored, `Full` when the queue is full."""
        ...


class Full(Exception):
    """The intake queue is full; the sender should come back (`retry_after_s`)."""

    retry_after_s = 5
