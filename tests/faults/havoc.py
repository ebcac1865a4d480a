"""What goes wrong around a shop at work: one step in so many, drawn by a seed."""

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random

from aiosmtpd.smtp import SMTP, Envelope, Session
from redis.asyncio import Redis

from app.embedded import Child
from tests.faults.company import Company
from tests.faults.cutting import Wire
from tests.mail.servers import Host, hang_up

AWAY_S = 5.0
CUTS = ("before", "after")
# A webhook that is lost is found by the reconciler within a day: no soak lasts so long.
WEBHOOKS: tuple[tuple[str, dict[str, int]], ...] = (
    ("double", {}),
    ("shuffle", {}),
    ("delay", {"seconds": 30}),
)
CALLS = ("timeout_before", "timeout_after", "500", "429", "409", "reset", "reset_after", "html")


@dataclass
class Havoc:
    """`mortal` are the processes that may be killed, each with what starts another."""

    company: Company
    wire: Wire
    redis: Redis
    mortal: list[tuple[Child, Callable[[], Child]]]
    counted: Counter[str] = field(default_factory=Counter)
    seen: Counter[str] = field(default_factory=Counter)
    going_on: set["asyncio.Task[None]"] = field(default_factory=set)

    async def second(self, draw: Random, share: float) -> None:
        """What goes wrong in this second and with what comes next."""
        self.wire.cuts = [draw.choice(CUTS) if draw.random() < share else "" for _ in range(1000)]
        for place, (child, starts) in enumerate(self.mortal):
            if draw.random() < share and child.process is not None:
                child.process.kill()
                self.mortal[place] = starts(), starts
                self.counted[f"{child.name}s_killed"] += 1
        if draw.random() < share:
            self.counted["redis_flushed"] += 1
            await self.redis.flushall()
        if draw.random() < share and not self.wire.away:
            self.counted["database_away"] += 1
            task = asyncio.create_task(self.wire.goes_away(AWAY_S))
            self.going_on.add(task)
            task.add_done_callback(self.going_on.discard)
        for _ in range(_drawn(draw, share, self._new("calls", self.company.calls))):
            self.counted["calls_broken"] += 1
            self.company.breaks(draw.choice(CALLS), path="/v1/*")
        for _ in range(_drawn(draw, share, self._new("events", self.company.events()))):
            self.counted["webhooks_broken"] += 1
            fault, more = draw.choice(WEBHOOKS)
            self.company.breaks(fault, **more)

    async def ends(self) -> None:
        """From now on all goes well."""
        self.wire.cuts = []
        self.company.mends()
        await asyncio.gather(*self.going_on)

    def counts(self) -> dict[str, int]:
        """How often what went wrong."""
        return {"commits_cut": self.wire.broken, **self.counted}

    def _new(self, name: str, total: int) -> int:
        before, self.seen[name] = self.seen[name], total
        return total - before


def _drawn(draw: Random, share: float, count: int) -> int:
    return sum(draw.random() < share for _ in range(count))


class Postman(Host):
    """Takes mail; now and then puts one off, or takes it and hangs up without a word."""

    def __init__(self, draw: Random, share: float) -> None:
        super().__init__()
        self._draw, self._share = draw, share
        self.odd: Counter[str] = Counter()

    async def handle_DATA(  # noqa: N802
        self, server: SMTP, session: Session, envelope: Envelope
    ) -> str:
        chance = self._draw.random()
        if chance < self._share / 2:
            self.odd["mails_put_off"] += 1
            return "451 come back later"
        said = await super().handle_DATA(server, session, envelope)
        if chance < self._share:
            self.odd["mails_unanswered"] += 1
            hang_up(server)
        return said
