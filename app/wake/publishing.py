"""Saying that there is work."""

import asyncio
from asyncio import Task
from time import monotonic

from redis.asyncio import Redis
from redis.exceptions import RedisError

CHANNEL = "holdfast:wake"
# The other way: a worker has found nothing more to do. Only whoever steps the clock wants to know.
REST = "holdfast:rest"
# A wake-up that is not out by then is worth less than the answer it could hold up.
TIMEOUT_S = 0.5
# Under load one wake-up stands for all that follow within this time: a worker drains until
# nothing is left, so fifty a second per process are as good as three thousand.
GATHER_S = 0.02
FIRST_PAUSE_S = 0.25
LONGEST_PAUSE_S = 5.0


class RedisWake:
    """Implements `ports.wake.Wake`.

    `now` only leaves a mark; a task of its own publishes. So a slow or dead Redis never delays
    the caller, and while it is dead it is asked at most once per pause (0.25 s, doubling to 5 s).
    What is not published is found by the workers' sweep.
    """

    def __init__(self, url: str, *, channel: str = CHANNEL, gather_s: float = GATHER_S) -> None:
        self._channel, self._gather_s = channel, gather_s
        self._redis = Redis.from_url(
            url, socket_timeout=TIMEOUT_S, socket_connect_timeout=TIMEOUT_S, max_connections=1
        )
        self._wanted = False
        self._sender: Task[None] | None = None
        self._silent_until = 0.0
        self._pause = FIRST_PAUSE_S

    async def now(self) -> None:
        """Tell the workers that there is work, soon. Never raises, never waits."""
        if monotonic() < self._silent_until:
            return
        self._wanted = True
        if self._sender is None or self._sender.done():
            self._sender = asyncio.create_task(self._send(), name="wake")

    async def close(self) -> None:
        """Let the last wake-up out (at most the timeout) and close the connection. Repeatable."""
        if self._sender is not None:
            await asyncio.wait({self._sender}, timeout=2 * TIMEOUT_S)
            self._sender.cancel()
        try:
            await self._redis.aclose()
        except (RedisError, OSError):
            return  # it is gone already

    async def _send(self) -> None:
        while self._wanted:
            self._wanted = False
            try:
                async with asyncio.timeout(TIMEOUT_S):
                    await self._redis.publish(self._channel, b"1")
            except (RedisError, OSError, TimeoutError):
                self._silent_until = monotonic() + self._pause
                self._pause = min(2 * self._pause, LONGEST_PAUSE_S)
                return
            self._pause = FIRST_PAUSE_S
            await asyncio.sleep(self._gather_s)
