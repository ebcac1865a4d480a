"""Hearing that there is work."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager

from redis.asyncio import Redis
from redis.asyncio.client import PubSub
from redis.exceptions import RedisError

from app.wake.bells import Bell
from app.wake.publishing import CHANNEL, FIRST_PAUSE_S, LONGEST_PAUSE_S

CONNECT_TIMEOUT_S = 1.0
# A line that carried nothing for so long is asked whether it still stands.
SILENCE_S = 5.0


async def listen(url: str, channel: str = CHANNEL) -> AsyncGenerator[None, None]:
    """Yield once for each wake-up, and once after each (re)connection, for what was missed.

    Lives through any loss of Redis: it comes back after a pause of 0.25 s, doubling to 5 s.
    Raises nothing; ends only when it is closed.
    """
    pause = FIRST_PAUSE_S
    while True:
        try:
            async with _Line(url) as line:
                await line.subscribe(channel)
                pause = FIRST_PAUSE_S
                while True:
                    if await _heard(line):
                        yield
        except (RedisError, OSError, TimeoutError):
            await asyncio.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE_S)


async def _heard(line: PubSub) -> bool:
    message = await line.get_message(timeout=SILENCE_S)
    if message is None:
        # a dead peer swallows this; the connection's own timeout then ends the line
        await line.ping()
        message = await line.get_message(timeout=SILENCE_S)
        if message is None:
            raise TimeoutError("Redis does not answer")
    return message["type"] in ("subscribe", "message")


@asynccontextmanager
async def ringing(url: str, channel: str = CHANNEL) -> AsyncIterator[Bell]:
    """A bell that rings with every message of a channel, for as long as the block lasts."""
    bell = Bell()

    async def hear() -> None:
        async with aclosing(listen(url, channel)) as messages:
            async for _ in messages:
                bell.ring()

    ears = asyncio.create_task(hear(), name=channel)
    try:
        yield bell
    finally:
        ears.cancel()
        await asyncio.gather(ears, return_exceptions=True)


class _Line:
    """A subscription with a client of its own; both are closed whatever state they are in."""

    def __init__(self, url: str) -> None:
        self._client = Redis.from_url(url, socket_connect_timeout=CONNECT_TIMEOUT_S)
        self._line: PubSub = self._client.pubsub()

    async def __aenter__(self) -> PubSub:
        return self._line

    async def __aexit__(self, *_: object) -> None:
        for end in (self._line.aclose, self._client.aclose):
            try:
                await end()
            except (RedisError, OSError):
                continue  # a broken line cannot be closed politely
