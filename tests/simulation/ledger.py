"""The store as the processes see it: the in-memory twin, its breakdowns, and what it told us."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from typing import Any

from app.domain.actions import Action, ActionState
from app.domain.operations import InboxEvent, InboxState
from app.domain.records import Key
from app.ports.store import Conflict, StoreUnavailable, Transaction
from app.storage.memory import MemoryStore, MemoryTransaction
from tests.simulation.machine import CLAIM, Machine

Written = list[tuple[Any, Any]]


class Ledger:
    """`ports.store.Store`. `watch` is told of each commit: the rows as they were and are."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self.memory = MemoryStore(lease_clock=machine.now, pause=machine.point)
        self.watch: Callable[[Written], None] = lambda _: None
        self.commits = 0
        self.waiting: set[Key] = set()
        self.due: dict[Key, Action] = {}
        self._known: dict[tuple[type[Any], Key], Any] = {}
        self._soonest: datetime | None = None

    def transaction(self, *merchants: str) -> AbstractAsyncContextManager[Transaction]:
        return Watched(self, self.memory.transaction(*merchants))

    def system(self) -> AbstractAsyncContextManager[Transaction]:
        return Watched(self, self.memory.system())

    def look_at_claim(self) -> None:
        """Note whether the claim of whoever begins a transaction stands."""
        claim = CLAIM.get()
        if claim is not None:
            row: Action = self.row(Action, claim.action.action_id)
            claim.stood = row.is_claimed(claim.action.claims)

    def committed(self, tx: MemoryTransaction) -> None:
        """Note what a transaction wrote, and tell of it."""
        written: Written = []
        for kind, rows in tx._written.items():
            for key, row in rows.items():
                written.append((self._known.get((kind, key)), row))
                self._known[kind, key] = row
                self._note(key, row)
        if written:
            self.commits += 1
            self.watch(written)

    def _note(self, key: Key, row: Any) -> None:
        if isinstance(row, InboxEvent):
            if row.state is InboxState.PENDING:
                self.waiting.add(key)
            else:
                self.waiting.discard(key)
        elif isinstance(row, Action):
            self._soonest = None
            if row.state is ActionState.PENDING:
                self.due[key] = row
            else:
                self.due.pop(key, None)

    def soonest(self) -> datetime | None:
        """When something is due that nobody has leased; None where nothing ever is."""
        if self._soonest is None and self.due:
            due = self.due.values()
            self._soonest = min(max(one.due_at, one.leased_until or one.due_at) for one in due)
        return self._soonest

    def rows(self, kind: type[Any]) -> list[Any]:
        """All committed rows of a kind."""
        return list(self.memory.rows[kind].values())

    def row(self, kind: type[Any], *key: Any) -> Any:
        """One committed row, or None."""
        return self.memory.rows[kind].get(key)


class Watched:
    """A transaction of the twin whose connection may break around its COMMIT."""

    __slots__ = ("_ledger", "_opened", "_tx")

    def __init__(self, ledger: Ledger, opened: Any) -> None:
        self._ledger, self._opened = ledger, opened

    async def __aenter__(self) -> MemoryTransaction:
        tx: MemoryTransaction = await self._opened.__aenter__()
        self._tx = tx
        self._ledger.look_at_claim()
        return tx

    async def __aexit__(self, kind: Any, fault: Any, where: Any) -> None:
        if fault is not None:
            await self._opened.__aexit__(kind, fault, where)
            return
        machine = self._ledger.machine
        try:
            lost = self._breaks()
        except (Conflict, StoreUnavailable) as broken:
            await self._opened.__aexit__(type(broken), broken, None)
            raise
        await self._opened.__aexit__(None, None, None)
        self._ledger.committed(self._tx)
        machine.fuse("committed")
        if lost:
            raise StoreUnavailable("the connection broke after the commit")

    def _breaks(self) -> bool:
        """Whether the connection breaks behind the COMMIT. Raises where it does before."""
        machine, written = self._ledger.machine, self._tx._written
        if written and machine.happens(machine.weather.conflict):
            raise Conflict("could not serialize")
        lost = bool(written) and machine.happens(machine.weather.lost_commit)
        if lost and machine.happens(0.5):
            raise StoreUnavailable("the connection broke before the commit")
        return lost
