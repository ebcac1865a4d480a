"""Draining the inbox at the pace that this machine and this database bear."""

import asyncio

from app.ports.store import StoreUnavailable
from app.services import intake
from workers.shift import Shift

LARGEST_BATCH = 500
SMALLEST_BATCH = 25
LANES = 2


class Inbox:
    """Drains in batches that fit the store's time limit.

    A transaction that takes too long is refused as a whole. Where the database is slow, the same
    large batch would be refused for ever; so after a refusal the batch is halved, and it grows
    again with each success.

    `LANES` loops may step at the same time: one translates while another waits for the database.
    """

    def __init__(self, shift: Shift) -> None:
        self._shift, self._turn = shift, asyncio.Lock()
        self.batch = LARGEST_BATCH

    async def step(self) -> bool:
        """Absorb one batch. True: there may be more. Raises `StoreUnavailable`."""
        try:
            handled = await intake.drain(self._shift.world, limit=self.batch, turn=self._turn)
        except StoreUnavailable:
            self.batch = max(self.batch // 2, SMALLEST_BATCH)
            raise
        self.batch = min(2 * self.batch, LARGEST_BATCH)
        if handled:
            self._shift.due_bell.ring()  # what came in may be due at once
        return handled > 0
