"""What Redis carries for us, and how its losses are noticed."""

import orjson
import pytest
from redis.asyncio import Redis

from app.engines.processes import free_port
from tests.processes.site import an_own_redis
from workers.queue import QUEUE, Queue
from workers.shift import Pace

pytestmark = pytest.mark.anyio

BATCH = [("act_1", 1), ("act_2", 4)]


@pytest.fixture
async def redis(redis_url):
    async with Redis.from_url(redis_url) as client:
        yield client


@pytest.fixture
async def queue(redis_url):
    queue = Queue(redis_url, Pace(jobs=1))
    yield queue
    await queue.close()


async def test_a_job_is_json_and_carries_ids_and_claims_only(queue, redis):
    assert await queue.put(BATCH)

    job = orjson.loads(await redis.get("arq:job:action:act_1:1"))
    assert (job["f"], job["a"]) == ("carry_out_actions", [[["act_1", 1], ["act_2", 4]]])


async def test_a_job_that_waits_is_not_lost(queue):
    await queue.put(BATCH)

    assert await queue.lost() == []


async def test_after_a_flush_all_held_batches_are_lost_once(queue, redis):
    await queue.put(BATCH)
    await redis.flushall()

    assert await queue.lost() == [BATCH]
    assert await queue.lost() == []


async def test_a_batch_that_is_through_makes_room(queue, redis):
    await queue.put(BATCH)
    await queue.put([("act_3", 1)])
    assert not queue.has_room

    await redis.delete("arq:job:action:act_1:1")  # as arq does when a job has ended
    await redis.zrem(QUEUE, "action:act_1:1")

    assert await queue.lost() == []
    assert queue.has_room


async def test_what_was_carried_out_here_makes_room_before_redis_forgets_it(queue, redis):
    await queue.put(BATCH)
    await queue.put([("act_3", 1)])

    queue.through("action:act_1:1")

    assert queue.has_room
    assert queue.claims() == {("act_3", 1)}
    assert await redis.exists("arq:job:action:act_1:1")


async def test_a_flush_while_nothing_is_held_loses_nothing(queue, redis):
    await queue.put(BATCH)
    queue.through("action:act_1:1")
    await redis.flushall()

    await queue.put([("act_3", 1)])

    assert await queue.lost() == []
    assert queue.claims() == {("act_3", 1)}


async def test_a_batch_is_lost_with_a_redis_that_another_begins_anew(queue, redis, redis_url):
    await queue.put(BATCH)
    await redis.flushall()
    other = Queue(redis_url, Pace())

    assert await other.put([("act_9", 1)])

    assert await queue.lost() == [BATCH]
    await other.close()


async def test_what_a_redis_holds_that_takes_no_writes_is_lost(tmp_path):
    with an_own_redis(tmp_path) as engines:
        queue = Queue(engines.redis_url, Pace())
        await queue.put(BATCH)
        async with Redis.from_url(engines.redis_url) as redis:
            await redis.execute_command("REPLICAOF", "127.0.0.1", str(free_port()))

        assert await queue.lost() == [BATCH]
        assert not await queue.put(BATCH)
        await queue.close()


async def test_the_same_claim_is_enqueued_once(queue, redis):
    await queue.put(BATCH)
    await queue.put(BATCH)

    assert await redis.zcard(QUEUE) == 1


async def test_a_dead_redis_takes_nothing_and_raises_nothing():
    queue = Queue(f"redis://127.0.0.1:{free_port()}/0", Pace())

    assert await queue.lost() == []
    assert not await queue.put(BATCH)
    await queue.close()


async def test_a_second_worker_starting_is_no_flush(queue, redis_url):
    await queue.put(BATCH)
    other = Queue(redis_url, Pace())

    await other.lost()

    assert await queue.lost() == []
    await other.close()
