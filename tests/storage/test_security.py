"""P11, on the database itself: who may see which row, whatever a query forgets to ask."""

from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest

from app.domain.alerts import AlertKind
from app.services.alarms import alert
from app.storage.registry import APPEND_ONLY, DERIVED, SYSTEM_SEES, TABLES
from app.storage.scope import APP, ENTER, SYSTEM
from app.storage.store import PostgresStore, create_engine
from tests.storage.builders import NOW, OURS, THEIRS, account, customer, merchant

pytestmark = pytest.mark.anyio
TABLE_NAMES = {table.name for table in TABLES.values()}


@pytest.fixture
async def login(clean_database: str) -> AsyncIterator[Any]:
    """The production login: it owns the tables. Two merchants have a customer each."""
    engine = create_engine(clean_database)
    async with PostgresStore(engine).transaction(OURS, THEIRS) as tx:
        await tx.insert([merchant(OURS), merchant(THEIRS)])
        await tx.insert([account(OURS), account(THEIRS)])
        await tx.insert([customer("ours"), customer("theirs", of=THEIRS)])
        await tx.insert([alert(NOW, OURS, AlertKind.CURRENCY, "in_1", "is another one")])
    await engine.dispose()
    connection = await asyncpg.connect(clean_database)
    yield connection
    await connection.close()


async def test_the_login_is_neither_superuser_nor_past_the_policies(login: Any) -> None:
    row = await login.fetchrow(
        "select rolsuper, rolbypassrls from pg_roles where rolname = session_user"
    )

    assert tuple(row) == (False, False)


@pytest.mark.parametrize("role", [APP, SYSTEM])
async def test_a_transaction_acts_as_a_role_without_rights_of_its_own(
    login: Any, role: str
) -> None:
    async with login.transaction():
        await login.fetch(ENTER, role, OURS)
        acting = await login.fetchrow(
            "select rolname, rolsuper, rolbypassrls, rolcanlogin, rolcreaterole from pg_roles"
            " where rolname = current_user"
        )
        owned = await login.fetchval(
            "select count(*) from pg_tables where schemaname = 'public'"
            " and tableowner = current_user"
        )
    after = await login.fetchval("select current_user = session_user")

    assert tuple(acting) == (role, False, False, False, False)
    assert owned == 0
    assert after


async def test_every_table_is_guarded_for_its_owner_too(login: Any) -> None:
    rows = await login.fetch(
        "select relname as name, relrowsecurity and relforcerowsecurity as guarded from pg_class"
        " where relkind = 'r' and relnamespace = 'public'::regnamespace"
    )
    guarded = {row["name"] for row in rows if row["guarded"]}

    assert guarded == TABLE_NAMES
    assert {row["name"] for row in rows} - guarded == {"alembic_version"}


async def test_a_query_that_names_no_merchant_finds_nothing(login: Any) -> None:
    as_owner = await login.fetch("select 1 from customers")
    async with login.transaction():
        await login.fetch(ENTER, APP, "")
        as_app = await login.fetch("select 1 from customers")

    assert as_owner == []
    assert as_app == []


async def test_a_query_that_forgets_the_merchant_finds_its_own_rows(login: Any) -> None:
    async with login.transaction():
        await login.fetch(ENTER, APP, OURS)
        found = await login.fetch("select customer_id from customers")
        changed = await login.execute("update customers set name = 'x'")

    assert [row["customer_id"] for row in found] == ["ours"]
    assert changed == "UPDATE 1"


async def test_a_row_cannot_be_given_to_another_merchant(login: Any) -> None:
    async with login.transaction():
        await login.fetch(ENTER, APP, OURS)
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await login.execute("update alerts set merchant_id = $1", THEIRS)


@pytest.mark.parametrize(
    ("change", "table"),
    [
        ("update merchants set merchant_id = 'mer_new'", "merchants"),
        ("update provider_accounts set account_id = 'acc_new'", "provider_accounts"),
        ("update customers set account_id = 'acc_new'", "customers"),
    ],
)
async def test_keys_that_rows_belong_by_stay_as_they_are(
    login: Any, change: str, table: str
) -> None:
    async def change_it() -> None:
        async with login.transaction():
            await login.fetch(ENTER, APP, OURS)
            await login.execute(change)

    with pytest.raises(asyncpg.RestrictViolationError, match=f"a row of {table} "):
        await change_it()


async def test_the_merchants_of_one_transaction_are_forgotten_by_the_next(login: Any) -> None:
    async with login.transaction():
        await login.fetch(ENTER, APP, OURS)
    async with login.transaction():
        await login.fetch("select set_config('role', $1, true)", APP)
        found = await login.fetch("select 1 from customers")

    assert found == []


async def rights(login: Any, role: str) -> dict[str, set[str]]:
    rows = await login.fetch(
        "select table_name, privilege_type from information_schema.role_table_grants"
        " where grantee = $1",
        role,
    )
    found: dict[str, set[str]] = {}
    for row in rows:
        found.setdefault(row["table_name"], set()).add(row["privilege_type"].lower())
    return found


async def test_the_app_deletes_only_what_is_derived_and_rewrites_no_ledger(login: Any) -> None:
    ledgers = {TABLES[kind].name for kind in APPEND_ONLY}
    derived = {TABLES[kind].name for kind in DERIVED}

    assert await rights(login, APP) == {
        name: {"select", "insert"}
        | ({"update"} if name not in ledgers else set())
        | ({"delete"} if name in derived else set())
        for name in TABLE_NAMES
    }


async def test_the_system_sees_what_it_claims_and_who_is_asking(login: Any) -> None:
    granted = await rights(login, SYSTEM)

    assert set(granted) == {TABLES[kind].name for kind in SYSTEM_SEES}
    assert {name for name, allowed in granted.items() if "insert" in allowed} == {"inbox"}
    assert {name for name, allowed in granted.items() if "update" in allowed} == {
        "inbox",
        "actions",
    }
