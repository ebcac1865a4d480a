"""`holdfast reporting`, and the views of other people's tools: whose rows a login sees through
them, and that it can do nothing else."""

import asyncio
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

import asyncpg
import pytest
from sqlalchemy.engine import make_url

from app.domain.recovery import EntryKind
from app.operations import reporting
from app.storage.store import PostgresStore, create_engine
from tests.databases import Server
from tests.house.sources import ROOT
from tests.house.tables import table
from tests.operations.conftest import Command
from tests.reports.builders import MERCHANT, day, entry, the_account
from tests.reports.builders import merchant as reporting_merchant
from tests.reports.conftest import Ledger
from tests.storage.builders import OURS, THEIRS, account, case, merchant

PASSWORD = "of this test alone"
TAKEN = {EntryKind.REFUNDED, EntryKind.DISPUTE_LOST, EntryKind.CREDIT_VOIDED}
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


def documented() -> str:
    """The question that the page shows."""
    shown = re.findall(r"^    (.*)$", (ROOT / "docs" / "reporting.md").read_text(), re.M)
    lines = shown[next(n for n, line in enumerate(shown) if line.startswith("select")) :]
    return "\n".join(lines)


def test_the_question_on_the_page_has_the_answer_of_the_api(
    clean_database: str, says: Command, login: str, ask: Ask
) -> None:
    # given a merchant in Berlin with money that came late on the last of January there, and lines
    # of every other kind
    engine = create_engine(clean_database)
    ledger = Ledger(engine)
    late = datetime(2026, 1, 31, 23, 30, tzinfo=UTC)
    kinds = [kind for kind in EntryKind if kind is not EntryKind.RECOVERED]
    lines = [
        entry(-100 * n if kind in TAKEN else 100 * n, kind, at=day(n))
        for n, kind in enumerate(kinds, 1)
    ]

    async def tells() -> dict[str, Any]:
        berlin = replace(reporting_merchant(), time_zone="Europe/Berlin")
        await ledger.holds(berlin, the_account(), entry(5_000, at=late), *lines)
        told = await ledger.tells("recovered-revenue", from_="2026-01-01", to="2026-12-31")
        await engine.dispose()
        return told

    told = asyncio.run(tells())
    says(reporting.run, "allow", login, "--merchant", MERCHANT)

    answered = ask(documented())

    rows = [(date.fromisoformat(r["period"]), r["currency"], r["net_minor"]) for r in told["rows"]]
    assert answered == rows
    assert [month for month, _, _ in rows] == [date(2026, 1, 1), date(2026, 2, 1)]


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
