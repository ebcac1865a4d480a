"""A worker process that claims and carries out: says `ready`, then obeys one word per line.

`one`: claims one by one; `batch`: claims in the worker's batches; `carry`: claims in batches and
carries out as the worker does, without the way through Redis. Each for some seconds or until
nothing is due. Latencies are those of one claim, or of one batch claimed and carried out, in ms.
"""

import asyncio
import json
import os
import sys
import time
from collections.abc import Awaitable, Callable

import uvloop

from app.config import Settings
from app.ports.world import World
from app.services import actions
from app.wiring import build_world
from bench.figures import memory_mb, percentile
from workers.carrying import Carrier, claims_of
from workers.shift import Pace

SECONDS = 2.5
LEASE_S = 600.0


async def claim(world: World, limit: int) -> int:
    """One claim, committed; returns how many rows it took."""
    return len(await actions.claim(world, limit=limit, lease_s=LEASE_S))


async def carry(world: World, carrier: Carrier, limit: int) -> int:
    """One claim and everything it brought."""
    claimed = await actions.claim(world, limit=limit, lease_s=LEASE_S)
    await carrier.carry(claims_of(claimed))
    return len(claimed)


async def measured(step: Callable[[], Awaitable[int]]) -> dict[str, float]:
    """Repeat a step for the time given, or until it finds nothing."""
    took: list[float] = []
    count, began = 0, time.perf_counter()
    while time.perf_counter() - began < SECONDS:
        start = time.perf_counter()
        found = await step()
        if not found:
            break
        took.append(1000 * (time.perf_counter() - start))
        count += found
    took.sort()
    return {
        "count": count,
        "seconds": sum(took) / 1000,
        "p50_ms": percentile(took, 0.5),
        "p99_ms": percentile(took, 0.99),
        "rss_mb": memory_mb([os.getpid()]),
    }


async def serve() -> None:
    """Obey until the bench closes the pipe."""
    pace = Pace()
    async with build_world(Settings()) as world:
        carrier = Carrier(world, at_once=pace.at_once)
        steps: dict[str, Callable[[], Awaitable[int]]] = {
            "one": lambda: claim(world, 1),
            "batch": lambda: claim(world, pace.batch),
            "carry": lambda: carry(world, carrier, pace.batch),
        }
        print("ready", flush=True)
        while word := (await asyncio.to_thread(sys.stdin.readline)).strip():
            print(json.dumps(await measured(steps[word])), flush=True)


if __name__ == "__main__":
    uvloop.run(serve())
