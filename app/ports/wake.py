"""Wake-ups: best effort, may be lost; the sweep finds what was missed."""

from typing import Protocol


class Wake(Protocol):
    async def now(self) -> None:
        """Tell the workers that there is work. Never raises."""
        ...
