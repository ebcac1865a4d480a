"""A worker's folding of what ledgers gained into rollups."""

import structlog

from app.ports.rollups import Rollups
from app.services.rollups import fold_due
from workers.shift import Shift, outcome

# What is younger is added to a figure line by line.
EVERY_S = 30.0

log = structlog.get_logger("workers")


async def fold(shift: Shift, rollups: Rollups) -> None:
    """Fold until the shift ends. What goes wrong is logged and tried again."""
    while not shift.stopping.is_set():
        more = await outcome(fold_due(shift.world, rollups))
        if isinstance(more, Exception):
            log.error("rollups_failed", exc_info=more)
        if more is not True:
            await shift.stopped(EVERY_S)
