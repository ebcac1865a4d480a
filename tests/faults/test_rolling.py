"""F34: apis and workers that are replaced one after the other, while the provider sends on."""

import asyncio
import itertools
import json
import time
from pathlib import Path

import pytest

from app.domain.dunning import Case
from bench.events import TOGETHER, bodies
from tests.faults.doors import Door, a_door
from tests.processes.site import a_site, until

pytestmark = pytest.mark.anyio
CUSTOMERS = 150
TURNS = 6


async def test_apis_and_workers_replaced_under_load_lose_no_event(
    clean_database: str, redis_url: str, tmp_path: Path
) -> None:
    # given two apis at one door, two workers, and subscriptions and failed payments that come in
    async with a_site(clean_database, redis_url, tmp_path, lease_s=2) as site:
        with a_door(site) as door:
            running = [door.api(), site.worker(), door.api(), site.worker()]
            made = list(itertools.islice(bodies("r", created=int(time.time())), 2 * TOGETHER))
            chosen = made[:CUSTOMERS] + made[TOGETHER : TOGETHER + CUSTOMERS]
            events = [(json.loads(body)["id"], body) for body in chosen]
            sending = asyncio.create_task(_little_by_little(door, events))

            # when each in its turn is asked to stop and another takes its place, again and again
            for turn in range(TURNS):
                place = turn % len(running)
                await asyncio.to_thread(running[place].stop)
                running[place] = site.worker() if place % 2 else door.api()
                await asyncio.sleep(0.5)
            await sending
            await until(door.all_handled, 180)

            # then every event is there once and became what it tells of, once
            async with site.world.store.transaction(site.account.merchant_id) as tx:
                cases = await tx.find(Case, where={})
            assert await door.kept() == sorted(name for name, _ in events)
            assert set(door.answers) <= {0, 200, 503}
            assert sorted(case.invoice_id for case in cases) == [
                f"in_r{number:07d}" for number in range(CUSTOMERS)
            ]


async def _little_by_little(door: Door, events: list[tuple[str, bytes]]) -> None:
    """So that it goes on for as long as the restarts do."""
    for first in range(0, len(events), 20):
        await door.sends(events[first : first + 20])
        await asyncio.sleep(0.3)
