"""A wire between a process and PostgreSQL that breaks at a COMMIT, or altogether."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

from tests.faults.between import Connections, abort, between, server_of

COMMIT = b"commit\0"


@dataclass
class Wire:
    """`cuts` says how the next of what has `mark` in it ends: `before` it reaches the server, or
    `after` the server has carried it out and before anybody hears of it; an empty word lets it
    pass. Behind them all goes well. While it is `away` there is no server (`goes_away`)."""

    server: tuple[str, int]
    mark: bytes = COMMIT
    cuts: list[str] = field(default_factory=list)
    broken: int = 0
    away: bool = False
    open: Connections = field(default_factory=set)

    async def goes_away(self, seconds: float) -> None:
        """Cut every connection, and take none for so long."""
        self.away = True
        for task in self.open:
            if task is not None:
                task.cancel()
        await asyncio.sleep(seconds)
        self.away = False

    async def carries(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, until one side ends it or it is cut."""
        if self.away:
            abort(writer)
            return
        self.open.add(asyncio.current_task())
        with suppress(asyncio.CancelledError):  # cut, or at the end of the test
            await self._carries(reader, writer)
        abort(writer)
        self.open.discard(asyncio.current_task())

    async def _carries(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection(*self.server)
        muted = asyncio.Event()
        ways = [
            asyncio.create_task(self._asks(reader, back, muted)),
            asyncio.create_task(_answers(there, writer, muted)),
        ]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            abort(back)
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)

    async def _asks(
        self, reader: asyncio.StreamReader, back: asyncio.StreamWriter, muted: asyncio.Event
    ) -> None:
        while sent := await reader.read(65536):
            cut = self.cuts.pop(0) if self.mark in sent and self.cuts else None
            if cut:
                self.broken += 1
            if cut == "before":
                return
            if cut == "after":
                muted.set()
            back.write(sent)
            await back.drain()


async def _answers(
    there: asyncio.StreamReader, writer: asyncio.StreamWriter, muted: asyncio.Event
) -> None:
    while said := await there.read(65536):
        if muted.is_set():
            return  # it is committed, and the answer is lost
        writer.write(said)
        await writer.drain()


@asynccontextmanager
async def a_wire(database_url: str) -> AsyncIterator[tuple[Wire, str]]:
    """The wire, and the address of the database behind it."""
    wire = Wire(server_of(database_url, 5432))
    async with between(database_url, wire.carries, wire.open) as url:
        yield wire, url
