"""Real worker processes on real engines: killed, doubled, stopped, left without Redis."""

import asyncio
import signal

import pytest
from redis.asyncio import Redis

from app.domain.actions import ActionState
from app.engines.processes import free_port
from app.services import actions
from tests.faults.ailing import an_ailing
from tests.processes.site import DEADLINE_S, a_site, until
from workers.carrying import Carrier, claims_of
from workers.dispatching import MOST_BATCHES, Dispatcher
from workers.executing import execute
from workers.queue import Queue
from workers.shift import Pace, Shift

pytestmark = pytest.mark.anyio

MANY = [f"pi_{n:03d}" for n in range(60)]


@pytest.fixture
async def site(clean_database, redis_url, tmp_path):
    async with a_site(clean_database, redis_url, tmp_path) as site:
        yield site


@pytest.fixture
async def hasty_site(clean_database, redis_url, tmp_path):
    async with a_site(clean_database, redis_url, tmp_path, lease_s=2) as site:
        yield site


@pytest.fixture
async def carrier(site):
    carrier = Carrier(site.world, at_once=4)
    yield carrier
    site.provider.open.set()
    await carrier.finish(DEADLINE_S)


@pytest.fixture
async def desk(site, carrier, redis_url):
    """A dispatcher without a worker behind it: what it hands to Redis stays there."""
    shift = Shift(world=site.world, redis_url=redis_url)
    queue = Queue(redis_url, shift.pace)
    yield Dispatcher(shift, queue, carrier)
    await queue.close()


async def test_what_is_due_is_carried_out_once(site):
    site.worker()
    await site.plans(*MANY)

    await until(site.all_done)

    assert set(site.provider.counts.values()) == {1}


async def test_two_workers_share_the_work_and_double_nothing(site):
    site.worker()
    site.worker()
    await site.plans(*MANY)

    await until(site.all_done)

    assert site.provider.counts == dict.fromkeys(MANY, 1)


async def test_actions_of_one_customer_run_one_after_the_other_in_order(site):
    site.worker()
    site.worker()
    await site.plans("pi_first", "pi_second", "pi_third", customer="cus_one")

    await until(site.all_done)

    assert site.provider.asked == ["pi_first", "pi_second", "pi_third"]


async def test_the_work_of_a_killed_worker_is_picked_up(hasty_site):
    site = hasty_site
    killed = site.worker()
    site.provider.open.clear()
    await site.plans("pi_1")
    await until(lambda: site.provider.asked)

    killed.process.send_signal(signal.SIGKILL)
    killed.process.wait()
    site.provider.open.set()
    site.worker()
    await until(site.all_done)

    (action,) = await site.actions()
    assert action.claims == 2


async def test_a_stopping_worker_finishes_its_step(site):
    worker = site.worker()
    site.provider.open.clear()
    await site.plans("pi_1")
    await until(lambda: site.provider.asked)

    worker.process.send_signal(signal.SIGTERM)
    site.provider.open.set()
    await until(lambda: worker.process.poll() is not None)

    assert worker.process.returncode == 0
    assert await site.states() == [ActionState.DONE]


async def test_a_worker_that_stops_while_it_takes_a_job_carries_that_out_first(site, redis_url):
    # given a job in a Redis whose answers take their time
    await site.plans("pi_1")
    batch = claims_of(await actions.claim(site.world, limit=1, lease_s=60))
    async with an_ailing(redis_url) as (way, slow), Redis.from_url(redis_url) as redis:
        shift = Shift(world=site.world, redis_url=slow)
        queue = Queue(slow, shift.pace)
        await queue.put(batch)
        way.late_s = 0.2

        # when the stop comes after Redis gave the job away, and before the worker has heard it
        working = asyncio.create_task(execute(shift, queue, Carrier(site.world, at_once=4)))
        await until(lambda: redis.keys("arq:in-progress:*"))
        shift.stop()
        await working
        await queue.close()

    # then nobody has to wait for the lease
    assert await site.all_done()
    assert site.provider.counts == {"pi_1": 1}


