"""The store under test: the twin and PostgreSQL, one after the other."""

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from app.ports.store import Store
from app.storage.memory import MemoryStore
from app.storage.store import PostgresStore
from tests.storage.builders import OURS, THEIRS, account, merchant


@pytest.fixture(params=["memory", "postgres"])
def place(request: pytest.FixtureRequest) -> str | None:
    """Where the store lies: a database's URL, or None for memory."""
    if request.param == "memory":
        return None
    url: str = request.getfixturevalue("clean_database")
    return url


@pytest.fixture
def empty_store(place: str | None, connected: AsyncEngine) -> Store:
    return MemoryStore() if place is None else PostgresStore(connected)


@pytest.fixture
async def store(empty_store: Store) -> Store:
    """With two merchants that have an account each."""
    async with empty_store.transaction(OURS, THEIRS) as tx:
        await tx.insert([merchant(OURS), merchant(THEIRS)])
        await tx.insert([account(OURS), account(THEIRS)])
    return empty_store
