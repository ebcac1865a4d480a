"""arq's worker, kept running: it ends whenever its Redis does."""

import asyncio
import os
import socket
from contextlib import suppress
from datetime import UTC
from time import monotonic
from typing import Any

import orjson
import structlog
from arq.worker import Worker

from app.wake import Bell
from workers.carrying import Carrier
from workers.jobs import crons, functions
from workers.queue import GONE, QUEUE, Queue, arq_redis, dumps
from workers.shift import Shift, outcome

FIRST_PAUSE_S = 0.5
LONGEST_PAUSE_S = 5.0
HEARTBEAT_S = 10
# What is being picked at the end is waited for: three answers of a Redis that is slow, not one
# that hangs.
PICKED_WITHIN_S = 3.0
CLOSED_WITHIN_S = 1.0
# arq asks and never blocks: an answer that takes longer than any slow Redis is none.
SILENT_S = 5.0

log = structlog.get_logger("workers")


class PromptWorker(Worker):
    """arq's worker, looking at its queue when this process has put something there, and else
    every `poll_s`: a batch is picked up at once, and rest costs few questions to Redis."""

    def __init__(self, *arguments: Any, bell: Bell, poll_s: float, **settings: Any) -> None:
        super().__init__(*arguments, poll_delay=0, **settings)
        self._bell, self._poll_s = bell, poll_s
        self._picking = asyncio.Lock()

    async def _poll_iteration(self) -> None:
        await self._bell.heard(self._poll_s)
        await super()._poll_iteration()

    async def start_jobs(self, job_ids: list[bytes]) -> None:
        """One after the other, so that an end that is asked for meanwhile comes between two."""
        for job_id in job_ids:
            async with self._picking:
                if not self.allow_pick_jobs or self.job_counter >= self.max_jobs:
                    return
                await super().start_jobs([job_id])

    async def finish(self, shift: Shift) -> None:
        """Pick no more, and wait within the grace for what was picked. A job that Redis has given
        away but not yet confirmed counts: cut off there, its batch would wait for the lease."""
        self.allow_pick_jobs = False
        with suppress(TimeoutError):
            async with asyncio.timeout(PICKED_WITHIN_S), self._picking:
                pass
        tasks: set[asyncio.Task[Any]] = set(self.tasks.values())
        if tasks:
            await asyncio.wait(tasks, timeout=shift.grace_left_s)

    async def let_go(self, running: asyncio.Task[None]) -> None:
        """End the loop and its jobs, which only wait for what is carried out here, and close the
        connections: within a moment, whatever state Redis is in. arq's own `close` deletes a key
        before it lets them go, which a replica refuses, and raises where a job was cut off."""
        tasks = {running, *self.tasks.values()}
        for task in tasks:
            task.cancel()
        ended, _ = await asyncio.wait(tasks, timeout=CLOSED_WITHIN_S)
        for task in ended:
            task.cancelled() or task.exception()  # all of it was told where it happened
        with suppress(*GONE):
            async with asyncio.timeout(CLOSED_WITHIN_S):
                await self.pool.delete(self.health_check_key)
        with suppress(*GONE):
            async with asyncio.timeout(CLOSED_WITHIN_S):
                await self.pool.aclose(close_connection_pool=True)


def arq_worker(shift: Shift, queue: Queue, carrier: Carrier) -> PromptWorker:
    """A worker as we use arq: ids only, JSON, no results, no retries, one health key each.

    `queue_read_limit`: running jobs stay in the queue, and every worker reads only its head, so
    the limit must exceed twice the slots of the whole fleet.
    """
    pace = shift.pace
    name = f"{socket.gethostname()}:{os.getpid()}"
    return PromptWorker(
        functions(pace),
        bell=shift.queue_bell,
        poll_s=pace.poll_s,
        cron_jobs=crons(),
        queue_name=QUEUE,
        redis_pool=arq_redis(shift.redis_url, silent_s=SILENT_S),
        ctx={"shift": shift, "queue": queue, "carrier": carrier},
        handle_signals=False,
        max_jobs=pace.jobs,
        queue_read_limit=max(1000, 4 * pace.jobs),
        job_timeout=pace.job_timeout_s,
        keep_result=0,
        max_tries=1,
        retry_jobs=False,
        health_check_interval=HEARTBEAT_S,
        health_check_key=f"holdfast:worker:{name}",
        job_serializer=dumps,
        job_deserializer=orjson.loads,
        timezone=UTC,
        log_results=False,
    )


async def execute(shift: Shift, queue: Queue, carrier: Carrier) -> None:
    """Run arq's worker until the shift ends, anew after each loss of Redis."""
    pause = FIRST_PAUSE_S
    while not shift.stopping.is_set():
        began = monotonic()
        fault = await outcome(_turn(shift, arq_worker(shift, queue, carrier)))
        if fault is not None:
            log.warning("arq_fell", error=repr(fault))
        steady = monotonic() - began > LONGEST_PAUSE_S
        pause = FIRST_PAUSE_S if steady else min(2 * pause, LONGEST_PAUSE_S)
        await shift.stopped(pause)


async def _turn(shift: Shift, worker: PromptWorker) -> None:
    """From one connection to Redis until it is lost, which raises, or the shift ends."""
    running = asyncio.create_task(worker.async_run(), name="arq")
    stop = asyncio.create_task(shift.stopping.wait())
    try:
        await asyncio.wait({running, stop}, return_when=asyncio.FIRST_COMPLETED)
        if shift.stopping.is_set():
            await worker.finish(shift)
        if running.done():
            await running
    finally:
        stop.cancel()
        await worker.let_go(running)
