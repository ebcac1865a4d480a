"""F23: a Redis that lives and is not well, beside real apis and workers."""

import asyncio
import itertools
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass

import httpx
import pytest
from redis.asyncio import Redis

from app.domain.dunning import Case
from app.domain.merchants import Scope
from app.embedded import Child
from app.engines.processes import free_port
from app.services.api_keys import create_key
from bench.events import TOGETHER, bodies
from tests.faults.ailing import Ailing, an_ailing
from tests.faults.doors import Door, a_door
from tests.processes.site import Site, a_site, an_own_redis, until

pytestmark = pytest.mark.anyio
CUSTOMERS = 3
MANY = [f"pi_{n:03d}" for n in range(120)]
# What an answer of the api takes beside a Redis that is well, with room for a busy machine.
USUAL_S = 1.0
# Promised are five minutes.
PATIENCE_S = 60.0
# Long enough for arq to fall some six times.
LASTS_S = 15.0
# One that listens, one that asks, one that puts, one of the api, and what is being made anew.
MOST_CONNECTIONS = 5


@dataclass
class Ward:
    """An api and a worker beside a Redis that may fall ill; `slowest` is the api's longest
    answer."""

    site: Site
    way: Ailing
    redis: Redis
    door: Door
    worker: Child
    client: httpx.AsyncClient
    slowest: float = 0.0

    async def reports(self, events: list[bytes]) -> set[int]:
        """Webhooks, one after the other; what they were answered."""
        for n, body in enumerate(events):
            began = time.monotonic()
            await self.door.tries(self.client, str(n), body)
            self.slowest = max(self.slowest, time.monotonic() - began)
        return set(self.door.answers)

    async def stops(self, case: Case) -> int:
        """Somebody's command about a case."""
        merchant = self.site.account.merchant_id
        _, secret = await create_key(
            self.site.world, merchant_id=merchant, name="t", scopes=[Scope.CASES_WRITE], actor="t"
        )
        began = time.monotonic()
        answer = await self.client.post(
            f"{self.door.url}/v1/cases/{case.case_id}/stop",
            headers={"Authorization": f"Bearer {secret}", "Idempotency-Key": "k"},
            json={"reason": "they asked"},
        )
        self.slowest = max(self.slowest, time.monotonic() - began)
        return answer.status_code

    async def cases(self) -> list[Case]:
        async with self.site.world.store.transaction(self.site.account.merchant_id) as tx:
            return await tx.find(Case, where={})

    async def arq_is_at_work(self) -> bool:
        """Whether a worker's arq has told Redis so, and not long ago."""
        return bool(await self.redis.keys("holdfast:worker:*"))

    async def is_ready(self) -> bool:
        return (await self.client.get(f"{self.door.url}/readyz")).status_code == 200


@asynccontextmanager
async def a_ward(database_url: str, redis_url: str, folder) -> AsyncIterator[Ward]:
    """All is well at first: the api is ready, arq runs."""
    async with (
        an_ailing(redis_url) as (way, address),
        a_site(database_url, address, folder) as site,
        Redis.from_url(redis_url) as redis,
        httpx.AsyncClient(timeout=30) as client,
    ):
        with a_door(site) as door:
            door.api()
            ward = Ward(site, way, redis, door, site.worker(), client)
            await until(ward.is_ready)
            await until(ward.arq_is_at_work)
            yield ward


@asynccontextmanager
async def a_replica(ward: Ward) -> AsyncIterator[None]:
    """A failover went wrong: what was the master follows one that is gone, and takes no writes."""
    await ward.redis.execute_command("REPLICAOF", "127.0.0.1", str(free_port()))
    yield
    await ward.redis.execute_command("REPLICAOF", "NO", "ONE")


@asynccontextmanager
async def loading(ward: Ward) -> AsyncIterator[None]:
    ward.way.loads = True
    yield
    ward.way.loads = False


@asynccontextmanager
async def slow(ward: Ward) -> AsyncIterator[None]:
    ward.way.late_s = 2.0
    yield
    ward.way.late_s = 0.0


Ailment = Callable[[Ward], AbstractAsyncContextManager[None]]


@pytest.fixture
def redis_of_its_own(tmp_path):
    with an_own_redis(tmp_path) as engines:
        yield engines.redis_url


@pytest.mark.parametrize("ailment", [a_replica, loading, slow])
async def test_beside_a_redis_that_is_not_well_all_goes_on_and_by_itself_when_it_is(
    clean_database: str, redis_of_its_own: str, tmp_path, ailment: Ailment
) -> None:
    async with a_ward(clean_database, redis_of_its_own, tmp_path) as ward:
        # given customers whose subscriptions were heard of while Redis was well
        events = bodies("t", created=int(time.time()))
        told = list(itertools.islice(events, TOGETHER + CUSTOMERS))
        await ward.reports(told[:CUSTOMERS])

        # when their payments fail, and much is due, while it is not
        async with ailment(ward):
            statuses = await ward.reports(told[-CUSTOMERS:])
            await ward.site.plans(*MANY)
            await until(ward.site.all_done, PATIENCE_S)
            await until(ward.cases)
            commanded = await ward.stops((await ward.cases())[0])
            await asyncio.sleep(LASTS_S)
            connections = len(ward.way.open)
            lives = ward.worker.process is not None and ward.worker.process.poll() is None

        # then nobody had to wait, nothing was piled up, and arq is at work again
        assert (statuses, commanded) == ({200}, 200)
        assert (lives, ward.slowest < USUAL_S) == (True, True)
        assert connections <= MOST_CONNECTIONS
        await ward.redis.delete(*await ward.redis.keys("holdfast:worker:*"), "any")
        await ward.site.plans("pi_after")
        await until(ward.site.all_done)
        await until(ward.arq_is_at_work)
