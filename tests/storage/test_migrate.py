"""Migrating: again, at once, and where it cannot work."""

import asyncio
import os
import re
import runpy
import subprocess
import sys
from datetime import UTC, datetime

import asyncpg
import pytest
from alembic.operations import Operations
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection

from app.domain.personal import veiled
from app.ports.store import StoreUnavailable
from app.resources import resource
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

    return asyncio.run(ask())


# Old processes run on beside a newer schema: what they read and write is only ever added to.
TAKES_AWAY = re.compile(r"drop (table|column)|rename (to|column)|set not null|alter column", re.I)
LAST_TO_TAKE_AWAY = "0026"
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


def test_what_a_newer_release_made_is_left_as_it_is(server: Server) -> None:
    url = server.create("newer", template=server.template())
    server.as_admin(server.database("newer"), "update alembic_version set version_num = '9999'")

    upgrade(url)

    kept = server.as_admin(server.database("newer"), "select version_num from alembic_version")
    assert [row[0] for row in kept] == ["9999"]
    assert missing(url) == []


def test_a_migration_takes_nothing_away_that_the_release_before_it_needs() -> None:
    versions = resource("migrations") / "versions"
    taking = [
        path.name
        for path in sorted(versions.glob("[0-9]*.py"))
        if path.name[:4] > LAST_TO_TAKE_AWAY and TAKES_AWAY.search(path.read_text())
    ]

    assert (versions / "0019_more_rollups.py").exists()
    assert taking == []


AUDITED = """
insert into audit_log values ('aud_1', 'mer', '2026-01-01', 'test', 'suppression.made', 'sup_1',
    null, '{"recipient": "ada@example.com", "reason": "operator"}'),
    ('aud_2', 'mer', '2026-01-01', 'test', 'case.stop', 'case_1', '{"reason": "by phone"}', '{}')
"""


def test_audit_lines_of_before_name_nobody_after_the_upgrade(server: Server) -> None:
    # given lines that were written while they still named people
    name, url = server.database("audited"), server.create("audited", template=server.template())
    server.as_admin(name, "alter table audit_log drop constraint audit_log_merchant_id_refers")
    server.as_admin(name, AUDITED)

    # when the migration comes to them
    asyncio.run(run_step(url, "0032_personal_data", "_name_nobody"))

    # then they name nobody, say all else, and cannot be changed
    said = server.as_admin(name, "select before, after from audit_log order by audit_id")
    shown = [tuple(row) for row in said]
    assert shown == [(None, '{"reason": "operator"}'), ('{"reason": "by phone"}', "{}")]
    with pytest.raises(asyncpg.RestrictViolationError):
        server.as_admin(name, "delete from audit_log")
    forced = "select relforcerowsecurity from pg_class where relname = 'audit_log'"
    assert [row[0] for row in server.as_admin(name, forced)] == [True]


DECLARED = """
insert into merchants (merchant_id, name, time_zone, language, sender_email, sender_name,
    assignment_key, holdout_percent, created_at)
    values ('mer', 'Kelp', 'UTC', 'en', '', '', 'key', 0, '2026-01-01')
"""
DECLARATION = """
insert into declarations (declaration_id, merchant_id, once, kind, name, email, reference, language,
    received_at, state) values ('{0}', 'mer', '{0}', 'ordinary', '', '{1}', '', 'en',
    '2026-01-01', 'waiting')
"""


def test_declarations_of_before_are_found_by_their_address_after_the_upgrade(
    server: Server,
) -> None:
    # given what a former release took down, and of whom it erased one
    name, url = server.database("declared"), server.create("declared", template=server.template())
    server.as_admin(name, DECLARED)
    for number, address in enumerate(("Ada@Example.com", "ben@example.com", "")):
        server.as_admin(name, DECLARATION.format(number, address))

    # when the migration comes to them
    asyncio.run(run_step(url, "0039_by_address", "_note_addresses"))

    # then each is found by what the service looks for
    found = server.as_admin(name, "select email_hash from declarations order by declaration_id")
    wanted = [veiled(address, "key") for address in ("ada@example.com", "ben@example.com", "")]
    assert [row[0] for row in found] == wanted
    forced = (
        "select relforcerowsecurity from pg_class where relname in ('declarations','merchants')"
    )
    assert [row[0] for row in server.as_admin(name, forced)] == [True, True]


async def run_step(url: str, module: str, step: str) -> None:
    """One step of a migration, by the login that migrates."""
    path = resource("migrations") / "versions" / f"{module}.py"
    namespace = runpy.run_path(str(path))

    def work(connection: Connection) -> None:
        with Operations.context(MigrationContext.configure(connection)):
            namespace[step]()

    engine = create_engine(url)
    async with engine.begin() as connection:
        await connection.run_sync(work)
    await engine.dispose()


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
        asyncio.run(look())


@pytest.mark.parametrize("start", ["postgresql://", "postgres://", "postgresql+asyncpg://"])
def test_a_url_may_come_in_any_of_its_forms(start: str) -> None:
    assert driver_url(f"{start}me:x@host/db") == "postgresql://me:x@host/db"
    assert engine_url(f"{start}me:x@host/db") == "postgresql+asyncpg://me:x@host/db"


def test_a_url_of_another_database_is_refused_without_repeating_it() -> None:
    with pytest.raises(ValueError, match=re.escape("begin with postgresql://")) as refused:
        driver_url("mysql://me:secret@host/db")

    assert "secret" not in str(refused.value)
