"""The database as migrated, the tables as declared and the records agree."""

import importlib
import pkgutil
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from enum import StrEnum
from typing import Any

import asyncpg
import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import PrimaryKeyConstraint, UniqueConstraint
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

import app.domain
from app.domain.dunning import MOVES, CaseState
from app.storage.addresses import engine_url
from app.storage.registry import APPEND_ONLY, TABLES
from app.storage.scope import APP, entering
from app.storage.shapes import Shape, shapes_of
from app.storage.tables import BELONGS, METADATA, TYPES

pytestmark = pytest.mark.anyio
KINDS = pytest.mark.parametrize("kind", TABLES, ids=lambda kind: kind.__name__)
# What tables have beyond their records, and why: see their files.
MORE_COLUMNS = {"inbox": {"seq"}}
MORE_UNIQUES = {"provider_accounts": {("merchant_id", "account_id")}}


@pytest.fixture
async def login(migrated_database_url: str) -> AsyncIterator[Any]:
    connection = await asyncpg.connect(migrated_database_url)
    yield connection
    await connection.close()


def stored_kinds() -> set[type[Any]]:
    found: set[type[Any]] = set()
    for module in pkgutil.iter_modules(app.domain.__path__):
        names = vars(importlib.import_module(f"app.domain.{module.name}")).values()
        found |= {kind for kind in names if isinstance(kind, type) and hasattr(kind, "KEY")}
    return {kind for kind in found if not getattr(kind, "_is_protocol", False)}


def test_every_record_with_a_key_has_a_table() -> None:
    assert stored_kinds() == set(TABLES)


@KINDS
def test_a_table_has_the_fields_of_its_record_and_their_types(kind: type[Any]) -> None:
    table = TABLES[kind]
    declared = {c.name: (c.type, c.nullable) for c in table.columns}
    for name in MORE_COLUMNS.get(table.name, ()):
        del declared[name]

    wanted = {s.name: (TYPES[s.sql], s.optional) for s in shapes_of(kind).values()}
    assert declared == wanted
    assert "merchant_id" in declared


@KINDS
def test_a_table_has_the_key_and_the_uniques_of_its_record(kind: type[Any]) -> None:
    table = TABLES[kind]
    rules = [rule for rule in table.constraints if isinstance(rule, UniqueConstraint)]
    uniques = {tuple(column.name for column in rule.columns) for rule in rules}

    assert isinstance(table.primary_key, PrimaryKeyConstraint)
    assert tuple(table.primary_key.columns.keys()) == kind.KEY
    assert uniques == set(kind.UNIQUE) | MORE_UNIQUES.get(table.name, set())


@KINDS
def test_indexes_that_begin_with_the_account_go_on_alike(kind: type[Any]) -> None:
    """Of a table that was not counted yet any of them would do, and a plan is kept: a lookup by
    the wrong one reads the whole account."""
    table = TABLES[kind]
    keys = [rule for rule in table.constraints if isinstance(rule, UniqueConstraint)]
    known = [tuple(c.name for c in rule.columns) for rule in (table.primary_key, *keys)]
    known += [tuple(c.name for c in index.columns) for index in table.indexes]

    assert len({names[1:2] for names in known if names[0] == "account_id"}) <= 1


async def test_the_migrations_make_the_declared_tables(migrated_database_url: str) -> None:
    engine = create_async_engine(engine_url(migrated_database_url), poolclass=NullPool)
    async with engine.connect() as connection:
        differences = await connection.run_sync(
            lambda sync: compare_metadata(
                MigrationContext.configure(sync, opts={"compare_type": True}), METADATA
            )
        )
    await engine.dispose()

    assert differences == []


async def test_a_check_knows_the_words_of_every_enum(login: Any) -> None:
    rows = await login.fetch(
        "select conname as name, pg_get_constraintdef(oid) as rule from pg_constraint"
        " where contype = 'c' and conname like '%_words'"
    )
    found = {row["name"]: set(re.findall(r"'([^']+)'", row["rule"])) for row in rows}

    wanted: dict[str, set[str]] = {}
    for kind, table in TABLES.items():
        for shape in shapes_of(kind).values():
            if shape.words:
                wanted[f"{table.name}_{shape.name}_words"] = _words(shape)
    assert found == wanted
    assert found["cases_state_words"] == {str(state) for state in MOVES}
    assert set(MOVES) == set(CaseState)


def _words(shape: Shape) -> set[str]:
    kind: type[StrEnum] | None = shape.words
    return {str(word) for word in kind or ()}


