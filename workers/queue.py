"""arq's queue in Redis: it carries claimed batches to whichever worker is free, and may lose them.

The queue knows which batches it still holds for this process, so that what Redis loses is carried
out at the next sweep and not only when its lease has run out.
"""

import asyncio
import secrets
from collections.abc import Sequence
from time import monotonic
from typing import Any

import orjson
from arq.connections import ArqRedis, RedisSettings
from arq.constants import job_key_prefix
from redis.exceptions import RedisError

from workers.shift import Claim, Pace

QUEUE = "holdfast:queue"
# Lost together with everything else in Redis: by its absence we know.
EPOCH = "holdfast:epoch"
TIMEOUT_S = 1.0
PAUSE_S = 2.0
GONE = (RedisError, OSError, TimeoutError)


def dumps(job: dict[str, Any]) -> bytes:
    """JSON: whoever can write to Redis must not be able to run code here (arq's pickle could)."""
    return orjson.dumps(job, default=str)


def redis_settings(url: str) -> RedisSettings:
    """One try to connect; the loops around it have pauses of their own."""
    settings = RedisSettings.from_dsn(url)
    settings.conn_timeout = 1
    settings.conn_retries = 0
    return settings


class Queue:
    """Hands batches to arq. Never raises for Redis, never waits for it longer than a second."""

    def __init__(self, url: str, pace: Pace) -> None:
        self._redis = ArqRedis.from_url(url, socket_connect_timeout=TIMEOUT_S)
        self._redis.job_serializer = dumps
        self._redis.job_deserializer = orjson.loads
        self._redis.default_queue_name = QUEUE
        self._pace = pace
        self._held: dict[str, list[Claim]] = {}
        self._epoch: bytes | None = None
        self._silent_until = 0.0

    @property
    def held(self) -> bool:
        """Whether a batch of ours waits or runs, as far as known."""
        return bool(self._held)

    def claims(self) -> set[Claim]:
        """What these batches consist of."""
        return {claim for batch in self._held.values() for claim in batch}

    @property
    def has_room(self) -> bool:
        """Whether another batch makes sense now: two wait or run for each slot of ours at most."""
        return len(self._held) < 2 * self._pace.jobs

    async def put(self, batch: Sequence[Claim]) -> bool:
        """Enqueue a batch under an id of its own. False: Redis did not take it, as far as known.

        A batch that Redis took although its answer was lost runs twice, which is harmless.
        """
        if monotonic() < self._silent_until:
            return False
        action_id, claim = batch[0]
        job = f"action:{action_id}:{claim}"
        try:
            async with asyncio.timeout(TIMEOUT_S):
                await self._redis.enqueue_job(
                    "carry_out_actions", batch, _job_id=job, _expires=4 * self._pace.lease_s
                )
        except GONE:
            self._silent_until = monotonic() + PAUSE_S
            return False
        self._held[job] = list(batch)
        return True

    async def lost(self) -> list[list[Claim]]:
        """Forget the batches that are through; return those that Redis can no longer carry.

        All that are held are lost when Redis does not answer or has forgotten its epoch: flushed,
        or restarted without its data. Some may be running elsewhere at this moment.
        """
        jobs = list(self._held)
        try:
            async with asyncio.timeout(TIMEOUT_S):
                forgotten = await self._forgotten()
                async with self._redis.pipeline(transaction=False) as pipe:
                    for job in jobs:
                        pipe.exists(job_key_prefix + job)
                    there = await pipe.execute() if jobs else []
        except GONE:
            forgotten, there = True, [1] * len(jobs)
            self._silent_until = monotonic() + PAUSE_S
        held = {job: self._held.pop(job) for job in jobs}
        if forgotten:
            return list(held.values())
        self._held |= {job: held[job] for job, found in zip(jobs, there, strict=True) if found}
        return []

    async def _forgotten(self) -> bool:
        mine = self._epoch
        if mine is not None and await self._redis.get(EPOCH) == mine:
            return False
        await self._redis.set(EPOCH, secrets.token_hex(8), nx=True)
        self._epoch = await self._redis.get(EPOCH)
        return mine is not None

    async def close(self) -> None:
        """Close the connection; harmless when it is broken."""
        try:
            await self._redis.aclose()
        except GONE:
            return
