"""Whether this machine's clock says what the database's does: with a wrong time nobody works."""

from collections.abc import Callable
from datetime import datetime
from time import monotonic

# What the machines of a deployment may differ by: nothing is done earlier than this.
APART_S = 60.0
AGAIN_S = 60.0
STEP_S = 1.0
ASK = "select extract(epoch from $1::timestamptz - clock_timestamp())::float8"


class Agreement:
    """What one process knows of its clock.

    It is asked about again every minute, and at once where it does not go with the machine's
    `steady` one: then somebody has set it, or the machine has slept.
    """

    def __init__(self, steady: Callable[[], float] = monotonic) -> None:
        self._steady, self._lead, self._until = steady, 0.0, float("-inf")

    def holds(self, now: datetime) -> bool:
        """Whether this instant needs no question."""
        steady = self._steady()
        return steady < self._until and abs(now.timestamp() - steady - self._lead) < STEP_S

    def learns(self, now: datetime, apart_s: float) -> str | None:
        """Keep what the database said; why nothing may be done, where it is too far away."""
        if abs(apart_s) <= APART_S:
            steady = self._steady()
            self._lead, self._until = now.timestamp() - steady, steady + AGAIN_S
            return None
        side = "ahead of" if apart_s > 0 else "behind"
        return f"this machine's clock is {abs(apart_s):.0f} s {side} the database's: set it right"
