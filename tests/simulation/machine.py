"""The machine room: processes that die at any point and come back, and what is told of them."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine
from contextvars import ContextVar, copy_context
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

from app.domain.actions import Action
from tests.simulation.loop import OWNER, SeededLoop

BEGINNING = datetime(2026, 9, 21, tzinfo=UTC)
TRACE_KEPT = 4000
GIVES_WAY = 0.4  # of the steps inside a process so many let others go first


@dataclass
class Claim:
    """The claimed action that a task carries out. `stood`: nobody else had claimed it when the
    task's transaction began; `acted`: a letter or a request to change something has left for it;
    `closed`: it is written down as done or needless."""

    action: Action
    stood: bool = True
    acted: bool = False
    closed: bool = False


CLAIM: ContextVar[Claim | None] = ContextVar("CLAIM", default=None)


def acted() -> None:
    """Something left the house: it is written down even by a worker that lost its claim."""
    claim = CLAIM.get()
    if claim is not None:
        claim.acted = True


class Crash(BaseException):
    """The process is gone: nothing after this line runs."""


class Violation(BaseException):
    """A promise was broken; the text begins with the invariant's name. Nobody may catch it but
    whoever plays the history."""


@dataclass(eq=False)
class Process:
    """An operating-system process: what runs in it dies with it. `boot` is begun again later.
    `ahead_s` is how far its machine's clock is ahead of the time."""

    name: str
    boot: Callable[["Process"], Awaitable[None]] | None = None
    dead: bool = False
    lives: int = 0
    ahead_s: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Weather:
    """How much goes wrong, each as a share of its occasions.

    `pause` is a process that stands still for minutes at a point, `lost_commit` a connection that
    broke around a COMMIT, `conflict` a serialization failure, `turn` a charge that waits for its
    turn at the provider, `mail_away` a mail server that is away for hours or days.
    """

    crash: float = 0.0
    pause: float = 0.0
    lost_commit: float = 0.0
    conflict: float = 0.0
    call: float = 0.0
    charge: float = 0.0
    turn: float = 0.0
    outage: float = 0.0
    late_hook: float = 0.0
    lost_hook: float = 0.0
    double_hook: float = 0.0
    mail: float = 0.0
    mail_away: float = 0.0


CALM = Weather()


@dataclass
class Machine:
    """One loop, one clock, one source of chance, and the processes. `dies` says at which of its
    points, counted from 1, a process dies whatever the weather.

    `aside` is a second source, for what some histories have and others do not: who does not have
    it plays as if there were no such thing. `apart_s` is how far clocks of processes are off.
    """

    seed: int
    weather: Weather = CALM
    dies: Callable[[int], bool] = lambda point: False
    draw: Random = field(init=False)
    aside: Random = field(init=False)
    apart_s: float = 0.0
    loop: SeededLoop = field(init=False)
    steps: int = 0
    crashes: int = 0
    processes: list[Process] = field(default_factory=list)
    swift: bool = False
    _noted: deque[tuple[float, str]] = field(default_factory=lambda: deque(maxlen=TRACE_KEPT))

    def __post_init__(self) -> None:
        self.draw = Random(self.seed)
        self.aside = Random(f"{self.seed} aside")
        self.loop = SeededLoop(self.draw)
        self.loop.harmless = (Crash,)
        self.loop.shuffles = not self.swift

    def now(self) -> datetime:
        """`ports.clock.Clock`: aware UTC."""
        return _instant(self.loop.time())

    def log(self, *what: object) -> None:
        """Note a line for the trace."""
        owner = OWNER.get()
        who = owner.name if isinstance(owner, Process) else "-"
        self._noted.append((self.loop.time(), " ".join([who, *map(str, what)])))

    def trace(self) -> list[str]:
        """What was noted, the last of it."""
        return [f"{_instant(at):%m-%d %H:%M:%S} {text}" for at, text in self._noted]

    def happens(self, share: float) -> bool:
        """Whether something of this share happens now."""
        return share > 0 and self.draw.random() < share

    # processes

    def starts(
        self, name: str, boot: Callable[[Process], Awaitable[None]] | None = None
    ) -> Process:
        """A process from now on."""
        process = Process(name, boot)
        self.processes.append(process)
        self._boot(process)
        return process

    def _boot(self, process: Process) -> None:
        process.dead = False
        process.lives += 1
        if self.apart_s:
            process.ahead_s = self.aside.uniform(-self.apart_s, self.apart_s)
        if process.boot is not None:
            self.runs(process, process.boot(process))

    def runs(self, process: Process | None, work: Awaitable[Any]) -> asyncio.Task[Any]:
        """A task of a process, or of the outside world."""
        context = copy_context()
        context.run(OWNER.set, process)
        context.run(CLAIM.set, None)
        return self.loop.create_task(_ended_quietly(work), context=context)

    def kills(self, process: Process) -> None:
        """kill -9: its tasks are gone, what they had not committed is rolled back; it comes back
        after a while."""
        self.crashes += 1
        self.log("KILLED", process.name)
        process.dead = True
        current = asyncio.current_task(self.loop.real)
        for task, owner in list(self.loop.tasks.items()):
            if owner is process and task is not current:
                task.cancel()
        wait = 30.0 if self.swift else self.draw.choice((1.0, 20.0, 90.0, 1200.0))
        self.loop.call_later(wait, self._boot, process)

    # points

    async def point(self, what: str, patience: float = 0.0) -> None:
        """A point at which others may go first and the process may die; about `patience` s pass."""
        process = OWNER.get()
        if process is not None:
            self.fuse(what)
        if self.swift:
            await asyncio.sleep(patience)
        elif self.weather.pause and self.happens(self.weather.pause):
            wait = self.draw.choice((25.0, 70.0, 1200.0))
            self.log("stands still for", int(wait), "s before", what)
            await self.loop.rest(wait)
        elif patience or self.draw.random() < GIVES_WAY:
            await self.loop.rest(self.draw.random() * (0.02 + 2 * patience))
        if isinstance(process, Process) and process.dead:
            raise Crash

    def fuse(self, what: str) -> None:
        """A point at which the process may die, but nobody goes first."""
        process = OWNER.get()
        if not isinstance(process, Process):
            return
        if process.dead:
            raise Crash
        self.steps += 1
        crash = self.weather.crash
        if (crash and self.draw.random() < crash) or self.dies(self.steps):
            self.log("dies at", what)
            self.kills(process)
            raise Crash


@dataclass(frozen=True)
class OwnClock:
    """`ports.clock.Clock` of whoever asks: what the clock of their process says."""

    machine: Machine

    def now(self) -> datetime:
        """Aware UTC."""
        owner = OWNER.get()
        ahead_s = owner.ahead_s if isinstance(owner, Process) else 0.0
        return _instant(self.machine.loop.time() + ahead_s)


def _instant(seconds: float) -> datetime:
    return BEGINNING + timedelta(seconds=seconds)


async def _ended_quietly(work: Awaitable[Any]) -> Any:
    """A process that died is no fault of the simulation."""
    try:
        return await work
    except (Crash, asyncio.CancelledError):
        return None


Work = Coroutine[Any, Any, None]
