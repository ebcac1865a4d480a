"""`./run soak`: two workers at work for a while, and one step in a hundred goes wrong.

Every commit of theirs may be cut off, before or after it; now and then one is killed or Redis is
flushed. What is told: how late anything was, how the memory grew, what the invariants found.
"""

import argparse
import asyncio
import json
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from time import monotonic
from typing import Any

from redis.asyncio import Redis

from app.embedded import Child, migrate
from app.engines import start_engines
from app.services.condition import condition
from app.services.invariants import findings
from tests.faults.cutting import Wire, a_wire
from tests.processes.site import Site, a_site

SHARE = 0.01
ACTIONS_A_SECOND = 20
LOOKS_EVERY_S = 5.0
SETTLES_WITHIN_S = 180.0
# A lease is 5 s here, so what a killed worker held is late by that and a sweep; P5 allows a minute.
MOST_LATE_S = 60.0
MOST_GROWTH = 1.25


@dataclass
class Soak:
    """A run: its site, its faults, and what was seen."""

    site: Site
    wire: Wire
    redis: Redis
    draw: Random
    workers: list[Child] = field(default_factory=list)
    planned: int = 0
    killed: int = 0
    flushed: int = 0
    late_s: float = 0.0
    violations: dict[str, int] = field(default_factory=dict)
    memory_mb: list[float] = field(default_factory=list)

    async def second(self) -> None:
        """One second of work and of what goes wrong."""
        names = [f"pi_{self.planned + n:07d}" for n in range(ACTIONS_A_SECOND)]
        await self.site.plans(*names, due_at=self.site.world.clock.now())
        self.planned += len(names)
        self.wire.cuts = [self._cut() for _ in range(1000)]
        if self.draw.random() < SHARE:
            self.flushed += 1
            await self.redis.flushall()
        for place, worker in enumerate(self.workers):
            if self.draw.random() < SHARE and worker.process is not None:
                self.killed += 1
                worker.process.kill()
                self.workers[place] = self.site.worker()
        await asyncio.sleep(1)

    def _cut(self) -> str:
        return self.draw.choice(("before", "after")) if self.draw.random() < SHARE else ""

    async def look(self) -> None:
        """How late things are, what is broken, and how much memory the oldest worker has."""
        found = await condition(self.site.world)
        self.late_s = max(self.late_s, found.actions_late_s, found.events_age_s)
        mine = self.site.account.merchant_id
        for one in await findings(self.site.world, mine, now=self.site.world.clock.now()):
            if one.is_alarming:
                self.violations[one.invariant.name] = one.count or 0
        self.memory_mb.append(max(map(memory_mb, self.workers)))

    async def settles(self) -> bool:
        """No more faults: whether all comes to its end."""
        self.wire.cuts = []
        end = monotonic() + SETTLES_WITHIN_S
        while not await self.site.all_done():
            if monotonic() > end:
                return False
            await asyncio.sleep(1)
        await self.look()
        return True

    def figures(self, minutes: float, *, settled: bool) -> dict[str, Any]:
        """What a run comes to."""
        half = len(self.memory_mb) // 2
        before, after = max(self.memory_mb[:half]), max(self.memory_mb[half:])
        counts = self.site.provider.counts
        return {
            "minutes": minutes,
            "actions": self.planned,
            "never_done": self.planned - len(counts),
            "commits_cut": self.wire.broken,
            "workers_killed": self.killed,
            "redis_flushed": self.flushed,
            "late_s": round(self.late_s, 1),
            "memory_mb": [round(before, 1), round(after, 1)],
            "violations": self.violations,
            "holds": settled
            and not self.violations
            and self.late_s <= MOST_LATE_S
            and after <= MOST_GROWTH * before
            and len(counts) == self.planned,
        }


def memory_mb(worker: Child) -> float:
    """Resident memory, of this process and not of its children; 0 once it is gone."""
    if worker.process is None:
        return 0.0
    try:
        told = Path(f"/proc/{worker.process.pid}/status").read_text()
    except OSError:
        return 0.0
    line = next((one for one in told.splitlines() if one.startswith("VmRSS")), "VmRSS: 0 kB")
    return int(line.split()[1]) / 1024


async def soak(database_url: str, redis_url: str, folder: Path, minutes: float) -> dict[str, Any]:
    """The figures of one run."""
    async with (
        a_wire(database_url) as (wire, url),
        a_site(database_url, redis_url, folder, lease_s=5) as site,
        Redis.from_url(redis_url) as redis,
    ):
        site.environment["DATABASE_URL"] = url
        run = Soak(site, wire, redis, Random(1))
        run.workers = [site.worker(), site.worker()]
        end, looked = monotonic() + 60 * minutes, monotonic()
        while monotonic() < end:
            await run.second()
            if monotonic() - looked >= LOOKS_EVERY_S:
                looked = monotonic()
                await run.look()
        return run.figures(minutes, settled=await run.settles())


def main() -> int:
    """Run it and say what it comes to; 1 where something does not hold."""
    parser = argparse.ArgumentParser(prog="./run soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--json", type=Path, metavar="FILE")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        engines = start_engines(Path(folder) / "engines", durable=False)
        try:
            migrate(engines.database_url)
            work = soak(engines.database_url, engines.redis_url, Path(folder), asked.minutes)
            figures = asyncio.run(work)
        finally:
            engines.stop()
    if asked.json:
        asked.json.write_text(json.dumps(figures, indent=2) + "\n")
    for name, value in figures.items():
        print(f"{name:16s} {value}")
    return 0 if figures["holds"] else 1


if __name__ == "__main__":
    sys.exit(main())
