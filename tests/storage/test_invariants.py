"""What runs in production every five minutes: it is silent about what is sound, and says what is
not, on a real database."""

import json
from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from app.domain.invariants import BEYOND_ROWS, INVARIANTS, LOOKS_BACK, Finding
from app.storage.invariants.asking import LATELY, QUESTIONS, STATEMENTS, PostgresInvariants
from app.storage.store import PostgresStore, create_engine
from tests.storage.builders import NOW, OURS, THEIRS, account, customer, merchant
from tests.storage.unsound import ACTIVE, CUSTOMER, HEARD, SOUND, THEIR_CASE, UNSOUND, ago

pytestmark = pytest.mark.anyio


@pytest.fixture
async def engine(clean_database: str) -> AsyncIterator[AsyncEngine]:
    """With two merchants; theirs has a case, and ours was heard of."""
    engine = create_engine(clean_database)
    async with PostgresStore(engine).transaction(OURS, THEIRS) as tx:
        await tx.save([merchant(OURS), merchant(THEIRS)])
        await tx.save([account(OURS), account(THEIRS)])
        for row in THEIR_CASE:
            await tx.save([row])
        await tx.insert([HEARD])
    yield engine
    await engine.dispose()


async def found(
    engine: AsyncEngine, rows: Sequence[Any] = (), of: str = OURS, **later: float
) -> dict[str, Finding]:
    """What is broken once these rows are ours."""
    async with PostgresStore(engine).transaction(OURS) as tx:
        assert len(await tx.insert(list(rows))) == len(rows)
    now = NOW + timedelta(**later)
    asked = PostgresInvariants(engine)
    answers = [await asked.ask(of, invariant, now=now) for invariant in INVARIANTS.values()]
    return {one.invariant.name: one for one in answers if one.count}


def test_every_invariant_has_a_question_and_rows_that_break_it() -> None:
    assert set(QUESTIONS) == set(INVARIANTS) == set(UNSOUND)
    assert {one.name for one in INVARIANTS.values() if not one.stands} <= LATELY


def test_every_invariant_of_the_simulation_is_asked_or_beyond_rows() -> None:
    proved = {one.proves for one in INVARIANTS.values()} | set(BEYOND_ROWS)

    assert {f"I{number}" for number in range(1, 16)} <= proved


@pytest.mark.parametrize("name", UNSOUND)
async def test_what_is_unsound_breaks_its_invariant_and_no_other(
    engine: AsyncEngine, name: str
) -> None:
    broken = await found(engine, UNSOUND[name])

    assert set(broken) == {name}
    assert broken[name].count == len(broken[name].broken_by) == 1


@pytest.mark.parametrize("name", SOUND)
async def test_what_is_sound_breaks_none(engine: AsyncEngine, name: str) -> None:
    assert await found(engine, SOUND[name]) == {}


async def test_nobody_hears_of_the_rows_of_others(engine: AsyncEngine) -> None:
    await found(engine, UNSOUND["active_without_action"])

    assert set(await found(engine, of=THEIRS)) == {"active_without_action"}  # their own, bare
    assert (await found(engine, of="mer_nobody")) == {}


async def test_what_happened_long_ago_is_not_looked_for_again(engine: AsyncEngine) -> None:
    grace = INVARIANTS["webhooks_silent"].grace  # that of whatever else the charge would break
    later = (LOOKS_BACK + grace) / timedelta(hours=1)

    assert await found(engine, UNSOUND["charge_after_stop"], hours=later) == {}


async def test_a_deleted_customer_is_not_collected_from(engine: AsyncEngine) -> None:
    gone = customer(CUSTOMER, deleted=True, seen_at=ago(hours=2))

    assert set(await found(engine, [gone, *ACTIVE])) == {"left_and_collected"}


BIG = {"actions", "attempts", "case_events", "cases", "inbox", "invoices", "messages",
       "idempotency_keys", "recovery_entries", "redemptions", "cancel_requests"}  # fmt: skip


async def test_no_question_reads_a_whole_table(engine: AsyncEngine) -> None:
    read = {name: await tables_read(engine, name) for name in QUESTIONS}

    assert {name: tables & BIG for name, tables in read.items() if tables & BIG} == {}


async def tables_read(engine: AsyncEngine, name: str) -> set[str]:
    """The tables that a question reads from end to end, whatever it costs not to."""
    compiled = STATEMENTS[name].compile()
    bound: dict[str, Any] = {
        "merchant": OURS, "since": NOW, "until": NOW, "now": NOW, "most": 1000, "named": 5,
    }  # fmt: skip
    async with engine.begin() as connection:
        await connection.execute(text("set local enable_seqscan = off"))
        plan = await connection.execute(
            text(f"explain (format json) {STATEMENTS[name].text}").bindparams(
                *STATEMENTS[name]._bindparams.values()
            ),
            {key: value for key, value in bound.items() if key in compiled.params},
        )
        told = plan.scalar_one()

    return set(_whole(told if isinstance(told, list) else json.loads(told)))


def _whole(plan: Any) -> Any:
    """The tables that are read from end to end, of a plan of PostgreSQL's."""
    if isinstance(plan, list):
        for part in plan:
            yield from _whole(part)
    elif isinstance(plan, dict):
        if plan.get("Node Type") == "Seq Scan":
            yield plan["Relation Name"]
        for part in plan.values():
            yield from _whole(part)
