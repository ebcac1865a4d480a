"""F28: who knows a wrong time claims nothing, by the database's clock."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest

from app.ports.store import StoreUnavailable
from app.storage.agreeing import AGAIN_S, APART_S, STEP_S, Agreement
from app.storage.store import PostgresStore, create_engine

pytestmark = pytest.mark.anyio
A_DAY = timedelta(days=1)


@pytest.fixture
async def store(clean_database: str) -> AsyncIterator[PostgresStore]:
    engine = create_engine(clean_database)
    yield PostgresStore(engine, agreement=Agreement())
    await engine.dispose()


@pytest.mark.parametrize(
    ("apart", "told"),
    [
        pytest.param(A_DAY, "ahead of", id="a day ahead"),
        pytest.param(-A_DAY, "behind", id="a day behind"),
        pytest.param(timedelta(minutes=10), "ahead of", id="ten minutes ahead"),
        pytest.param(datetime(2038, 1, 19, 4, tzinfo=UTC) - datetime.now(UTC), "ahead", id="2038"),
    ],
)
async def test_an_instant_that_is_not_the_databases_is_refused(
    store: PostgresStore, apart: timedelta, told: str
) -> None:
    with pytest.raises(StoreUnavailable, match=told):
        async with store.system() as tx:
            await tx.agree_on(datetime.now(UTC) + apart)


@pytest.mark.parametrize("apart", [timedelta(), timedelta(seconds=20), timedelta(seconds=-20)])
async def test_machines_may_differ_by_less_than_a_minute(
    store: PostgresStore, apart: timedelta
) -> None:
    async with store.system() as tx:
        await tx.agree_on(datetime.now(UTC) + apart)


async def test_a_clock_that_is_set_meanwhile_is_asked_about_at_once(store: PostgresStore) -> None:
    async with store.system() as tx:
        await tx.agree_on(datetime.now(UTC))

    with pytest.raises(StoreUnavailable):
        async with store.system() as tx:
            await tx.agree_on(datetime.now(UTC) + A_DAY)


async def test_of_a_stepped_clock_nothing_is_asked(clean_database: str) -> None:
    engine = create_engine(clean_database)

    async with PostgresStore(engine).system() as tx:
        await tx.agree_on(datetime.now(UTC) + 1_000 * A_DAY)

    await engine.dispose()


def test_what_was_agreed_upon_holds_for_a_minute_of_a_clock_that_goes_on_steadily() -> None:
    at = [100.0]
    agreement, now = Agreement(lambda: at[0]), datetime(2026, 3, 2, tzinfo=UTC)
    refused = agreement.learns(now, APART_S + 1)
    before = agreement.holds(now)
    agreement.learns(now, -APART_S)

    at[0] += AGAIN_S - 1
    later = now + timedelta(seconds=AGAIN_S - 1)
    holds = agreement.holds(later)
    was_set = not agreement.holds(later + timedelta(seconds=STEP_S))
    at[0] += 1
    is_old = not agreement.holds(later + timedelta(seconds=1))

    assert refused == "this machine's clock is 61 s ahead of the database's: set it right"
    assert not before
    assert (holds, was_set, is_old) == (True, True, True)
