"""A worker process that only drains: says `ready`, then drains the inbox once per line it reads.

Latencies are those of one batch, in ms.
"""

import asyncio
import json
import os
import sys
import time

import uvloop

from app.config import Settings
from app.wiring import build_world
from bench.figures import memory_mb, percentile
from workers.inbox import Inbox
from workers.shift import Shift, outcome


async def drain(shift: Shift) -> dict[str, float]:
    """Drain until nothing is left, as the worker's loop does. A batch that the store refused
    counts with the time it took."""
    took: list[float] = []
    inbox, began = Inbox(shift), time.perf_counter()
    more: bool | Exception = True
    while more:
        start = time.perf_counter()
        more = await outcome(inbox.step())
        took.append(1000 * (time.perf_counter() - start))
    seconds = time.perf_counter() - began
    took = sorted(took[:-1])  # the last found nothing
    return {
        "seconds": seconds,
        "p50_ms": percentile(took, 0.5),
        "p99_ms": percentile(took, 0.99),
        "rss_mb": memory_mb([os.getpid()]),
    }


async def serve() -> None:
    """Drain on demand until the bench closes the pipe."""
    async with build_world(Settings()) as world:
        print("ready", flush=True)
        while await asyncio.to_thread(sys.stdin.readline):
            print(json.dumps(await drain(Shift(world=world, redis_url=""))), flush=True)


if __name__ == "__main__":
    uvloop.run(serve())
