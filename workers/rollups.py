"""A worker's folding of what ledgers gained into rollups, and keeping of what is over."""

import structlog

from app.ports.rollups import Rollups
from app.services.rollups import fold_due, keep_due
from workers.shift import Shift, outcome

# What is younger is added to a figure line by line.
EVERY_S = 30.0

log = structlog.get_logger("workers")


async def fold(shift: Shift, rollups: Rollups) -> None:
    """Fold and keep until the shift ends. What goes wrong is logged and tried again."""
    while not shift.stopping.is_set():
        ways = [
            await outcome(each(shift.world, rollups, is_over=shift.stopping.is_set))
            for each in (fold_due, keep_due)
        ]
        for more in ways:
            if isinstance(more, Exception):
                log.error("rollups_failed", exc_info=more)
        if True not in ways:
            await shift.stopped(EVERY_S)
