"""A process of a worker that drains: says `ready`, then drains the inbox once per line it reads.

`took` are the latencies of the batches, in ms; `cpu_s` is the processor time used here.
"""

import asyncio
import json
import os
import sys
import time

import uvloop

from app.collecting import collect_seldom
from app.config import Settings
from app.wiring import build_world
from bench.figures import memory_mb
from workers.inbox import Inbox
from workers.shift import Pace, Shift, outcome


async def drain(shift: Shift) -> dict[str, object]:
    """Drain until nothing is left, as the worker's loops do."""
    took: list[float] = []
    inbox, began, used = Inbox(shift), time.perf_counter(), time.process_time()
    await asyncio.gather(*(lane(inbox, took) for _ in range(Pace().lanes)))
    ended = time.perf_counter()
    return {
        "began": began,  # on the clock that all processes of a machine share
        "ended": ended,
        "took": took,
        "cpu_s": time.process_time() - used,
        "rss_mb": memory_mb([os.getpid()]),
    }


async def lane(inbox: Inbox, took: list[float]) -> None:
    """Step until nothing is found. A batch that the store refused counts with the time it took."""
    while True:
        start = time.perf_counter()
        if await outcome(inbox.step()) is False:
            return
        took.append(1000 * (time.perf_counter() - start))


async def serve() -> None:
    """Drain on demand until the bench closes the pipe."""
    collect_seldom()
    async with build_world(Settings()) as world:
        print("ready", flush=True)
        while await asyncio.to_thread(sys.stdin.readline):
            print(json.dumps(await drain(Shift(world=world, redis_url=""))), flush=True)


if __name__ == "__main__":
    uvloop.run(serve())
