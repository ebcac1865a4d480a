"""A Redis that lives and is not well: it loads its data, or is slow to answer."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from tests.faults.between import Connections, abort, between, server_of

LOADING = b"-LOADING Redis is loading the dataset in memory\r\n"
DISCARDED = b"-EXECABORT Transaction discarded because of previous errors.\r\n"
# What a server that loads answers all the same.
ALLOWED = {b"AUTH", b"CLIENT", b"SELECT", b"SUBSCRIBE", b"UNSUBSCRIBE", b"PUBLISH", b"WATCH"}


@dataclass
class Ailing:
    """The way to a Redis: while it `loads` it refuses nearly all, and each answer comes `late_s`
    later. `refused` counts what was; `open` are the connections."""

    server: tuple[str, int]
    loads: bool = False
    late_s: float = 0.0
    refused: int = 0
    open: Connections = field(default_factory=set)

    async def carries(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, until one side ends it."""
        self.open.add(asyncio.current_task())
        ways: list[asyncio.Task[None]] = []
        ends = [writer]
        try:
            there, back = await asyncio.open_connection(*self.server)
            ends.append(back)
            ways += [
                asyncio.create_task(self._asks(reader, back, writer)),
                asyncio.create_task(self._answers(there, writer)),
            ]
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            abort(*ends)
            self.open.discard(asyncio.current_task())

    async def _asks(
        self,
        reader: asyncio.StreamReader,
        back: asyncio.StreamWriter,
        writer: asyncio.StreamWriter,
    ) -> None:
        while True:
            name, raw = await _command(reader)
            if not self.loads or name in ALLOWED:
                back.write(raw)
                continue
            self.refused += 1
            await asyncio.sleep(0.01)  # behind the answers to what was let through before
            writer.write({b"MULTI": b"+OK\r\n", b"EXEC": DISCARDED}.get(name, LOADING))

    async def _answers(self, there: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while said := await there.read(65536):
            await asyncio.sleep(self.late_s)
            writer.write(said)


async def _command(reader: asyncio.StreamReader) -> tuple[bytes, bytes]:
    """The next command: its name, and its bytes as they came."""
    head = await reader.readuntil(b"\r\n")
    parts, words = [head], []
    for _ in range(int(head[1:])):
        size = await reader.readuntil(b"\r\n")
        word = await reader.readexactly(int(size[1:]) + 2)
        parts += [size, word]
        words.append(word[:-2])
    return words[0].upper(), b"".join(parts)


@asynccontextmanager
async def an_ailing(redis_url: str) -> AsyncIterator[tuple[Ailing, str]]:
    """The way, well at first, and the address of the Redis behind it."""
    way = Ailing(server_of(redis_url, 6379))
    async with between(redis_url, way.carries, way.open) as url:
        yield way, url
