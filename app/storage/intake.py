"""Webhooks into the inbox, many to a commit: group commit without a timer.

Whatever arrives while an INSERT is under way is the next one. No timer makes anybody wait: alone,
an event is written at once; under load batches grow by themselves.
"""

import asyncio
from collections import deque
from collections.abc import Sequence
from typing import Any, NamedTuple

import asyncpg
from asyncpg.prepared_stmt import PreparedStatement

from app.domain.operations import InboxEvent
from app.domain.records import Key, key_of
from app.ports.store import Conflict, Full, RowRefused, StoreUnavailable
from app.storage.addresses import driver_url
from app.storage.errors import translated
from app.storage.scope import SYSTEM
from app.storage.statements import plan_of

PATIENCE_S = 5.0  # to connect, and for one INSERT; a webhook's sender waits some 10 s
SETTINGS = {
    "application_name": "holdfast intake",
    "role": SYSTEM,
    "statement_timeout": "5000",  # ms
    "jit": "off",
}
BATCH_ROWS, BATCH_BYTES = 128, 8 * 2**20
QUEUE_ROWS, QUEUE_BYTES = 4096, 64 * 2**20


class Waiting(NamedTuple):
    """An event and the future of whoever waits for it to be durable."""

    event: InboxEvent
    stored: asyncio.Future[bool]

    @property
    def size(self) -> int:
        return len(self.event.body or "")


class BatchedIntake:
    """`ports.store.IntakeWriter`. Start it in the loop that uses it; close it to drain it."""

    def __init__(
        self,
        database_url: str,
        *,
        lanes: int = 2,
        rows: int = QUEUE_ROWS,
        bytes_: int = QUEUE_BYTES,
    ) -> None:
        self._url = driver_url(database_url)
        self._lanes, self._rows, self._bytes = lanes, rows, bytes_
        self._queue: deque[Waiting] = deque()
        self._queued_bytes = 0
        self._arrived = asyncio.Event()
        self._open = False
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Begin to write. Connects when the first event comes, so a database may come later."""
        self._open = True
        self._tasks = [asyncio.create_task(self._work()) for _ in range(self._lanes)]

    async def close(self, *, patience_s: float = 2 * PATIENCE_S) -> None:
        """Take nothing more, write what waits, let go. What is not written in time fails."""
        self._open = False
        self._arrived.set()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=patience_s)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        _fail(self._take(len(self._queue)), StoreUnavailable("closed before it was written"))

    async def put(self, event: InboxEvent) -> bool:
        if not self._open:
            raise StoreUnavailable("the intake is closed")
        waiting = Waiting(event, asyncio.get_running_loop().create_future())
        if len(self._queue) >= self._rows or self._queued_bytes + waiting.size > self._bytes:
            raise Full
        self._queue.append(waiting)
        self._queued_bytes += waiting.size
        self._arrived.set()
        return await waiting.stored

    async def _work(self) -> None:
        lane = Lane(self._url)
        try:
            while self._open or self._queue:
                if self._queue:
                    await self._write(lane, self._take(BATCH_ROWS))
                else:
                    self._arrived.clear()
                    await self._arrived.wait()
        finally:
            await lane.close()

    def _take(self, rows: int) -> list[Waiting]:
        taken: list[Waiting] = []
        room = BATCH_BYTES
        while self._queue and len(taken) < rows and (not taken or self._queue[0].size <= room):
            taken.append(self._queue.popleft())
            room -= taken[-1].size
            self._queued_bytes -= taken[-1].size
        return taken

    async def _write(self, lane: "Lane", batch: list[Waiting]) -> None:
        """Store a batch and tell each sender. One refused row fails its own sender alone."""
        try:
            new = await lane.write([waiting.event for waiting in batch])
        except RowRefused as refusal:
            if len(batch) == 1:
                return _fail(batch, refusal)
            half = len(batch) // 2
            await self._write(lane, batch[:half])
            await self._write(lane, batch[half:])
        except (StoreUnavailable, Conflict) as fault:
            _fail(batch, fault)
        except asyncio.CancelledError:
            _fail(batch, StoreUnavailable("closed while it was being written"))
            raise
        else:
            _tell(batch, new)
        return None


class Lane:
    """One connection of the system role and its prepared INSERT; made anew after a loss."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._connection: asyncpg.Connection[Any] | None = None
        self._insert: PreparedStatement[Any] | None = None

    async def write(self, events: Sequence[InboxEvent]) -> set[Key]:
        """Insert what is not known; the keys of what was new, once durable.

        In key order, so that two lanes with the same events in hand never wait for each other.
        """
        if self._connection and self._connection.is_closed():
            self.drop()
        insert = self._insert or await self._connect()
        first = {key_of(event): event for event in reversed(events)}
        rows = [event for _, event in sorted(first.items())]
        try:
            with translated():
                found = await insert.fetch(*plan_of(InboxEvent).arrays(rows), timeout=PATIENCE_S)
        except (StoreUnavailable, asyncio.CancelledError):
            self.drop()
            raise
        return {tuple(row) for row in found}

    def drop(self) -> None:
        """Let the connection go without waiting for the other side."""
        connection, self._connection, self._insert = self._connection, None, None
        if connection:
            connection.terminate()

    async def close(self) -> None:
        """Say goodbye, so that the server logs no lost client."""
        connection = self._connection
        try:
            with translated():
                if connection and not connection.is_closed():
                    await connection.close(timeout=1.0)
        except StoreUnavailable:
            self.drop()

    async def _connect(self) -> "PreparedStatement[Any]":
        try:
            with translated():
                self._connection = await asyncpg.connect(
                    self._url, timeout=PATIENCE_S, server_settings=SETTINGS
                )
                self._insert = await self._connection.prepare(plan_of(InboxEvent).insert)
        except (RowRefused, Conflict) as unprepared:  # no such role or table: not migrated
            self.drop()
            raise StoreUnavailable(str(unprepared)) from unprepared
        except StoreUnavailable:
            self.drop()
            raise
        return self._insert


def _tell(batch: Sequence[Waiting], new: set[Key]) -> None:
    """True for the first of each new key, False for those that were known by then."""
    for event, stored in batch:
        if not stored.done():
            stored.set_result(key_of(event) in new)
            new.discard(key_of(event))


def _fail(batch: Sequence[Waiting], fault: Exception) -> None:
    for _, stored in batch:
        if not stored.done():
            stored.set_exception(type(fault)(*fault.args))  # a traceback each
