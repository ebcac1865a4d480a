"""Workers that are frozen, restarted one after the other, and whose clocks differ."""

import asyncio
import signal

import pytest

from tests.processes.site import a_site, until

pytestmark = pytest.mark.anyio
MANY = [f"pi_{n:03d}" for n in range(200)]


@pytest.fixture
async def site(clean_database: str, redis_url: str, tmp_path):
    async with a_site(clean_database, redis_url, tmp_path, lease_s=2) as site:
        yield site


async def test_a_frozen_worker_that_thaws_changes_nothing_that_others_did(site) -> None:
    # F35: given a worker that stands still in the middle of its calls
    site.provider.open.clear()
    frozen = site.worker()
    await site.plans(*MANY[:20])
    await until(lambda: len(site.provider.asked) >= 5)
    frozen.process.send_signal(signal.SIGSTOP)
    site.provider.open.set()

    # when another takes its work over, and it comes back afterwards
    site.worker()
    await until(site.all_done, 120)
    done = await site.actions()
    frozen.process.send_signal(signal.SIGCONT)
    await asyncio.sleep(3)

    # then what the other wrote stands
    assert await site.actions() == done
    assert frozen.process.poll() is None


async def test_workers_restarted_one_after_the_other_under_load_lose_nothing(site) -> None:
    # F34: given two workers with much to do
    running = [site.worker(), site.worker()]
    await site.plans(*MANY)

    # when each in its turn is asked to stop and another takes its place, again and again
    for turn in range(6):
        await asyncio.to_thread(running[turn % 2].stop)
        running[turn % 2] = site.worker()
        await asyncio.sleep(0.5)
    await until(site.all_done, 120)

    # then nothing was lost
    assert set(site.provider.counts) == set(MANY)


async def test_eight_workers_that_come_and_go_do_each_thing_once(
    clean_database: str, redis_url: str, tmp_path
) -> None:
    # the lease as it is shipped: eight that start at once keep a small machine busy for long
    async with a_site(clean_database, redis_url, tmp_path, lease_s=60) as site:
        # given eight workers, each with one drain and its share of the connections, and much to do
        site.environment |= {"HOLDFAST_DRAINS": "1", "HOLDFAST_DATABASE_CONNECTIONS": "4"}
        running = [site.worker() for _ in range(8)]
        await site.plans(*MANY)

        # when they leave and others come, one after the other, while more is planned
        for place in range(4):
            await asyncio.to_thread(running[place].stop)
            running[place] = site.worker()
            await site.plans(*(f"pi_more_{place}_{n}" for n in range(25)))
        await until(site.all_done, 120)

        # then nobody did what another did
        assert len(site.provider.counts) == len(MANY) + 100
        doubled = {name for name, count in site.provider.counts.items() if count > 1}
        assert not doubled, [log.read_text() for log in site.folder.glob("worker-*.log")]
