"""Rollups: kept beside the ledgers, behind them by a minute at most, never wrong."""

from datetime import datetime
from typing import Protocol


class Rollups(Protocol):
    """Raises `StoreUnavailable`."""

    async def fold(self, merchant_id: str, *, until: datetime) -> bool:
        """Add the next stretch of what was recorded by `until`, some ten thousand lines, in one
        transaction. `until` must be settled: nothing may be recorded any more at or
        before it.

        Whether there is more to fold. May be repeated and done by several at once: only one of
        them works, and each line is added once.
        """
        ...

    async def rebuild(self, merchant_id: str, *, until: datetime) -> None:
        """Drop a merchant's rollups and add up anew all that was recorded by `until`, in one
        transaction: until it ends figures are read from what was there before."""
        ...

    async def keep(self, merchant_id: str) -> bool:
        """Keep what is asked of one whole period that is over, as it was known when the last day
        was that is folded. Whether there may be more. Safe to repeat, as `fold`."""
        ...
