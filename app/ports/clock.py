"""Business time."""

from datetime import datetime
from typing import Protocol


class Clock(Protocol):
    def now(self) -> datetime:
        """The business instant, aware UTC. Leases and timeouts never ask it."""
        ...
