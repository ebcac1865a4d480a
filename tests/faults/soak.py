"""`./run soak`: a company at work for a while, and one step in a hundred goes wrong.

Its renewals are refused, its customers pay, enter cards, leave and are saved, at real apis and
workers, with mail to a real server. Every commit may be cut off, before or after it, each call of
the provider and each webhook go wrong; now and then an api or a worker is killed, Redis is
flushed, the database is away. At the end the books are compared with the provider's. What is told:
how late anything was, how the memory grew, what the invariants found.
"""

import argparse
import asyncio
import json
import sys
import tempfile
import time
from pathlib import Path
from random import Random
from time import monotonic
from typing import Any

from app.embedded import migrate
from app.engines import start_engines
from tests.faults.company import a_company
from tests.faults.shop import Shop, a_shop, unbounded

SHARE = 0.01
CUSTOMERS_PER_S = 2.0
LOOKS_EVERY_S = 5.0
SETTLES_WITHIN_S = 400.0
# A lease is 5 s here, and the database is away for as long; P5 allows a minute.
MOST_LATE_S = 60.0
MOST_GROWTH = 1.25


async def soak(shop: Shop, seconds: float, draw: Random) -> dict[str, Any]:
    """The figures of one run."""
    living = asyncio.create_task(shop.customers.live())
    end, looked = monotonic() + seconds, monotonic()
    while monotonic() < end:
        await shop.havoc.second(draw, SHARE)
        await asyncio.sleep(1)
        if monotonic() - looked >= LOOKS_EVERY_S:
            looked = monotonic()
            await shop.look()
    await shop.havoc.ends()
    settled = await shop.settles(living, SETTLES_WITHIN_S)
    await shop.look()
    return await _figures(shop, seconds, settled=settled)


async def _figures(shop: Shop, seconds: float, *, settled: bool) -> dict[str, Any]:
    half = len(shop.memory_mb) // 2
    before, after = max(shop.memory_mb[:half]), max(shop.memory_mb[half:])
    wrong = shop.violations | await shop.contradictions()
    return {
        "minutes": round(seconds / 60, 1),
        **await shop.counts(),
        **shop.havoc.counts(),
        "late_s": round(shop.late_s, 1),
        "memory_mb": [round(before, 1), round(after, 1)],
        "violations": wrong,
        "holds": settled
        and not wrong
        and shop.late_s <= MOST_LATE_S
        and after <= MOST_GROWTH * before,
    }


async def run(database_url: str, redis_url: str, folder: Path, minutes: float) -> dict[str, Any]:
    """One run on these servers."""
    company = a_company(int(60 * minutes * CUSTOMERS_PER_S), per_s=CUSTOMERS_PER_S)
    async with a_shop(
        database_url, redis_url, folder, company=company, share=SHARE, settings=unbounded(folder)
    ) as shop:
        lasts = shop.company.holders[-1].renews_at - time.time()
        return await soak(shop, lasts, Random(1))


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
            work = run(engines.database_url, engines.redis_url, Path(folder), asked.minutes)
            figures = asyncio.run(work)
        finally:
            engines.stop()
    if asked.json:
        asked.json.write_text(json.dumps(figures, indent=2) + "\n")
    for name, value in figures.items():
        print(f"{name:20s} {value}")
    return 0 if figures["holds"] else 1


if __name__ == "__main__":
    sys.exit(main())
