"""Asking the rows of a merchant whether an invariant holds."""

from datetime import datetime
from typing import Protocol

from app.domain.invariants import Finding, Invariant


class Invariants(Protocol):
    """Raises `StoreUnavailable` where the database cannot be asked at all."""

    async def ask(self, merchant_id: str, invariant: Invariant, *, now: datetime) -> Finding:
        """Whether it holds at `now` (aware UTC), in one short reading transaction of its own.

        A question that takes longer than its time is answered with a `count` of None.
        """
        ...
