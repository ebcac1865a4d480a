"""What the loops of one worker process share."""

import asyncio
from collections.abc import Awaitable
from dataclasses import dataclass, field
from typing import TypeVar

from app.ports.world import World
from app.wake import Bell, Bells
from workers.rest import Rest

T = TypeVar("T")
# An action as a job names it: its id, and the claim that gives the right to carry it out.
Claim = tuple[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How fast and how wide one worker works. Times are seconds of real time.

    `lease_s` is how long a claim keeps others away; a job is given three quarters of it, so that
    it is over before its rows may be claimed again. arq looks for what other workers left every
    `poll_s`, for one question to Redis. `jobs` batches of at most `batch` actions run at a time;
    `at_once` customers are worked at a time, over all of them. `drains` processes drain the inbox,
    this one included, each in `lanes` loops: while one waits for the database, the other computes.
    """

    lease_s: float = 60.0
    sweep_s: float = 5.0
    poll_s: float = 0.25
    grace_s: float = 20.0
    batch: int = 50
    jobs: int = 8
    at_once: int = 48
    drains: int = 1
    lanes: int = 2

    @property
    def job_timeout_s(self) -> float:
        return 0.75 * self.lease_s


@dataclass(frozen=True, slots=True, kw_only=True)
class Shift:
    """One worker process at work, from its start until `stopping` is set.

    `rest` knows who is at work; `is_stepped` says that the clock is stepped from outside.
    """

    world: World
    redis_url: str
    pace: Pace = Pace()
    rest: Rest = field(default_factory=Rest)
    is_stepped: bool = False
    inbox_bells: Bells = field(default_factory=Bells)
    due_bell: Bell = field(default_factory=Bell)
    queue_bell: Bell = field(default_factory=Bell)
    stopping: asyncio.Event = field(default_factory=asyncio.Event)

    def ring(self) -> None:
        """Let every loop look for work."""
        self.inbox_bells.ring()
        self.due_bell.ring()

    @property
    def is_rung(self) -> bool:
        """Whether a loop is about to look for work."""
        return self.inbox_bells.is_rung or self.due_bell.is_rung

    def stop(self) -> None:
        """Finish the running steps and end. Repeatable."""
        self.stopping.set()
        self.ring()

    async def stopped(self, within_s: float) -> bool:
        """Wait at most `within_s` for `stop`; says whether it was asked for."""
        try:
            async with asyncio.timeout(within_s):
                await self.stopping.wait()
        except TimeoutError:
            return False
        return True


async def outcome(work: Awaitable[T]) -> T | Exception:
    """Let work run to its end; return what it returned, or the error it ended in.

    The one place where the worker meets errors that nobody expected: one broken action or one
    broken round must not take the others down with it. Cancellation passes through.
    """
    (result,) = await asyncio.gather(work, return_exceptions=True)
    if isinstance(result, BaseException) and not isinstance(result, Exception):
        raise result
    return result
