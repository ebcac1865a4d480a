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
from app.ports.world import World
from app.services import intake
from app.wiring import build_world
from bench.figures import memory_mb, percentile
from workers.main import INBOX_BATCH


async def drain(world: World) -> dict[str, float]:
    """Drain until nothing is left, as the worker's loop does."""
    took: list[float] = []
    count, began = 0, time.perf_counter()
    while True:
        start = time.perf_counter()
        handled = await intake.drain(world, limit=INBOX_BATCH)
        if not handled:
            break
        took.append(1000 * (time.perf_counter() - start))
        count += handled
    seconds = sum(took) / 1000 or time.perf_counter() - began
    took.sort()
    return {
        "count": count,
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
            print(json.dumps(await drain(world)), flush=True)


if __name__ == "__main__":
    uvloop.run(serve())
