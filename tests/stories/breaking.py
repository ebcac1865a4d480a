"""What breaks where a story says so: a process that dies at any step, a mail server's moods."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from app.domain.messages import Mail
from app.ports.mailer import Mailer
from app.ports.payments import Payments, ProviderUnavailable
from app.ports.store import Store, Transaction


class Crash(BaseException):
    """The process is gone: nothing after this line runs, no handler either."""


@dataclass
class Fuse:
    """Counts every point at which a process can die; at the armed one it does, once.

    A point lies before and after each commit, call and mail. `asked` are the provider's calls by
    name and key, in order; while `away` none is answered.
    """

    armed: int | None = None
    then: Callable[[], Awaitable[None]] | None = None
    passed: int = 0
    away: bool = False
    asked: list[tuple[str, str | None]] = field(default_factory=list)

    def arm(self, point: int, then: Callable[[], Awaitable[None]] | None = None) -> None:
        """Die at the `point`-th point from here, counted from 1, or let something happen there."""
        self.armed, self.passed, self.then = point, 0, then

    async def point(self) -> None:
        """A point at which the process may die."""
        self.passed += 1
        if self.passed != self.armed:
            return
        self.armed = None
        if self.then is None:
            raise Crash
        await self.then()

    def keys(self, name: str = "pay") -> list[str | None]:
        """The keys under which an operation was asked for."""
        return [key for asked, key in self.asked if asked == name]


class BreakingStore:
    """`ports.store.Store` over the real one."""

    def __init__(self, real: Store, fuse: Fuse) -> None:
        self._real, self._fuse = real, fuse

    @asynccontextmanager
    async def transaction(self, *merchants: str) -> AsyncIterator[Transaction]:
        async with self._real.transaction(*merchants) as tx:
            yield tx
            await self._fuse.point()
        await self._fuse.point()

    @asynccontextmanager
    async def system(self) -> AsyncIterator[Transaction]:
        async with self._real.system() as tx:
            yield tx


class BreakingPayments:
    """`ports.payments.Payments` over the production adapter."""

    def __init__(self, real: Payments, fuse: Fuse) -> None:
        self._real, self._fuse = real, fuse

    def __getattr__(self, name: str) -> Callable[..., Any]:
        async def asked(*args: Any, **told: Any) -> Any:
            self._fuse.asked.append((name, told.get("key")))
            if self._fuse.away:
                raise ProviderUnavailable("nobody answers")
            await self._fuse.point()
            answer = await getattr(self._real, name)(*args, **told)
            await self._fuse.point()
            return answer

        return asked


class MoodyMailer:
    """`ports.mailer.Mailer` over the real one; `moods` are raised first, one per mail."""

    def __init__(self, real: Mailer, fuse: Fuse) -> None:
        self._real, self._fuse = real, fuse
        self.moods: list[Exception] = []

    async def send(self, mail: Mail) -> None:
        await self._fuse.point()
        if self.moods:
            raise self.moods.pop(0)
        await self._real.send(mail)
        await self._fuse.point()