async def test_without_redis_the_worker_does_it_all_by_itself(clean_database, tmp_path):
    nowhere = f"redis://127.0.0.1:{free_port()}/0"
    async with a_site(clean_database, nowhere, tmp_path) as site:
        site.worker()
        await site.plans(*MANY)

        await until(site.all_done)

        assert site.provider.counts == dict.fromkeys(MANY, 1)


async def test_a_flushed_redis_costs_a_sweep_and_not_the_lease(site, desk, carrier, redis_url):
    site.provider.open.clear()
    await site.plans("pi_busy")
    await desk.step()
    await until(lambda: site.provider.asked)
    await site.plans(*MANY[:10])
    await desk.step()
    async with Redis.from_url(redis_url) as redis:
        await redis.flushdb()
    assert site.provider.asked == ["pi_busy"]

    site.provider.open.set()
    await desk.step()
    await carrier.finish(DEADLINE_S)

    assert await site.all_done()
    assert {action.claims for action in await site.actions()} == {1}


async def test_what_finds_places_free_where_it_was_claimed_does_not_go_through_redis(
    site, desk, carrier, redis_url
):
    await site.plans("pi_1", "pi_2")

    await desk.step()
    await carrier.finish(DEADLINE_S)

    assert await site.all_done()
    async with Redis.from_url(redis_url) as redis:
        assert await redis.keys("*") == []


async def test_a_batch_larger_than_all_places_is_carried_out_where_nothing_else_is(
    site, desk, carrier, redis_url
):
    await site.plans(*MANY[:10])

    await desk.step()
    await carrier.finish(DEADLINE_S)

    assert await site.all_done()
    async with Redis.from_url(redis_url) as redis:
        assert await redis.keys("*") == []


async def test_a_job_that_comes_twice_or_late_does_nothing(site, desk):
    await site.plans("pi_1")
    (claimed,) = await actions.claim(site.world, limit=1, lease_s=60)
    carrier = Carrier(site.world, at_once=4)

    await carrier.carry(claims_of([claimed]))
    await carrier.carry(claims_of([claimed]))

    assert site.provider.counts == {"pi_1": 1}


async def test_a_claim_that_others_took_over_does_nothing(site):
    await site.plans("pi_1")
    (stale,) = await actions.claim(site.world, limit=1, lease_s=0)
    (fresh,) = await actions.claim(site.world, limit=1, lease_s=60)

    await Carrier(site.world, at_once=4).carry(claims_of([stale]))

    assert (stale.claims, fresh.claims) == (1, 2)
    assert site.provider.asked == []


async def test_the_same_claim_is_carried_out_once_however_often_it_is_running(site):
    await site.plans("pi_1")
    claimed = await actions.claim(site.world, limit=1, lease_s=60)
    carrier = Carrier(site.world, at_once=4)
    site.provider.open.clear()

    first = asyncio.create_task(carrier.carry(claims_of(claimed)))
    await until(lambda: site.provider.asked)
    await carrier.carry(claims_of(claimed))
    site.provider.open.set()
    await first

    assert site.provider.counts == {"pi_1": 1}
    assert await site.all_done()


async def test_however_much_an_account_has_due_the_next_one_is_claimed_as_well(site, desk):
    site.provider.open.clear()
    await site.plans(*(f"pi_{n:03d}" for n in range(300)))
    await site.plans("pi_of_the_neighbour", account=await site.neighbour())

    for _ in range(10):
        await desk.step()

    claimed = [action.subject for action in await site.actions() if action.claims]
    assert "pi_of_the_neighbour" in claimed
    assert len(claimed) == MOST_BATCHES * Pace().batch + 1


async def test_an_account_whose_provider_hangs_leaves_places_to_the_others(site):
    many = await site.plans(*MANY)
    few = await site.plans("pi_of_the_neighbour", account=await site.neighbour())
    claimed = await actions.claim(site.world, limit=len([*many, *few]), lease_s=60)
    site.provider.open.clear()

    carrying = asyncio.create_task(
        Carrier(site.world, at_once=4).carry(claims_of(claimed)), name="carry"
    )
    await until(lambda: len(site.provider.asked) == 4)

    assert "pi_of_the_neighbour" in site.provider.asked
    site.provider.open.set()
    await carrying
    assert await site.all_done()
