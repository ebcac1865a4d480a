"""A worker's look at alerts nobody was told of."""

import structlog

from app.services.telling import tell_alerts
from workers.shift import Shift, outcome

EVERY_S = 30.0

log = structlog.get_logger("workers")


async def tell(shift: Shift) -> None:
    """Tell of alerts until the shift ends. What goes wrong is logged and looked at again."""
    while not shift.stopping.is_set():
        told = await outcome(tell_alerts(shift.world))
        if isinstance(told, Exception):
            log.error("alerts_failed", exc_info=told)
        await shift.stopped(EVERY_S)
