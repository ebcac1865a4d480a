"""The worker process: loops that look for work, beside arq that carries it."""

import asyncio
import logging
import os
import signal
import sys
from collections.abc import Awaitable, Callable
from dataclasses import replace

import structlog
import uvloop

from app.collecting import collect_seldom
from app.services.nights import begin_nights_everywhere
from app.services.reconciling import begin_everywhere
from app.wake import REST, RedisWake
from app.wiring import Settings, build_rollups, build_world, configure_logging, load_settings
from workers.alerts import tell
from workers.carrying import Carrier
from workers.dispatching import Dispatcher
from workers.drains import WORD, be_drain, keep_drain
from workers.executing import execute
from workers.exports import export
from workers.inbox import drain_shift
from workers.invariants import plan_rounds
from workers.loops import hear, keep
from workers.queue import Queue
from workers.rest import Rest
from workers.rollups import fold
from workers.shift import Pace, Shift, outcome

REST_GATHER_S = 0.001
# Where a Redis is expected when none is named. Without any, the worker does all by itself.
USUAL_REDIS = "redis://127.0.0.1:6379/0"
# What one database feeds; more cores than these are better used by further workers.
MOST_DRAINS = 4

log = structlog.get_logger("workers")


async def work(shift: Shift) -> None:
    """Work until the shift ends, and finish the running steps. Needs the database, not Redis."""
    queue = Queue(shift.redis_url, shift.pace)
    carrier = Carrier(shift.world, at_once=shift.pace.at_once, lease_s=shift.pace.lease_s)
    dispatcher = Dispatcher(shift, queue, carrier)
    ears = asyncio.create_task(hear(shift), name="wake")
    # on a stepped clock the driver would step through every round and night, and every five minutes
    for begin in () if shift.is_stepped else (begin_everywhere, begin_nights_everywhere):
        fault = await outcome(begin(shift.world))
        if fault is not None:
            log.warning("reconciling_not_begun", fault=type(fault).__name__)
    try:
        settings = load_settings()
        async with build_rollups(settings) as rollups, asyncio.TaskGroup() as loops:
            loops.create_task(drain_shift(shift))
            for _ in range(1, shift.pace.drains):
                loops.create_task(keep_drain(shift))
            loops.create_task(keep(shift, "due", shift.due_bell, dispatcher.step))
            loops.create_task(execute(shift, queue, carrier))
            loops.create_task(stop_with(shift, carrier))
            loops.create_task(tell(shift))
            loops.create_task(fold(shift, rollups))
            loops.create_task(export(shift, settings))
            if not shift.is_stepped:
                loops.create_task(plan_rounds(shift))
        await carrier.finish(shift.grace_left_s)
    finally:
        ears.cancel()
        await asyncio.gather(ears, return_exceptions=True)
        await queue.close()


async def stop_with(shift: Shift, carrier: Carrier) -> None:
    """Let nothing more begin once the shift is stopping."""
    await shift.stopping.wait()
    await carrier.stop()


def pace_of(settings: Settings) -> Pace:
    """The pace that the settings ask for. With a stepped clock nobody waits for real time: the
    demo's driver waits for us."""
    pace = Pace(
        lease_s=settings.lease_s,
        sweep_s=settings.sweep_s,
        at_once=settings.worker_slots,
        drains=drains_of(settings),
    )
    if settings.clock_file is None:
        return pace
    return replace(pace, sweep_s=min(pace.sweep_s, 1.0), lanes=1)


def drains_of(settings: Settings) -> int:
    """Processes that drain: as set, else one for each core up to a few, and one on a stepped
    clock, where there is never much to do at once."""
    if settings.drains:
        return settings.drains
    return min(os.cpu_count() or 1, MOST_DRAINS) if settings.clock_file is None else 1


async def run(settings: Settings, work: Callable[[Shift], Awaitable[None]]) -> None:
    """One process from its start until SIGTERM or SIGINT; then at most the grace is waited."""
    async with build_world(settings) as world:
        redis_url = settings.redis_url or USUAL_REDIS
        stepped = settings.clock_file is not None
        rest = RedisWake(redis_url, channel=REST, gather_s=REST_GATHER_S) if stepped else None
        shift = Shift(
            world=world,
            redis_url=redis_url,
            pace=pace_of(settings),
            rest=Rest(rest),
            is_stepped=stepped,
        )
        loop = asyncio.get_running_loop()
        for signum in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(signum, shift.stop)
        log.info("worker_started", pid=os.getpid())
        await work(shift)
        if rest is not None:
            await rest.close()
        log.info("worker_stopped", pid=os.getpid())


def main() -> None:
    """The process `python -m workers`, or with `drain` behind it a further drain of one."""
    collect_seldom()
    settings = load_settings()
    configure_logging(level=settings.log_level, form=settings.log_format)
    logging.getLogger("arq").setLevel(logging.WARNING)  # it tells each job twice
    uvloop.run(run(settings, be_drain if sys.argv[1:] == [WORD] else work))