async def test_every_other_check_of_the_tables_is_in_the_database(login: Any) -> None:
    rows = await login.fetch(
        "select conname as name from pg_constraint"
        " where contype = 'c' and connamespace = 'public'::regnamespace"
    )
    declared = {
        rule.name
        for table in TABLES.values()
        for rule in table.constraints
        if type(rule).__name__ == "CheckConstraint"
    }

    assert declared == {row["name"] for row in rows}


async def test_text_sorts_alike_on_every_server(login: Any) -> None:
    rows = await login.fetch(
        "select table_name, column_name from information_schema.columns"
        " where table_schema = 'public' and data_type = 'text' and collation_name <> 'C'"
        " or data_type = 'text' and table_schema = 'public' and collation_name is null"
    )

    assert rows == []


async def test_money_is_whole_and_time_has_a_zone(login: Any) -> None:
    rows = await login.fetch(
        "select distinct data_type from information_schema.columns where table_schema = 'public'"
        " and table_name <> 'alembic_version'"
        # products of money in minor units, which are whole too
        " and not (table_name in ('arm_cells', 'arm_steps') and data_type = 'numeric')"
    )

    assert {row["data_type"] for row in rows} == {
        "bigint", "boolean", "jsonb", "text", "timestamp with time zone",
    }  # fmt: skip


async def test_no_extension_is_needed(login: Any) -> None:
    rows = await login.fetch("select extname from pg_extension")

    assert [row["extname"] for row in rows] == ["plpgsql"]


async def test_the_inbox_is_packed_with_lz4_where_the_server_can(login: Any) -> None:
    can = await login.fetchval(
        "select 'lz4' = any (enumvals) from pg_settings where name = 'default_toast_compression'"
    )
    chosen = await login.fetchval(
        "select attcompression from pg_attribute"
        " where attrelid = 'inbox'::regclass and attname = 'body'"
    )

    assert chosen.strip(b"\0") == (b"l" if can else b"")


async def test_new_rows_are_checked_for_what_they_belong_to(login: Any) -> None:
    rows = await login.fetch(
        "select tgrelid::regclass::text as table, tgfoid::regproc::text as check from pg_trigger"
        " where tgnewtable = 'given' and tgtype = 4"  # after, for each statement, insert
    )
    stay = await login.fetch(
        "select tgrelid::regclass::text as table from pg_trigger"
        " where tgfoid = 'holdfast_stays'::regproc"
    )

    declared = {table.name: table.info[BELONGS] for table in TABLES.values()}
    assert {(row["table"], row["check"]) for row in rows} == {
        (name, f"holdfast_in_{rule.table}") for name, rules in declared.items() for rule in rules
    }
    assert {row["table"] for row in stay} == {name for name, rules in declared.items() if rules}


@pytest.mark.parametrize("change", ["delete from {}", "truncate {} cascade"])
@pytest.mark.parametrize(
    "table", sorted({rule.table for table in TABLES.values() for rule in table.info[BELONGS]})
)
async def test_not_even_the_owner_takes_away_what_rows_belong_to(
    login: Any, table: str, change: str
) -> None:
    with pytest.raises(asyncpg.RestrictViolationError):
        await login.execute(change.format(table))


@pytest.mark.parametrize(
    "change", ["update {} set merchant_id = 'x'", "delete from {}", "truncate {}"]
)
@pytest.mark.parametrize("kind", sorted(APPEND_ONLY, key=str), ids=lambda kind: kind.__name__)
async def test_not_even_the_owner_rewrites_a_ledger(
    login: Any, kind: type[Any], change: str
) -> None:
    with pytest.raises(asyncpg.RestrictViolationError):
        await login.execute(change.format(TABLES[kind].name))


@pytest.mark.parametrize("change", ["set kind = 'complained'", "set at = at + interval '1 day'"])
async def test_of_a_report_about_mail_only_whom_it_names_is_overwritten(
    login: Any, change: str
) -> None:
    async with in_vain(login):
        await login.execute(
            "insert into message_events values ('evt', 'mer', 'post', 'ref', 'bounced',"
            " 'ada@example.com', null, 'no such', '2026-01-01', '2026-01-01')"
        )
        await login.execute("update message_events set recipient = 'erased:1', detail = null")
        with pytest.raises(asyncpg.RestrictViolationError):
            await login.execute(f"update message_events {change}")


@asynccontextmanager
async def in_vain(login: Any) -> AsyncIterator[None]:
    """A transaction as a merchant that comes to nothing."""
    transaction = login.transaction()
    await transaction.start()
    await login.execute(entering(APP, ["mer"]))
    try:
        yield
    finally:
        await transaction.rollback()
