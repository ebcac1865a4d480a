"""Migrating: again, at once, and where it cannot work."""

import os
import re
import subprocess
import sys
from datetime import UTC, datetime

import anyio
import pytest

from app.ports.store import StoreUnavailable
from app.storage.addresses import driver_url, engine_url
from app.storage.migrate import missing_migrations, upgrade
from app.storage.store import PostgresStore, create_engine
from tests.databases import Server


def missing(url: str) -> list[str]:
    async def ask() -> list[str]:
        engine = create_engine(url)
        try:
            return await missing_migrations(engine)
        finally:
            await engine.dispose()

    return anyio.run(ask)


UPGRADE = "import os; from app.storage.migrate import upgrade; upgrade(os.environ['URL'])"


def upgrade_at_once(*urls: str) -> list[int]:
    """Replicas that start together, each a process: how each of them ended."""
    replicas = [
        subprocess.Popen([sys.executable, "-c", UPGRADE], env=os.environ | {"URL": url})
        for url in urls
    ]
    return [replica.wait(timeout=60) for replica in replicas]


def test_several_may_migrate_one_database_at_once_and_again(server: Server) -> None:
    url = server.create("at_once")
    before = missing(url)

    ends = upgrade_at_once(url, url)
    upgrade(engine_url(url))

    assert before[0] == "0001"
    assert ends == [0, 0]
    assert missing(url) == []


def test_two_databases_of_one_server_may_be_migrated_at_once(server: Server) -> None:
    urls = [server.create("one"), server.create("another")]

    ends = upgrade_at_once(*urls)

    assert ends == [0, 0]
    assert [missing(url) for url in urls] == [[], []]


def test_a_database_that_was_not_migrated_is_not_available(server: Server) -> None:
    url = server.create("never")

    async def look() -> None:
        engine = create_engine(url)
        try:
            async with PostgresStore(engine).system() as tx:
                await tx.claim_inbox(1, at=datetime.now(UTC))
        finally:
            await engine.dispose()

    with pytest.raises(StoreUnavailable):
        anyio.run(look)


@pytest.mark.parametrize("start", ["postgresql://", "postgres://", "postgresql+asyncpg://"])
def test_a_url_may_come_in_any_of_its_forms(start: str) -> None:
    assert driver_url(f"{start}me:x@host/db") == "postgresql://me:x@host/db"
    assert engine_url(f"{start}me:x@host/db") == "postgresql+asyncpg://me:x@host/db"


def test_a_url_of_another_database_is_refused_without_repeating_it() -> None:
    with pytest.raises(ValueError, match=re.escape("begin with postgresql://")) as refused:
        driver_url("mysql://me:secret@host/db")

    assert "secret" not in str(refused.value)
