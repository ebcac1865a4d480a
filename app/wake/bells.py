"""A bell within one process: rings wake one loop."""

import asyncio


class Bell:
    """Wakes one loop. Rings that nobody waits for are kept as one."""

    def __init__(self) -> None:
        self._rung = asyncio.Event()

    def ring(self) -> None:
        self._rung.set()

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
