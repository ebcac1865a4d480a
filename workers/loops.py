"""The loops of a worker process: one step after another, and the ear for wake-ups."""

from collections.abc import Awaitable, Callable
from contextlib import aclosing

import structlog

from app.wake import Bell, listen
from workers.shift import Shift, outcome

PAUSE_AFTER_ERROR_S = 1.0

log = structlog.get_logger("workers")


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
            if shift.is_rung:
                shift.rest.leaves(me)
            else:
                await shift.rest.ends(me)
            await bell.heard(shift.pace.sweep_s)


async def hear(shift: Shift) -> None:
    """Let every loop look for work whenever a wake-up comes; until cancelled."""
    async with aclosing(listen(shift.redis_url)) as wakes:
        async for _ in wakes:
            shift.ring()
