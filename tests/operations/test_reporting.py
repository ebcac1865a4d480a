"""`holdfast reporting`, and the views of other people's tools: whose rows a login sees through
them, and that it can do nothing else."""

import asyncio
import re
from collections.abc import Callable, Iterator
from typing import Any

import asyncpg
import pytest
from sqlalchemy.engine import make_url

from app.operations import reporting
from app.storage.store import PostgresStore, create_engine
from tests.databases import Server
from tests.house.sources import ROOT
from tests.house.tables import table
from tests.operations.conftest import Command
from tests.storage.builders import OURS, THEIRS, account, case, merchant

PASSWORD = "of this test alone"
Ask = Callable[[str], list[tuple[Any, ...]]]


@pytest.fixture
def login(server: Server, clean_database: str, says: Command) -> Iterator[str]:
    """A login that may do nothing yet. Two merchants have a case each."""
    database = make_url(clean_database).database or ""
    name = f"Reads {database}"

    async def furnish() -> None:
        engine = create_engine(clean_database)
        async with PostgresStore(engine).transaction(OURS, THEIRS) as tx:
            await tx.insert([merchant(OURS), merchant(THEIRS)])
            await tx.insert([account(OURS), account(THEIRS)])
            await tx.insert([case("case_ours"), case("case_theirs", of=THEIRS)])
        await engine.dispose()

    asyncio.run(furnish())
    server.as_admin(database, f"create role \"{name}\" login password '{PASSWORD}'")
    yield name
    server.as_admin(database, f'drop owned by "{name}"')
    server.as_admin(database, f'drop role "{name}"')


@pytest.fixture
def ask(clean_database: str, login: str) -> Ask:
    """A question of this login; the rows, or what the database says against it."""
    url = make_url(clean_database).set(username=login, password=PASSWORD)

    async def answer(question: str) -> list[tuple[Any, ...]]:
        connection = await asyncpg.connect(url.render_as_string(hide_password=False))
        try:
            return [tuple(row) for row in await connection.fetch(question)]
        finally:
            await connection.close()

    return lambda question: asyncio.run(answer(question))


CASES = "select case_id from reporting.cases order by 1"


def test_a_login_reads_the_rows_of_the_merchants_it_was_allowed(
    says: Command, login: str, ask: Ask
) -> None:
    first, _ = says(reporting.run, "allow", login, "--merchant", OURS)
    again, _ = says(reporting.run, "allow", login, "--merchant", OURS)
    one = ask(CASES)
    says(reporting.run, "allow", login, "--merchant", THEIRS)
    both = ask(CASES)
    says(reporting.run, "end", login, "--merchant", OURS)
    left = ask(CASES)
    _, listed = says(reporting.run, "list", "--merchant", THEIRS)

    assert (first, again) == (0, 0)
    assert one == [("case_ours",)]
    assert both == [("case_ours",), ("case_theirs",)]
    assert left == [("case_theirs",)]
    assert login in listed


@pytest.mark.parametrize(
    "words",
    [
        "select set_config('holdfast.merchants', 'mer_theirs', false)",
        "select 1 from public.cases",
        "select 1 from public.readers",
        "insert into reporting.cases (case_id) values ('case_made')",
        "delete from reporting.messages",
        "create view reporting.mine as select 1",
        "set role holdfast_app",
        "set session authorization holdfast_reporting",
    ],
)
def test_whatever_it_asks_it_gets_no_other_rows_and_changes_none(
    says: Command, login: str, ask: Ask, words: str
) -> None:
    says(reporting.run, "allow", login, "--merchant", OURS)
    try:
        ask(words)
    except asyncpg.InsufficientPrivilegeError as refused:
        answer = str(refused)
    else:
        answer = "it may be said, and tells nothing"

    assert "permission denied" in answer or words.startswith("select set_config")
    assert ask(CASES) == [("case_ours",)]


def test_every_view_of_the_page_can_be_read_and_has_its_columns(
    says: Command, login: str, ask: Ask
) -> None:
    says(reporting.run, "allow", login, "--merchant", OURS)
    rows = table(ROOT / "docs" / "reporting.md", "| view | a row is | columns |")
    told = {row[0].strip("`"): tuple(re.findall(r"`(\w+)`", row[2])) for row in rows}

    found: dict[str, tuple[str, ...]] = {}
    for view, column in ask(
        "select table_name, column_name from information_schema.columns"
        " where table_schema = 'reporting' order by table_name, ordinal_position"
    ):
        found[view] = (*found.get(view, ()), column)
        ask(f"select {column} from reporting.{view}")
    assert found == told


def test_who_does_not_exist_or_sees_everything_anyway_is_refused(
    says: Command, login: str, clean_database: str
) -> None:
    nobody, why = says(reporting.run, "allow", "nobody'; drop table cases", "--merchant", OURS)
    migrates = make_url(clean_database).username or ""
    owner, _ = says(reporting.run, "allow", migrates, "--merchant", OURS)
    never, _ = says(reporting.run, "end", login, "--merchant", OURS)

    assert (nobody, owner, never) == (2, 2, 2)
    assert "create role NAME login" in why
