"""The store under test: the twin and PostgreSQL, one after the other."""

from collections.abc import AsyncIterator

import pytest

from app.ports.store import Store
from app.storage.memory import MemoryStore
from app.storage.store import PostgresStore, create_engine
from tests.storage.builders import OURS, THEIRS, account, merchant


@pytest.fixture(params=["memory", "postgres"])
def place(request: pytest.FixtureRequest) -> str | None:
    """Where the store lies: a database's URL, or None for memory."""
    if request.param == "memory":
        return None
    url: str = request.getfixturevalue("clean_database")
    return url


@pytest.fixture
async def empty_store(place: str | None) -> AsyncIterator[Store]:
    if place is None:
        yield MemoryStore()
        return
    engine = create_engine(place)
    yield PostgresStore(engine)
    await engine.dispose()


@pytest.fixture
async def store(empty_store: Store) -> Store:
    """With two merchants that have an account each."""
    async with empty_store.transaction(OURS, THEIRS) as tx:
        await tx.insert([merchant(OURS), merchant(THEIRS)])
        await tx.insert([account(OURS), account(THEIRS)])
    return empty_store
