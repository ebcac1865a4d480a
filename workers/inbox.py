"""Draining the inbox at the pace that this machine and this database bear."""

import asyncio

from app.ports.store import StoreUnavailable
from app.services import intake
from workers.loops import keep
from workers.shift import Shift

LARGEST_BATCH = 500
SMALLEST_BATCH = 25


class Inbox:
    """Drains in batches that fit the store's time limit.

    A transaction that takes too long is refused as a whole. Where the database is slow, the same
    large batch would be refused for ever; so after a refusal the batch is halved, and it grows
    again with each success. Any number of loops may step at the same time.
    """

    def __init__(self, shift: Shift) -> None:
        self._shift = shift
        self.batch = LARGEST_BATCH

    async def step(self) -> bool:
        """Absorb one batch. True: there may be more that no bell tells of. Raises
        `StoreUnavailable`."""
        limit = self.batch
        try:
            handled = await intake.drain(self._shift.world, limit=limit)
        except StoreUnavailable:
            self.batch = max(limit // 2, SMALLEST_BATCH)
            raise
        self.batch = min(2 * limit, LARGEST_BATCH)
        if handled:
            self._shift.due_bell.ring()  # what came in may be due at once
        if handled >= limit:
            self._shift.inbox_bells.ring()  # there may be enough for one more
        return handled >= limit


async def drain_shift(shift: Shift) -> None:
    """Drain until the shift ends, and finish the running batches. Each lane has a bell of its own:
    what comes while it works is not told to the others alone, who may not take its shares."""
    inbox = Inbox(shift)
    async with asyncio.TaskGroup() as lanes:
        for _ in range(shift.pace.lanes):
            lanes.create_task(keep(shift, "inbox", shift.inbox_bells.hang(), inbox.step))
