"""Bells within one process: a ring wakes one loop, or each of several."""

import asyncio


class Bell:
    """Wakes one loop. Rings that nobody waits for are kept as one."""

    def __init__(self) -> None:
        self._rung = asyncio.Event()

    def ring(self) -> None:
        self._rung.set()

    @property
    def is_rung(self) -> bool:
        """Whether a ring is kept that nobody has heard yet."""
        return self._rung.is_set()

    async def heard(self, within_s: float) -> bool:
        """Return at the next ring (or one since the last call), at the latest in `within_s`; says
        whether it rang."""
        try:
            async with asyncio.timeout(within_s):
                await self._rung.wait()
        except TimeoutError:
            return False
        self._rung.clear()
        return True


class Bells:
    """Bells that ring together, one for each loop: what rings while a loop works is kept for it,
    whoever else has heard it."""

    def __init__(self) -> None:
        self._bells: list[Bell] = []

    def hang(self) -> Bell:
        """One more bell."""
        self._bells.append(Bell())
        return self._bells[-1]

    def ring(self) -> None:
        for bell in self._bells:
            bell.ring()

    @property
    def is_rung(self) -> bool:
        """Whether any loop has a ring to hear yet."""
        return any(bell.is_rung for bell in self._bells)
