"""F36, P14: a newer release beside the old one, and back again, by the guide of docs/operations.md.

A newer schema, and work that only the newer release knows: the old one does its own beside it.
"""

import asyncio
import itertools
import json
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

import asyncpg
import pytest

from app.domain.actions import ActionState
from app.domain.dunning import Case, CaseState
from bench.events import TOGETHER, bodies
from tests.databases import Server
from tests.faults.doors import Door, a_door
from tests.faults.guide import typed, types
from tests.faults.releases import Release, the_next_release, this_release
from tests.processes.site import Site, a_site, until

pytestmark = pytest.mark.anyio
NOT_YET = datetime(2099, 1, 1, tzinfo=UTC)
MANY = [f"pi_{n:03d}" for n in range(100)]
# A read of a payment, by the name that only the next release knows.
MAKE_TIDY = """
update actions set kind = 'tidy', due_at = '2025-12-01' where subject = any($1::text[])
"""
HOW_THEY_ARE = "select subject, state from actions where subject = any($1::text[])"


class Town:
    """A site whose database lies open to the test, rows of a newer release included."""

    def __init__(self, site: Site, server: Server) -> None:
        self.site, self._address = site, server.admin_address("own")

    async def plans_newer(self, *names: str, customer: str | None = None) -> None:
        """Plan work that only the next release knows; due before all else."""
        await self.site.plans(*names, customer=customer, due_at=NOT_YET)
        await self._asks(MAKE_TIDY, names)

    async def states(self, *names: str) -> set[str]:
        return {row["state"] for row in await self._asks(HOW_THEY_ARE, names)}

    async def are_done(self, *names: str) -> bool:
        return await self.states(*names) == {ActionState.DONE}

    async def cases(self) -> list[Case]:
        async with self.site.world.store.transaction(self.site.account.merchant_id) as tx:
            return await tx.find(Case, where={})

    async def _asks(self, question: str, names: Sequence[str]) -> list[asyncpg.Record]:
        connection = await asyncpg.connect(self._address)
        rows: list[asyncpg.Record] = await connection.fetch(question, list(names))
        await connection.close()
        return rows


def the_story(number: int) -> list[tuple[str, bytes]]:
    """What the provider tells of one customer: a subscription, a failed payment, the money."""
    made = list(itertools.islice(bodies("u", created=int(time.time())), 3 * TOGETHER - 1))
    mine = [body for body in made if f"cus_u{number:07d}".encode() in body]
    return [(json.loads(body)["id"], body) for body in mine]


@pytest.fixture
async def town(server: Server, own_database: str, redis_url: str, tmp_path: Path):
    async with a_site(own_database, redis_url, tmp_path) as site:
        yield Town(site, server)


@pytest.fixture
def door(town: Town) -> Iterator[Door]:
    with a_door(town.site) as door:
        yield door


async def test_old_and_new_work_side_by_side_and_the_old_goes_on_when_the_new_is_taken_back(
    town: Town, door: Door, tmp_path: Path
) -> None:
    site = town.site
    old, new = this_release(tmp_path / "old"), the_next_release(tmp_path / "new")
    known, failed, paid = the_story(0)

    # given the old release at work, and a customer whose payment failed
    door.api()
    site.worker()
    await site.plans(*MANY[:50])
    await door.sends([known, failed])

    # when the new one migrates while the old one works, and plans what only it knows
    await guided("Upgrade", new, town)
    await site.plans(*MANY[50:])
    await town.plans_newer("pi_new", "pi_new_of_customer", customer="cus_u0000000")
    await door.sends([paid])
    await until(site.all_done, 120)
    await until(door.all_handled, 120)
    waits = await town.states("pi_new", "pi_new_of_customer")

    # then the old one does all of its own, of the same customer too, and leaves that alone
    assert waits == {ActionState.PENDING}
    assert [case.state for case in await town.cases()] == [CaseState.RECOVERED]

    # when workers of both stand side by side, the new one does it
    newcomer = new.worker(site)
    await until(lambda: town.are_done("pi_new", "pi_new_of_customer"), 120)

    # when the new release is taken back, the schema stays, and what is its own waits
    await asyncio.to_thread(newcomer.stop)
    await town.plans_newer("pi_later")
    await typing("holdfast migrate", old, town)
    site.worker()
    await site.plans("pi_after")
    await until(lambda: town.are_done("pi_after"), 120)
    waits = await town.states("pi_later")

    # and once it is back, that is done as well: nothing was lost
    new.worker(site)
    await until(lambda: town.are_done("pi_later"), 120)
    assert waits == {ActionState.PENDING}
    assert {*MANY, "pi_new", "pi_new_of_customer", "pi_after", "pi_later"} <= set(
        site.provider.counts
    )


async def guided(heading: str, release: Release, town: Town) -> None:
    """What the guide says, typed with this release."""
    commands = typed(heading)
    assert commands
    for command in commands:
        await typing(command, release, town)


async def typing(command: str, release: Release, town: Town) -> None:
    folder, known = town.site.folder, town.site.environment
    named = {name: known[name] for name in ("DATABASE_URL", "REDIS_URL", "HOLDFAST_STATE_DIR")}
    await asyncio.to_thread(types, command, folder, release.bin, **named)
