"""arq's queue in Redis: it carries claimed batches to whichever worker is free, and may lose them.

The queue knows which batches it still holds for this process, so that what Redis loses is carried
out at the next sweep and not only when its lease has run out.
"""

import asyncio
import secrets
from collections.abc import Sequence
from time import monotonic
from typing import Any, cast

import orjson
from arq.connections import ArqRedis
from arq.constants import job_key_prefix
from arq.jobs import serialize_job
from arq.utils import timestamp_ms
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


def arq_redis(url: str, *, silent_s: float) -> ArqRedis:
    """A client as we use arq: one try to connect, since the loops around it have pauses of their
    own, and no answer is waited for longer than `silent_s`. The system would take a quarter of an
    hour to find out that nobody is there."""
    redis = ArqRedis.from_url(url, socket_connect_timeout=TIMEOUT_S, socket_timeout=silent_s)
    redis.job_serializer = dumps
    redis.job_deserializer = orjson.loads
    redis.default_queue_name = QUEUE
    return cast("ArqRedis", redis)


class Queue:
    """Hands batches to arq. Never raises for Redis, never waits for it longer than a second."""

    def __init__(self, url: str, pace: Pace) -> None:
        self._redis = arq_redis(url, silent_s=TIMEOUT_S)
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
        if not self._held and await self._begin() is None:
            return False
        action_id, claim = batch[0]
        job = f"action:{action_id}:{claim}"
        self._held[job] = list(batch)  # at once: it may be through before Redis has answered us
        try:
            async with asyncio.timeout(TIMEOUT_S):
                await self._enqueue(job, batch)
        except GONE:
            self._silent_until = monotonic() + PAUSE_S
            self._held.pop(job, None)
            return False
        return True

    async def _enqueue(self, job: str, batch: Sequence[Claim]) -> None:
        """As arq does, but without a look whether the job is there, which for the id of a claim it
        is not: a WATCH that is cut off asks a Redis that has fallen silent once more."""
        now = timestamp_ms()
        body = serialize_job("carry_out_actions", (batch,), {}, None, now, serializer=dumps)
        async with self._redis.pipeline(transaction=True) as pipe:
            pipe.psetex(job_key_prefix + job, int(4 * self._pace.lease_s * 1000), body)
            pipe.zadd(QUEUE, {job: now})
            await pipe.execute()

    def through(self, job: str) -> None:
        """This process has carried the job out: if it is one of ours, it is held no more."""
        self._held.pop(job, None)

    async def lost(self) -> list[list[Claim]]:
        """Forget the batches that are through; return those that Redis can no longer carry.

        All that are held are lost when Redis does not answer, takes no writes (a replica: no worker
        can begin a job), or has another epoch than when they were put: flushed, or restarted
        without its data. Some may be running elsewhere at this moment. Where nothing is held,
        nothing is asked.
        """
        jobs = list(self._held)
        if not jobs:
            return []
        try:
            async with asyncio.timeout(TIMEOUT_S):
                async with self._redis.pipeline(transaction=False) as pipe:
                    pipe.set(EPOCH, secrets.token_hex(8), nx=True)  # a replica refuses this
                    pipe.get(EPOCH)
                    for job in jobs:
                        pipe.exists(job_key_prefix + job)
                    _, epoch, *there = await pipe.execute()
        except GONE:
            epoch, there = None, [1] * len(jobs)
            self._silent_until = monotonic() + PAUSE_S
        held = {job: self._held.pop(job) for job in jobs if job in self._held}
        if epoch is None or epoch != self._epoch:
            return list(held.values())
        left = {job for job, found in zip(jobs, there, strict=True) if found}
        self._held |= {job: batch for job, batch in held.items() if job in left}
        return []

    async def _begin(self) -> bytes | None:
        """The epoch in which the next batches are put, made where there is none; None where Redis
        does not answer."""
        try:
            async with asyncio.timeout(TIMEOUT_S):
                async with self._redis.pipeline(transaction=False) as pipe:
                    pipe.set(EPOCH, secrets.token_hex(8), nx=True)
                    pipe.get(EPOCH)
                    _, self._epoch = await pipe.execute()
        except GONE:
            self._epoch = None
        if self._epoch is None:
            self._silent_until = monotonic() + PAUSE_S
        return self._epoch

    async def close(self) -> None:
        """Close the connection; harmless when it is broken."""
        try:
            await self._redis.aclose()
        except GONE:
            return
