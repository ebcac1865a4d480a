"""F37: a database that was restored goes on where it stood. The commands are those of
docs/operations.md."""

import asyncio
from pathlib import Path

import pytest

from app.embedded import migrate
from tests.databases import Server
from tests.faults.guide import typed, types
from tests.processes.site import a_site, until

pytestmark = pytest.mark.anyio
MANY = [f"pi_{n:03d}" for n in range(40)]


async def test_a_restored_backup_has_every_row_and_goes_on(
    server: Server, clean_database: str, redis_url: str, tmp_path: Path
) -> None:
    # given a deployment with work to do, and its backup
    async with a_site(clean_database, redis_url, tmp_path) as site:
        await site.plans(*MANY)
        named = {
            "ADMIN_URL": server.admin_address("migrated"),
            "NEW_URL": server.admin_address("restored"),
        }
        (backup,) = typed("Backup")
        await asyncio.to_thread(types, backup, tmp_path, **named)

        # when it is restored into an empty database, and a worker is started on it
        url = server.create("restored", template="template0")
        for command in typed("Restore"):
            await asyncio.to_thread(types, command, tmp_path, **named)
        await asyncio.to_thread(migrate, url)
        site.environment["DATABASE_URL"] = url
        site.worker()
        await until(lambda: set(site.provider.counts) == set(MANY), 120)

    # then all that was due was done there, once
    assert set(site.provider.counts.values()) == {1}
    server.drop("restored")
