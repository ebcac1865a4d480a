"""Calls that are under way while Redis, the patience of arq, the lease or the shift ends."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest
from redis.asyncio import Redis
from structlog.testing import capture_logs

from app.domain.actions import ActionState
from app.embedded import PATIENCE
from app.services import actions
from tests.faults.ailing import Ailing, an_ailing
from tests.processes.site import DEADLINE_S, Site, a_site, an_own_redis, until
from workers.carrying import Carrier, claims_of
from workers.executing import PICKED_WITHIN_S, SILENT_S, execute
from workers.queue import Queue
from workers.shift import CutOff, Pace, Shift, outcome

pytestmark = pytest.mark.anyio
QUICK = Pace(poll_s=0.05)
PASSWORD = "p@ss/word%"
QUOTED = "p%40ss%2Fword%25"


@pytest.fixture
async def site(clean_database, redis_url, tmp_path):
    async with a_site(clean_database, redis_url, tmp_path) as site:
        yield site


@dataclass
class Hands:
    """What of a worker takes jobs from Redis; claims are put there by the test."""

    site: Site
    shift: Shift
    queue: Queue
    carrier: Carrier

    async def gets(self, *names: str) -> None:
        """A job with the actions of these payments, claimed for a minute."""
        await self.site.plans(*names)
        claimed = await actions.claim(self.site.world, limit=len(names), lease_s=60)
        await until(lambda: self.queue.put(claims_of(claimed)))


@asynccontextmanager
async def hands(
    site: Site, url: str, *, pace: Pace = QUICK, at_once: int = 4
) -> AsyncIterator[Hands]:
    shift = Shift(world=site.world, redis_url=url, pace=pace)
    queue, carrier = Queue(url, pace), Carrier(site.world, at_once=at_once)
    working = asyncio.create_task(execute(shift, queue, carrier))
    try:
        yield Hands(site, shift, queue, carrier)
        assert not working.done()
    finally:
        site.provider.open.set()
        shift.stop()
        await working
        await carrier.finish(DEADLINE_S)
        await queue.close()


@asynccontextmanager
async def a_carrier(site: Site, *, at_once: int, lease_s: float = 60.0) -> AsyncIterator[Carrier]:
    carrier = Carrier(site.world, at_once=at_once, lease_s=lease_s)
    try:
        yield carrier
    finally:
        site.provider.open.set()
        await carrier.finish(DEADLINE_S)


async def asked_again_at_once(site: Site, count: int) -> Sequence[str]:
    """Which payments another worker would be given now."""
    return [row.subject for row in await actions.claim(site.world, limit=count, lease_s=60)]


async def loses_its_lines(way: Ailing) -> None:
    for line in way.open:
        assert line is not None
        line.cancel()
    await asyncio.sleep(0.1)


async def test_a_call_outlives_the_redis_that_its_job_came_from(site, redis_url):
    async with an_ailing(redis_url) as (way, url), hands(site, url) as worker:
        # given a job from Redis whose call is under way
        site.provider.open.clear()
        await worker.gets("pi_1")
        await until(lambda: site.provider.asked)

        # when Redis goes away for long enough that arq has to begin anew, and the answer comes then
        way.loads = True
        await loses_its_lines(way)
        site.provider.open.set()

        # then it is heard under the claim it was asked under
        await until(site.all_done, within_s=5)
        assert [(row.claims, site.provider.counts["pi_1"]) for row in await site.actions()] == [
            (1, 1)
        ]

        # and jobs are taken again once Redis is back
        way.loads = False
        await worker.gets("pi_2")
        await until(site.all_done)


async def test_a_call_goes_on_when_arq_no_longer_waits_for_its_job(site, redis_url):
    impatient = Pace(poll_s=0.05, lease_s=1.0)
    async with hands(site, redis_url, pace=impatient) as worker, Redis.from_url(redis_url) as redis:
        site.provider.open.clear()
        await worker.gets("pi_1")
        await until(lambda: site.provider.asked)
        await until(lambda: _is_none(redis.keys("arq:job:*")))

        site.provider.open.set()

        await until(site.all_done, within_s=5)
        assert site.provider.counts == {"pi_1": 1}


async def test_what_waits_for_a_place_at_the_stop_is_given_back(site):
    # given three customers and one place
    await site.plans("pi_1", "pi_2", "pi_3")
    site.provider.open.clear()
    async with a_carrier(site, at_once=1) as carrier:
        carrier.start(claims_of(await actions.claim(site.world, limit=3, lease_s=60)))
        await until(lambda: site.provider.asked)

        # when the shift ends while the first call is under way
        await carrier.stop()

        # then others may have the rest at once, and the first is finished here
        assert await asked_again_at_once(site, 3) == ["pi_2", "pi_3"]

    assert site.provider.asked == ["pi_1"]
    assert (await site.states())[0] is ActionState.DONE


async def test_after_the_stop_nobody_waits_for_a_place(site):
    await site.plans("pi_1", "pi_2", "pi_3")
    claims = claims_of(await actions.claim(site.world, limit=3, lease_s=60))
    carrier = Carrier(site.world, at_once=1)
    await carrier.stop()

    await carrier.carry(claims)

    assert site.provider.asked == ["pi_1"]
    assert await asked_again_at_once(site, 3) == ["pi_2", "pi_3"]


async def test_what_could_not_be_over_before_its_lease_is_not_begun(site):
    await site.plans("pi_1", "pi_2")
    carrier = Carrier(site.world, at_once=4, lease_s=60)

    await carrier.carry(claims_of(await actions.claim(site.world, limit=2, lease_s=20)))

    assert site.provider.asked == []
    assert await asked_again_at_once(site, 2) == ["pi_1", "pi_2"]


async def test_what_finds_no_place_while_its_lease_is_good_is_given_back(site):
    # given two customers, one place, and four seconds in which they may begin
    await site.plans("pi_1", "pi_2")
    site.provider.open.clear()
    async with a_carrier(site, at_once=1, lease_s=112) as carrier:
        carrier.start(claims_of(await actions.claim(site.world, limit=2, lease_s=60)))

        # when the first call takes longer
        again: list[str] = []
        await until(lambda: _grows(again, asked_again_at_once(site, 1)))

    # then the second waits neither for it nor for the end of its lease
    assert again == ["pi_2"]
    assert site.provider.asked == ["pi_1"]


async def test_a_call_that_hangs_at_the_stop_is_cut_off_at_one_deadline_for_all(site):
    shift = Shift(world=site.world, redis_url="", pace=Pace(grace_s=0.2))
    await site.plans("pi_1")
    site.provider.open.clear()
    async with a_carrier(site, at_once=4) as carrier:
        carrying = carrier.start(claims_of(await actions.claim(site.world, limit=1, lease_s=60)))
        await until(lambda: site.provider.asked)
        before = shift.grace_left_s

        shift.stop()
        await carrier.finish(shift.grace_left_s)

        assert carrying.cancelled()
    assert (before, shift.grace_left_s) == (0.2, 0)
    assert Pace().grace_s + PICKED_WITHIN_S < PATIENCE


async def test_a_redis_with_a_password_and_no_number_behind_the_slash_is_worked_with(
    clean_database, tmp_path
):
    with an_own_redis(tmp_path) as engines:
        async with Redis.from_url(engines.redis_url) as redis:
            await redis.config_set("requirepass", PASSWORD)
        address = engines.redis_url.rpartition("@")[2].removeprefix("redis://").split("/")[0]
        url = f"redis://:{QUOTED}@{address}/"
        async with (
            a_site(clean_database, url, tmp_path) as site,
            hands(site, url) as worker,
        ):
            await worker.gets("pi_1")

            await until(site.all_done)


async def test_a_redis_that_falls_silent_holds_nobody_for_long(site, redis_url):
    async with an_ailing(redis_url) as (way, url), hands(site, url) as worker:
        # given a worker whose Redis takes everything and says nothing any more
        await worker.gets("pi_1")
        await until(site.all_done)
        way.late_s = 3600.0

        # when a batch is put, and arq looks for jobs
        with capture_logs() as told:
            async with asyncio.timeout(4):
                taken = await worker.queue.put([("act_1", 1)])
            await until(lambda: told, within_s=4 * SILENT_S)

        # then the worker is told to carry it out itself, and arq begins anew
        assert not taken
        assert {line["event"] for line in told} == {"arq_fell"}

        # and works on once Redis speaks again
        way.late_s = 0.0
        await worker.gets("pi_2")
        await until(site.all_done)


async def test_work_that_is_cancelled_from_within_is_an_error_and_ends_no_loop():
    async def cut_off() -> None:
        raise asyncio.CancelledError

    assert isinstance(await outcome(cut_off()), CutOff)


async def _is_none(found: Awaitable[list[bytes]]) -> bool:
    return not await found


async def _grows(known: list[str], found: Awaitable[Sequence[str]]) -> bool:
    known += await found
    return bool(known)
