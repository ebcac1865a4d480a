"""F26 and F27: a PostgreSQL that is away for half a minute, one that refuses one commit in ten, and
one without a free connection."""

import asyncio
import itertools
import json
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from time import monotonic
from typing import Any

import asyncpg
import httpx
import pytest

from app.domain.dunning import Case
from bench.events import TOGETHER, bodies
from tests.faults.cutting import a_wire
from tests.faults.doors import Door, a_door
from tests.processes.site import a_site, until

pytestmark = pytest.mark.anyio
AWAY_S = 30.0
# What a failover of half a minute may cost beyond itself: a lease (here 2 s), and some sweeps.
BACK_WITHIN_S = 30.0
MANY = [f"pi_{n:03d}" for n in range(200)]
CUSTOMERS = 20

# As it refuses in earnest: a transaction as a whole, at its end, for no fault of whoever asks.
REFUSES = """
create sequence refusals;
create function refuses() returns trigger language plpgsql security definer as $$
begin
    if hashtext(pg_current_xact_id()::text) % 10 = 0 then
        perform nextval('refusals');
        raise exception 'could not serialize access' using errcode = '{code}';
    end if;
    return null;
end $$;
create constraint trigger refuses after insert or update on actions
    deferrable initially deferred for each row execute function refuses();
create constraint trigger refuses after insert or update on cases
    deferrable initially deferred for each row execute function refuses();
"""


async def test_a_database_that_is_away_for_half_a_minute_costs_time_and_nothing_else(
    clean_database: str, redis_url: str, tmp_path: Path
) -> None:
    async with (
        a_wire(clean_database) as (wire, url),
        a_site(clean_database, redis_url, tmp_path, lease_s=2) as site,
        httpx.AsyncClient(timeout=60) as client,
    ):
        # given an api and a worker in the middle of much work
        site.environment["DATABASE_URL"] = url
        with a_door(site) as door:
            children = [door.api(), site.worker()]
            events = _failures("o")
            await door.sends(events[:-1])
            await site.plans(*MANY)

            # when there is no database for half a minute, and the provider tells something new
            began = monotonic()
            outage = asyncio.create_task(wire.goes_away(AWAY_S))
            await asyncio.sleep(1)
            taken = await door.tries(client, *events[-1])
            await outage
            await door.sends(events[-1:])
            await until(site.all_done, BACK_WITHIN_S)
            await until(door.all_handled, BACK_WITHIN_S)

            # then the provider was asked to come back, all is done, and nobody died of it
            assert (taken, door.answers[503]) == (False, 1)
            assert monotonic() - began < AWAY_S + BACK_WITHIN_S
            assert [child.process and child.process.poll() for child in children] == [None, None]
            assert set(site.provider.counts) == set(MANY)
            assert await door.kept() == sorted(name for name, _ in events)
            assert await _cases(door) == CUSTOMERS


@pytest.mark.parametrize("code", ["40001", "40P01"])
async def test_where_one_commit_in_ten_is_refused_all_is_done_once(
    own_database: str, redis_url: str, tmp_path: Path, code: str
) -> None:
    async with (
        _owner(own_database) as owner,
        a_site(own_database, redis_url, tmp_path, lease_s=2) as site,
    ):
        # given a database that refuses to serialize, or finds deadlocks, as often as that
        await site.plans(*MANY)
        await owner.execute(REFUSES.format(code=code))
        with a_door(site) as door:
            children = [door.api(), site.worker()]

            # when payments fail while much is due
            events = _failures("s")
            await door.sends(events)
            await until(site.all_done, 120)
            await until(door.all_handled, 120)

            # then nothing is missing, nothing is there twice, and nobody died of it
            assert await owner.fetchval("select last_value from refusals") > len(MANY) / 20
            assert set(site.provider.counts) == set(MANY)
            assert await door.kept() == sorted(name for name, _ in events)
            assert await _cases(door) == CUSTOMERS
            assert [child.process and child.process.poll() for child in children] == [None, None]


async def test_a_database_without_a_free_connection_costs_time_and_nothing_else(
    clean_database: str, redis_url: str, tmp_path: Path
) -> None:
    async with (
        a_site(clean_database, redis_url, tmp_path, lease_s=2) as site,
        httpx.AsyncClient(timeout=60) as client,
    ):
        # given an api and a worker that start where others hold every connection
        await site.plans(*MANY)
        with a_door(site) as door:
            events = _failures("c")
            async with _all_connections(clean_database):
                children = [door.api(), site.worker()]
                taken = await door.tries(client, *events[0])
                ready = (await client.get(f"{door.url}/readyz")).status_code
                asked = list(site.provider.asked)

            # when those leave
            await door.sends(events)
            await until(site.all_done, 120)
            await until(door.all_handled, 120)

            # then the provider was asked to come back, all is done, and nobody died of it
            assert (taken, door.answers[503], ready, asked) == (False, 1, 503, [])
            assert set(site.provider.counts) == set(MANY)
            assert await door.kept() == sorted(name for name, _ in events)
            assert await _cases(door) == CUSTOMERS
            assert [child.process and child.process.poll() for child in children] == [None, None]


def _failures(tag: str) -> list[tuple[str, bytes]]:
    """Subscriptions and their failed payments, as (event, body)."""
    made = list(itertools.islice(bodies(tag, created=int(time.time())), 2 * TOGETHER))
    chosen = made[:CUSTOMERS] + made[TOGETHER : TOGETHER + CUSTOMERS]
    return [(json.loads(body)["id"], body) for body in chosen]


async def _cases(door: Door) -> int:
    """How many invoices have a case; fails where one has two."""
    async with door.site.world.store.transaction(door.site.account.merchant_id) as tx:
        invoices = [case.invoice_id for case in await tx.find(Case, where={})]
    assert len(invoices) == len(set(invoices))
    return len(invoices)


@asynccontextmanager
async def _owner(url: str) -> AsyncIterator[Any]:
    connection = await asyncpg.connect(url)
    try:
        yield connection
    finally:
        await connection.close()


@asynccontextmanager
async def _all_connections(url: str) -> AsyncIterator[None]:
    """Every connection that the server still gives to us."""
    async with AsyncExitStack() as held:
        while True:
            try:
                await held.enter_async_context(_owner(url))
            except asyncpg.TooManyConnectionsError:
                break
        yield
