"""The in-memory twin of the store: for tests and the simulation, under the same contract tests.

A transaction writes into an overlay that becomes visible when it ends, all of it or nothing.
Where PostgreSQL makes the second of two writers wait, the twin lets both go on and gives the one
that ends second a `Conflict`, which a use case must bear in any case.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Collection, Coroutine, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime, timedelta
from functools import wraps
from typing import Any, Concatenate, ParamSpec, TypeVar, cast

from app.domain.actions import Action
from app.domain.operations import InboxEvent, InboxState
from app.domain.records import Key, R, changed, key_of
from app.ports.store import TRANSACTION_LIMIT_S, Ask, Conflict, RowRefused, StoreUnavailable
from app.storage.errors import Unbroken
from app.storage.indexes import Indexes, telling
from app.storage.matching import (
    claimable,
    collide,
    is_beyond,
    is_settled,
    matches,
    share_by_share,
    sorting,
    unclaimed,
    values_of,
)
from app.storage.questions import asks_for_nothing, require_asked, whole_order
from app.storage.registry import APPEND_ONLY, SYSTEM_SEES, TABLES
from app.storage.rules import as_stored, require_belonging, require_referred
from app.storage.scope import merchants_set

P = ParamSpec("P")
T = TypeVar("T")


def monotonic_instant() -> datetime:
    """Monotonic time as an instant: good to compare with itself, as leases are."""
    return datetime.fromtimestamp(time.monotonic(), UTC)


async def breathe(step: str) -> None:
    """Let other tasks run, as a round trip to a database would."""
    await asyncio.sleep(0)


class MemoryStore:
    """`ports.store.Store` in one process.

    `lease_clock` is the time of leases (the database's clock elsewhere). `pause` is awaited
    before each step with its name (`load`, `save`, `commit`, …); a simulation interleaves tasks
    or raises there. A transaction that is not at its end after `TRANSACTION_LIMIT_S` of the
    `lease_clock` comes to nothing: elsewhere the server has ended it by then.
    """

    def __init__(
        self,
        *,
        lease_clock: Callable[[], datetime] = monotonic_instant,
        pause: Callable[[str], Awaitable[None]] = breathe,
    ) -> None:
        self.lease_clock, self.pause = lease_clock, pause
        self.rows: dict[type[Any], dict[Key, Any]] = {kind: {} for kind in TABLES}
        self.unique: dict[tuple[type[Any], tuple[str, ...]], dict[Key, Key]] = {
            (kind, names): {} for kind in TABLES for names in kind.UNIQUE
        }
        self.held: dict[object, MemoryTransaction] = {}
        self.indexes = {kind: Indexes(rows) for kind, rows in self.rows.items()}

    def transaction(self, *merchants: str) -> AbstractAsyncContextManager["MemoryTransaction"]:
        return Opened(MemoryTransaction(self, merchants))

    def system(self) -> AbstractAsyncContextManager["MemoryTransaction"]:
        return Opened(MemoryTransaction(self, None))

    def publish(self, kind: type[Any], key: Key, row: Any) -> None:
        """Let everybody see this version of a row."""
        known = self.rows[kind].get(key)
        for names in kind.UNIQUE:
            taken = self.unique[kind, names]
            if known is not None:
                taken.pop(values_of(known, names), None)
            values = values_of(row, names)
            if None not in values:
                taken[values] = key
        self.indexes[kind].move(key, known, row)
        self.rows[kind][key] = row


class Opened:
    """A transaction from its beginning to its end."""

    __slots__ = ("_end", "_transaction")

    def __init__(self, transaction: "MemoryTransaction") -> None:
        self._transaction = transaction
        now = transaction.store.lease_clock()
        self._end = now + timedelta(seconds=TRANSACTION_LIMIT_S)

    async def __aenter__(self) -> "MemoryTransaction":
        try:
            await self._transaction.store.pause("begin")
        except BaseException:
            self._over()
            raise
        return self._transaction

    async def __aexit__(self, kind: object, fault: object, where: object) -> None:
        try:
            if fault is None:
                await self._commit()
        finally:
            self._over()

    async def _commit(self) -> None:
        store = self._transaction.store
        await store.pause("commit")
        if store.lease_clock() > self._end:
            raise StoreUnavailable(f"no end within {TRANSACTION_LIMIT_S} s")
        with self._transaction.step():
            self._transaction.commit()

    def _over(self) -> None:
        mine, store = self._transaction, self._transaction.store
        if store.held:
            store.held = {what: by for what, by in store.held.items() if by is not mine}
        mine.ended.set()


Method = Callable[Concatenate["MemoryTransaction", P], Coroutine[Any, Any, T]]


def one_step(method: Method[P, T]) -> Method[P, T]:
    """Pause first, as a round trip would, and do nothing more in a broken transaction."""

    @wraps(method)
    async def stepped(self: "MemoryTransaction", /, *args: P.args, **named: P.kwargs) -> T:
        await self.store.pause(method.__name__)
        with self.step():
            return await method(self, *args, **named)

    return stepped


class MemoryTransaction(Unbroken):
    """`ports.store.Transaction`; made by `MemoryStore` alone."""

    def __init__(self, store: MemoryStore, merchants: Collection[str] | None) -> None:
        super().__init__()
        self.store = store
        self._merchants = None if merchants is None else merchants_set(merchants)
        self._written: dict[type[Any], dict[Key, Any]] = {}
        self._added: set[tuple[type[Any], Key]] = set()
        self.waits_for: MemoryTransaction | None = None
        self.ended = asyncio.Event()

    @one_step
    async def act_for(self, merchants: Collection[str]) -> None:
        self._merchants = merchants_set(merchants)

    async def agree_on(self, now: datetime) -> None:
        """There is no other clock here."""

    @one_step
    async def lock(self, account_id: str, keys: Collection[str]) -> None:
        for name in sorted({(account_id, key) for key in keys}):
            while (holder := self.store.held.setdefault(name, self)) is not self:
                self._refuse_deadlock(holder)
                self.waits_for = holder
                await holder.ended.wait()
                self.waits_for = None

    @one_step
    async def load(self, kind: type[R], keys: Collection[Key]) -> list[R]:
        return self._kept(kind, keys)

    @one_step
    async def find(
        self,
        kind: type[R],
        *,
        where: Mapping[str, Any],
        after: Key | None = None,
        order: Sequence[str] = (),
        limit: int | None = None,
    ) -> list[R]:
        rows = self._like(kind, where, order)
        if after is not None:
            rows = [row for row in rows if is_beyond(row, tuple(order) or kind.KEY, after)]
        return rows[:limit]

    async def count(self, kind: type[Any], *, where: Mapping[str, Any]) -> int:
        return len(await self.find(kind, where=where))

    @one_step
    async def ask(self, *questions: Ask) -> list[list[Any]]:
        return [
            self._kept(ask.kind, ask.keys)
            if ask.keys is not None
            else self._like(ask.kind, ask.where, ask.order)[: ask.limit]
            for ask in questions
        ]

    @one_step
    async def insert(self, rows: Sequence[R]) -> list[R]:
        new = []
        for row in rows:
            stored = self._permitted(row)
            if not self._others_like(stored) and self._current(type(row), key_of(row)) is None:
                self._write(stored)
                self._added.add((type(row), key_of(row)))
                new.append(row)
        for row in new:
            require_belonging(row, None, self._current)
        return new

    @one_step
    async def save(self, rows: Sequence[R]) -> None:
        before = [(row, self._current(type(row), key_of(row))) for row in rows]
        for row, _ in before:
            stored = self._permitted(row)
            known = self._current(type(row), key_of(row))
            if type(row) in APPEND_ONLY:
                raise RowRefused(f"{TABLES[type(row)].name} is append-only")
            if known is not None and not self._sees(known):
                raise RowRefused("a row of another merchant has this key")
            if self._others_like(stored):
                raise Conflict(f"{TABLES[type(row)].name}: a unique key is taken")
            self._write(stored)
        for row, known in before:
            require_belonging(row, known, self._current)

    @one_step
    async def claim_inbox(self, limit: int, *, at: datetime) -> list[InboxEvent]:
        self._only_system()
        taken = share_by_share(self._all(InboxEvent), limit, hold=self._hold)
        return self._rewritten(
            changed(row, state=InboxState.HANDLED, handled_at=at) for row in taken
        )

    @one_step
    async def park_inbox(self, parked: Mapping[Key, str]) -> None:
        for key, reason in parked.items():
            row = self._current(InboxEvent, key)
            if row is not None and self._sees(row):
                self._write(changed(row, state=InboxState.PARKED, reason=reason))

    @one_step
    async def drop_bodies(self, account_id: str, *, before: datetime, limit: int) -> int:
        self._look(InboxEvent)
        mine = (row for row in self._all(InboxEvent) if row.account_id == account_id)
        old = [row for row in mine if self._sees(row) and is_settled(row, before)]
        old.sort(key=lambda row: (row.handled_at, row.event_id))
        return len(self._rewritten(changed(row, body=None) for row in old[:limit]))

    @one_step
    async def empty_bodies(self, keys: Collection[Key]) -> None:
        self._rewritten(changed(row, body=None) for row in self._kept(InboxEvent, keys))

    @one_step
    async def claim_actions(
        self, limit: int, *, now: datetime, lease_s: float, but: Collection[str] = ()
    ) -> list[Action]:
        self._only_system()
        instant = self.store.lease_clock()
        wanted = (row for row in self._all(Action) if row.account_id not in but)
        due = claimable(wanted, now=now, instant=instant)
        until = instant + timedelta(seconds=lease_s)
        return self._rewritten(
            changed(row, claims=row.claims + 1, leased_until=until)
            for row in self._take(iter(due), limit)
        )

    @one_step
    async def unclaim_actions(self, claims: Mapping[str, int]) -> None:
        self._only_system()
        rows = self._kept(Action, [(action_id,) for action_id in claims])
        self._rewritten(unclaimed(rows, claims, instant=self.store.lease_clock()))

    async def lease_clock(self) -> datetime:
        return self.store.lease_clock()

    def _kept(self, kind: type[R], keys: Collection[Key]) -> list[R]:
        self._look(kind)
        found = (self._current(kind, key) for key in sorted(set(keys)))
        return [row for row in found if row is not None and self._sees(row)]

    def _like(self, kind: type[R], where: Mapping[str, Any], order: Sequence[str]) -> list[R]:
        self._look(kind)
        order = tuple(order) or kind.KEY
        require_asked(kind, tuple(where), order)
        if asks_for_nothing(where):
            return []
        asked = self._perhaps(kind, where)
        rows = [row for row in asked if self._sees(row) and matches(row, where)]
        if len(rows) > 1:
            for name in reversed(whole_order(order, kind.KEY)):
                rows.sort(key=sorting(name.removeprefix("-")), reverse=name.startswith("-"))
        return rows

    def _perhaps(self, kind: type[R], where: Mapping[str, Any]) -> list[R]:
        """Rows among which are all that are asked for."""
        name = telling(tuple(where))
        if name is None or where[name] is None:
            return self._all(kind)
        found = self.store.indexes[kind].having(name, where[name])
        mine = self._written.get(kind)
        if not mine:
            return found
        return [row for row in found if key_of(row) not in mine] + list(mine.values())

    def commit(self) -> None:
        """Make everything visible at once, or raise and leave nothing."""
        for kind, rows in self._written.items():
            for key, row in rows.items():
                known = self.store.rows[kind].get(key)
                if (kind, key) in self._added and known is not None:
                    raise Conflict(f"{TABLES[kind].name}: another transaction was first")
                if self._taken(row):
                    raise Conflict(f"{TABLES[kind].name}: a unique key was taken meanwhile")
                require_referred(row, self._current)
        for kind, rows in self._written.items():
            for key, row in rows.items():
                self.store.publish(kind, key, row)

    def _refuse_deadlock(self, holder: "MemoryTransaction") -> None:
        behind: MemoryTransaction | None = holder
        while behind is not None:
            if behind is self:
                raise Conflict("a deadlock: two transactions wait for each other")
            behind = behind.waits_for

    def _look(self, kind: type[Any]) -> None:
        if self._merchants is None and kind not in SYSTEM_SEES:
            raise RowRefused(f"the system role may not look into {TABLES[kind].name}")

    def _only_system(self) -> None:
        if self._merchants is not None:
            raise RuntimeError("work is claimed in `Store.system` only")

    def _permitted(self, row: Any) -> Any:
        if self._merchants is None and not isinstance(row, InboxEvent):
            raise RowRefused(f"the system role may not write {TABLES[type(row)].name}")
        if not self._sees(row):
            raise RowRefused("a row of another merchant")
        return as_stored(row)

    def _sees(self, row: Any) -> bool:
        return self._merchants is None or row.merchant_id in self._merchants

    def _current(self, kind: type[R], key: Key) -> R | None:
        known = self.store.rows[kind].get(key)
        return cast("R | None", self._written.get(kind, {}).get(key, known))

    def _all(self, kind: type[R]) -> list[R]:
        mine = self._written.get(kind)
        return list(({**self.store.rows[kind], **mine} if mine else self.store.rows[kind]).values())

    def _write(self, row: Any) -> None:
        self._written.setdefault(type(row), {})[key_of(row)] = row

    def _rewritten(self, rows: Iterable[R]) -> list[R]:
        written = list(rows)
        for row in written:
            self._write(row)
        return written

    def _take(self, rows: Any, limit: int) -> list[Any]:
        taken: list[Any] = []
        for row in rows:
            if len(taken) == limit:
                break
            if self._hold((type(row), key_of(row))):
                taken.append(row)
        return taken

    def _hold(self, what: object) -> bool:
        return self.store.held.setdefault(what, self) is self

    def _others_like(self, row: Any) -> bool:
        """Whether another row, written here or seen by all, has one of the row's unique keys."""
        mine = self._written.get(type(row), {})
        return self._taken(row) or any(collide(row, other) for other in mine.values())

    def _taken(self, row: Any) -> bool:
        kind, key = type(row), key_of(row)
        for names in kind.UNIQUE:
            owner = self.store.unique[kind, names].get(values_of(row, names), key)
            if owner != key and owner not in self._written.get(kind, {}):
                return True
        return False
