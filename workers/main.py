"""The worker process: loops that look for work, beside arq that carries it."""

import asyncio
import gc
import logging
import os
import signal
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from dataclasses import replace

import structlog
import uvloop

from app.wake import REST, Bell, RedisWake, listen
from app.wiring import Settings, build_world, configure_logging, load_settings
from workers.carrying import Carrier
from workers.dispatching import Dispatcher
from workers.executing import execute
from workers.inbox import LANES, Inbox
from workers.queue import Queue
from workers.rest import Rest
from workers.shift import Pace, Shift, outcome

PAUSE_AFTER_ERROR_S = 1.0
REST_GATHER_S = 0.001
# Where a Redis is expected when none is named. Without any, the worker does all by itself.
USUAL_REDIS = "redis://127.0.0.1:6379/0"

log = structlog.get_logger("workers")


async def work(shift: Shift) -> None:
    """Work until the shift ends, and finish the running steps. Needs the database, not Redis."""
    queue = Queue(shift.redis_url, shift.pace)
    carrier = Carrier(shift.world, at_once=shift.pace.at_once)
    dispatcher = Dispatcher(shift, queue, carrier)
    inbox = Inbox(shift)
    ears = asyncio.create_task(_hear(shift), name="wake")
    try:
        async with asyncio.TaskGroup() as loops:
            for _ in range(LANES):
                loops.create_task(keep(shift, "inbox", shift.inbox_bell, inbox.step))
            loops.create_task(keep(shift, "due", shift.due_bell, dispatcher.step))
            loops.create_task(execute(shift, carrier))
        await dispatcher.finish()
    finally:
        ears.cancel()
        await asyncio.gather(ears, return_exceptions=True)
        await queue.close()


async def keep(shift: Shift, name: str, bell: Bell, step: Callable[[], Awaitable[bool]]) -> None:
    """Repeat a step until the shift ends: at once while it says that there is more, else at the
    next ring, and without one at the next sweep. An error is logged and costs a pause."""
    me = object()
    while not shift.stopping.is_set():
        shift.rest.begins(me)
        more = await outcome(step())
        if isinstance(more, Exception):
            log.error("step_failed", worker=name, exc_info=more)
            await shift.stopped(PAUSE_AFTER_ERROR_S)
        elif not more:
            await shift.rest.ends(me)
            await bell.heard(shift.pace.sweep_s)


async def _hear(shift: Shift) -> None:
    async with aclosing(listen(shift.redis_url)) as wakes:
        async for _ in wakes:
            shift.ring()


def pace_of(settings: Settings) -> Pace:
    """The pace that the settings ask for. With a stepped clock nobody waits for real time: the
    demo's driver waits for us."""
    pace = Pace(lease_s=settings.lease_s, sweep_s=settings.sweep_s, at_once=settings.worker_slots)
    if settings.clock_file is None:
        return pace
    return replace(pace, sweep_s=min(pace.sweep_s, 0.25), poll_s=0.01)


async def run(settings: Settings) -> None:
    """One worker from its start until SIGTERM or SIGINT; then at most the grace is waited."""
    async with build_world(settings) as world:
        redis_url = settings.redis_url or USUAL_REDIS
        stepped = settings.clock_file is not None
        rest = RedisWake(redis_url, channel=REST, gather_s=REST_GATHER_S) if stepped else None
        shift = Shift(world=world, redis_url=redis_url, pace=pace_of(settings), rest=Rest(rest))
        loop = asyncio.get_running_loop()
        for signum in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(signum, shift.stop)
        log.info("worker_started", pid=os.getpid())
        await work(shift)
        if rest is not None:
            await rest.close()
        log.info("worker_stopped", pid=os.getpid())


def collect_seldom() -> None:
    """Let Python look for cycles every 50,000 objects instead of every 700: a batch makes many
    and keeps none, and looking took an eighth of its time."""
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)


def main() -> None:
    """The process `python -m workers`."""
    collect_seldom()
    settings = load_settings()
    configure_logging(level=settings.log_level, form=settings.log_format)
    logging.getLogger("arq").setLevel(logging.WARNING)  # it tells each job twice
    uvloop.run(run(settings))
