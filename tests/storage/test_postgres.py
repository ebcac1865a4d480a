"""What only a real database does: connections lost, time that runs out, claimers in a race."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import asyncpg
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from app.domain.mirror import Customer
from app.domain.policies import DEPLOYMENT, PolicyState, PolicyVersion
from app.ports.store import Conflict, StoreUnavailable
from app.storage.store import PostgresStore, create_engine
from tests.storage.builders import NOW, OURS, account, action, customer, merchant

pytestmark = pytest.mark.anyio
KILL = """
select pg_terminate_backend(pid) from pg_stat_activity
where datname = current_database() and application_name = 'holdfast'
"""


@pytest.fixture
async def engine(clean_database: str) -> AsyncIterator[AsyncEngine]:
    engine = create_engine(clean_database)
    async with PostgresStore(engine).transaction(OURS) as tx:
        await tx.insert([merchant()])
        await tx.insert([account()])
    yield engine
    await engine.dispose()


@pytest.fixture
async def outsider(clean_database: str) -> AsyncIterator[Any]:
    connection = await asyncpg.connect(clean_database)
    yield connection
    await connection.close()


def a_version(number: int, by: str) -> PolicyVersion:
    return PolicyVersion(
        merchant_id=OURS,
        name="default",
        version=number,
        document={},
        state=PolicyState.PUBLISHED,
        published_by=by,
    )


async def test_one_version_of_a_policy_is_in_force_beside_what_the_file_said(
    engine: AsyncEngine,
) -> None:
    async with PostgresStore(engine).transaction(OURS) as tx:
        given = [a_version(1, DEPLOYMENT), a_version(2, DEPLOYMENT), a_version(3, "key_1")]
        new = await tx.insert(given)
        second = await tx.insert([a_version(4, "key_1")])

    assert new == given
    assert second == []


async def test_a_connection_lost_midway_leaves_nothing_and_the_next_one_works(
    engine: AsyncEngine, outsider: Any
) -> None:
    store = PostgresStore(engine)

    async def lose() -> None:
        async with store.transaction(OURS) as tx:
            await tx.save([customer("lost")])
            await outsider.execute(KILL)
            await tx.save([customer("never")])

    with pytest.raises(StoreUnavailable):
        await lose()

    async with store.transaction(OURS) as tx:
        assert await tx.find(Customer, where={}) == []


async def test_a_connection_lost_before_the_commit_is_no_commit(
    engine: AsyncEngine, outsider: Any
) -> None:
    store = PostgresStore(engine)

    async def lose() -> None:
        async with store.transaction(OURS) as tx:
            await tx.save([customer("lost")])
            await outsider.execute(KILL)

    with pytest.raises(StoreUnavailable):
        await lose()

    async with store.transaction(OURS) as tx:
        assert await tx.find(Customer, where={}) == []


async def test_connections_that_died_in_the_pool_are_replaced_unseen(
    engine: AsyncEngine, outsider: Any
) -> None:
    await outsider.execute(KILL)

    async with PostgresStore(engine).transaction(OURS) as tx:
        assert await tx.find(Customer, where={}) == []


async def test_a_database_that_is_away_is_unavailable() -> None:
    engine = create_engine("postgresql://nobody@127.0.0.1:1/nowhere")

    with pytest.raises(StoreUnavailable):
        async with PostgresStore(engine).transaction(OURS):
            pass

    await engine.dispose()


async def test_a_transaction_that_does_not_end_is_ended(engine: AsyncEngine) -> None:
    never = asyncio.Event()

    async def dawdle() -> None:
        async with PostgresStore(engine, limit_s=0.05).transaction(OURS) as tx:
            await tx.save([customer("late")])
            await never.wait()

    with pytest.raises(StoreUnavailable, match="no end"):
        await dawdle()

    async with PostgresStore(engine).transaction(OURS) as tx:
        assert await tx.find(Customer, where={}) == []


async def test_a_timeout_of_the_use_case_itself_stays_what_it_is(engine: AsyncEngine) -> None:
    async def give_up() -> None:
        async with PostgresStore(engine).transaction(OURS) as tx:
            await tx.save([customer("late")])
            raise TimeoutError("of the use case")

    with pytest.raises(TimeoutError, match="of the use case"):
        await give_up()


async def test_claimers_in_a_race_never_double_and_never_split_a_customer(
    engine: AsyncEngine,
) -> None:
    store = PostgresStore(engine)
    rows = [action(f"{n:03}", hours=-n, customer_id=f"cus_{n % 100}") for n in range(200)]
    async with store.transaction(OURS) as tx:
        await tx.insert(rows)

    async def claim() -> list[tuple[str, str | None]]:
        found: list[tuple[str, str | None]] = []
        for _ in range(6):
            async with store.system() as tx:
                rows = await tx.claim_actions(9, now=NOW, lease_s=60)
            found += [(row.action_id, row.customer_id) for row in rows]
        return found

    claimed = [one for mine in await asyncio.gather(*(claim() for _ in range(4))) for one in mine]

    assert len({action_id for action_id, _ in claimed}) == len(claimed) == 100
    assert len({name for _, name in claimed}) == 100


async def test_a_lock_that_is_not_let_go_is_a_conflict(engine: AsyncEngine, outsider: Any) -> None:
    store = PostgresStore(engine)
    async with outsider.transaction():
        await outsider.execute("lock table customers in access exclusive mode")

        async def save() -> None:
            async with store.transaction(OURS) as tx:
                await tx._ask("set local lock_timeout = '20ms'")
                await tx.save([customer()])

        with pytest.raises(Conflict):
            await save()


async def test_of_two_that_wait_for_each_other_one_is_a_conflict_and_the_other_goes_on(
    engine: AsyncEngine,
) -> None:
    store, both = PostgresStore(engine), asyncio.Barrier(2)
    async with store.transaction(OURS) as tx:
        await tx.insert([customer("cus_1"), customer("cus_2")])

    async def save(first: str, second: str) -> None:
        async with store.transaction(OURS) as tx:
            await tx.save([replace(customer(first), name="A")])
            await both.wait()
            await tx.save([replace(customer(second), name="A")])

    ends = await asyncio.gather(
        save("cus_1", "cus_2"), save("cus_2", "cus_1"), return_exceptions=True
    )

    async with store.transaction(OURS) as tx:
        names = [row.name for row in await tx.find(Customer, where={})]
    assert [type(end) for end in ends if end is not None] == [Conflict]
    assert names == ["A", "A"]


async def test_where_no_connection_is_free_one_is_told_so_and_the_next_works(
    clean_database: str,
) -> None:
    engine = create_engine(clean_database, pool_size=1)  # two at most
    patient, hasty = PostgresStore(engine, limit_s=30), PostgresStore(engine, limit_s=0.2)

    async with patient.transaction(OURS), patient.transaction(OURS):
        with pytest.raises(StoreUnavailable):
            async with hasty.transaction(OURS):
                pass
    async with patient.transaction(OURS) as tx:
        found = await tx.find(Customer, where={})
    await engine.dispose()

    assert found == []


async def test_work_of_a_kind_that_a_newer_release_brought_is_left_to_it(own_database: str) -> None:
    engine = create_engine(own_database)
    store = PostgresStore(engine)
    async with store.transaction(OURS) as tx:
        await tx.insert([merchant()])
        await tx.insert([account()])
        newer_one = action("newer", hours=-1, customer_id="cus_1")
        await tx.insert([action("known", customer_id="cus_1"), newer_one])
    newer = await asyncpg.connect(own_database)
    await newer.execute("alter table actions drop constraint actions_kind_words")
    await newer.execute("update actions set kind = 'newer' where subject = 'newer'")
    await newer.close()

    async with store.system() as tx:
        claimed = await tx.claim_actions(10, now=NOW, lease_s=60)
    await engine.dispose()

    assert [each.subject for each in claimed] == ["known"]
