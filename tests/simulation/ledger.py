"""The store as the processes see it: the in-memory twin, its breakdowns, and what it told us."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from app.domain.actions import Action, ActionState
from app.domain.operations import InboxEvent, InboxState
from app.domain.records import Key
from app.ports.store import Conflict, StoreUnavailable, Transaction
from app.storage.memory import MemoryStore, MemoryTransaction
from tests.simulation.machine import Machine

Written = list[tuple[Any, Any]]


class Ledger:
    """`ports.store.Store`. `watch` is told of each commit: the rows as they were and are."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        self.memory = MemoryStore(lease_clock=machine.now, pause=self._pause)
        self.watch: Callable[[Written], None] = lambda _: None
        self.commits = 0
        self.waiting: set[Key] = set()
        self.due: dict[Key, Action] = {}
        self._known: dict[tuple[type[Any], Key], Any] = {}

    async def _pause(self, step: str) -> None:
        await self._machine.point(step)

    @asynccontextmanager
    async def transaction(self, *merchants: str) -> AsyncIterator[Transaction]:
        async with self._watched(self.memory.transaction(*merchants)) as tx:
            yield tx

    @asynccontextmanager
    async def system(self) -> AsyncIterator[Transaction]:
        async with self._watched(self.memory.system()) as tx:
            yield tx

    @asynccontextmanager
    async def _watched(self, opened: Any) -> AsyncIterator[Transaction]:
        machine, lost = self._machine, False
        async with opened as tx:
            yield tx
            if tx._written and machine.happens(machine.weather.conflict):
                raise Conflict("could not serialize")
            lost = bool(tx._written) and machine.happens(machine.weather.lost_commit)
            if lost and machine.happens(0.5):
                raise StoreUnavailable("the connection broke before the commit")
        self._committed(tx)
        machine.fuse("committed")
        if lost:
            raise StoreUnavailable("the connection broke after the commit")

    def _committed(self, tx: MemoryTransaction) -> None:
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
            if row.state is ActionState.PENDING:
                self.due[key] = row
            else:
                self.due.pop(key, None)

    def rows(self, kind: type[Any]) -> list[Any]:
        """All committed rows of a kind."""
        return list(self.memory.rows[kind].values())

    def row(self, kind: type[Any], *key: Any) -> Any:
        """One committed row, or None."""
        return self.memory.rows[kind].get(key)
