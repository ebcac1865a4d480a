"""A worker's care that every merchant's rows are asked whether all holds that must."""

import structlog

from app.services.invariants import plan_everywhere
from workers.shift import Shift, outcome

# So much later at most are the rows of a new merchant asked for the first time.
EVERY_S = 300.0

log = structlog.get_logger("workers")


async def plan_rounds(shift: Shift) -> None:
    """Plan what is missing, until the shift ends."""
    while not shift.stopping.is_set():
        fault = await outcome(plan_everywhere(shift.world))
        if isinstance(fault, Exception):
            log.warning("invariants_not_planned", fault=type(fault).__name__)
        await shift.stopped(EVERY_S)
