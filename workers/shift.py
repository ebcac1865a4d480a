"""What the loops of one worker process share."""

import asyncio
from collections.abc import Awaitable
from dataclasses import dataclass, field
from time import monotonic
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

    `lease_s` is how long a claim keeps others away; arq waits three quarters of it for a job.
    `grace_s` is how long calls that were begun are waited for after the stop. arq looks for what
    other workers left every `poll_s`, for one question to Redis. `jobs` batches of at most `batch`
    actions run at a time; `at_once` customers are worked at a time, over all of them. `drains`
    processes drain the inbox, this one included, each in `lanes` loops: while one waits for the
    database, the other computes.
    """

    lease_s: float = 60.0
    sweep_s: float = 5.0
    poll_s: float = 0.25
    grace_s: float = 24.0
    batch: int = 50
    jobs: int = 8
    at_once: int = 48
    drains: int = 1
    lanes: int = 2

    @property
    def job_timeout_s(self) -> float:
        return 0.75 * self.lease_s


class Stopping(asyncio.Event):
    """Set for good; remembers since when (monotonic)."""

    since: float

    def set(self) -> None:
        if not self.is_set():
            self.since = monotonic()
        super().set()


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
    stopping: Stopping = field(default_factory=Stopping)

    def ring(self) -> None:
        """Let every loop look for work."""
        self.inbox_bells.ring()
        self.due_bell.ring()

    @property
    def is_rung(self) -> bool:
        """Whether a loop is about to look for work."""
        return self.inbox_bells.is_rung or self.due_bell.is_rung

    @property
    def grace_left_s(self) -> float:
        """How long what runs may go on: one deadline for all of it, since a supervisor kills whom
        it has waited for half a minute."""
        over = monotonic() - self.stopping.since if self.stopping.is_set() else 0.0
        return max(0.0, self.pace.grace_s - over)

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


class CutOff(Exception):
    """The work was cancelled, although nobody has cancelled who waits for it."""


async def outcome(work: Awaitable[T]) -> T | Exception:
    """Let work run to its end; return what it returned, or the error it ended in.

    The one place where the worker meets errors that nobody expected: one broken action or one
    broken round must not take the others down with it. Cancellation passes through; one from
    within is an error like others: the task of a loop that ends in it would end without a word.
    """
    (result,) = await asyncio.gather(work, return_exceptions=True)
    if isinstance(result, asyncio.CancelledError):
        return CutOff(str(result))
    if isinstance(result, BaseException) and not isinstance(result, Exception):
        raise result
    return result
