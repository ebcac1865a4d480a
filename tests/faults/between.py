"""A port of ours between a process and a server, whose connections the tests carry themselves."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from urllib.parse import urlsplit, urlunsplit

Connections = set["asyncio.Task[None] | None"]
Carries = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def server_of(url: str, port: int) -> tuple[str, int]:
    """Where the server behind an address listens: at `port` where that names none."""
    parts = urlsplit(url)
    return parts.hostname or "127.0.0.1", parts.port or port


def abort(*ends: asyncio.StreamWriter) -> None:
    """End both sides at once: a polite end may wait for a peer that was killed."""
    for end in ends:
        end.transport.abort()


@asynccontextmanager
async def between(url: str, carries: Carries, connections: Connections) -> AsyncIterator[str]:
    """The address that leads by way of `carries`; all `connections` are gone afterwards."""
    server = await asyncio.start_server(carries, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    parts = urlsplit(url)
    login, at, _ = parts.netloc.rpartition("@")
    try:
        yield urlunsplit(parts._replace(netloc=f"{login}{at}127.0.0.1:{port}"))
    finally:
        server.close()
        left = [task for task in connections if task is not None]
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)
        await asyncio.sleep(0.1)  # an end is only told of in the loop's next rounds
