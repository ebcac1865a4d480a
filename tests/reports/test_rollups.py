"""Rollups tell what the ledgers tell, whenever they were folded and whatever is asked."""

import random
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import text

from app.domain.recovery import EntryKind
from app.domain.rollups import WINDOWS
from app.ports.figures import CohortRule, Excerpt, Period
from app.reports.periods import Step, cut, day_of, midnight
from app.storage.reports.figures import PostgresFigures
from app.storage.reports.ledgers import SOURCES, STATEMENTS
from app.storage.reports.rolled import Rolled
from app.storage.reports.rolling import FOLDED, REVENUE
from app.storage.rollups import PostgresRollups
from app.storage.scope import APP, ENTER
from tests.reports.builders import (
    JAN_1,
    MERCHANT,
    day,
    entry,
    failure,
    merchant,
    the_account,
)
from tests.reports.conftest import Ledger
from tests.reports.random_rows import everything
from tests.reports.test_by_hand import CURRENCIES, ZONES, filled, random_rows

pytestmark = pytest.mark.anyio
END = datetime(2027, 1, 1, tzinfo=UTC)


async def folded(ledger: Ledger, until: datetime) -> None:
    rollups = PostgresRollups(ledger.engine)
    while await rollups.fold(MERCHANT, until=until):
        pass


async def cells(ledger: Ledger) -> list[tuple[Any, ...]]:
    async with ledger.engine.begin() as connection:
        await connection.exec_driver_sql(ENTER, (APP, MERCHANT))
        found = await connection.execute(text("select * from flow_cells"))
        more = await connection.execute(text("select * from cohort_cells"))
        rows = [tuple(row) for row in [*found.all(), *more.all()]]
        return sorted((row for row in rows if any(row[9:])), key=repr)


@pytest.fixture(params=range(2))
async def story(
    request: pytest.FixtureRequest, empty_ledger: Ledger
) -> tuple[Ledger, random.Random, ZoneInfo]:
    """A small random ledger of seven months."""
    draw = random.Random(f"rollups {request.param}")
    zone = draw.choice(ZONES)
    await filled(empty_ledger, random_rows(draw, 16), zone)
    return empty_ledger, draw, ZoneInfo(zone)


def a_question(
    draw: random.Random, zone: ZoneInfo, reach: datetime
) -> tuple[Excerpt, list[Period]]:
    """Days of some months; a cut-off at a day's end, or at any instant around `reach`."""
    first = date(2026, 1, 1) + timedelta(days=draw.randrange(60))
    last = first + timedelta(days=draw.choice((1, 20, 70, 365)))
    step = draw.choice((Step.DAY, Step.MONTH))
    as_of = min(JAN_1 + timedelta(seconds=draw.randrange(250 * 86_400)), END)
    as_of = draw.choice((midnight(day_of(as_of, zone), zone), as_of, reach))
    excerpt = Excerpt(merchant_id=MERCHANT, as_of=as_of, currency=draw.choice((None, *CURRENCIES)))
    return excerpt, list(cut(midnight(first, zone), midnight(last, zone), step, zone))


async def test_every_figure_is_the_same_from_rollups_and_from_the_ledgers(
    story: tuple[Ledger, random.Random, ZoneInfo],
) -> None:
    ledger, draw, zone = story
    rolled, plain = Rolled(ledger.engine), PostgresFigures(ledger.engine, plain=True)
    both = PostgresFigures(ledger.engine)
    reach = JAN_1

    for _ in range(8):
        # given rollups that reach some weeks further
        reach += timedelta(seconds=draw.randrange(60 * 86_400))
        await folded(ledger, reach)
        excerpt, periods = a_question(draw, zone, reach)
        by = draw.sample(["cause", "plan", "interval"], draw.randrange(4))
        keys = [name for name in by if name != "cause"]
        before = midnight(date(2026, 3, draw.randrange(1, 28)), zone)
        rule = CohortRule(
            within=timedelta(days=draw.choice(WINDOWS)),
            before=draw.choice((None, before)),
            closed_only=draw.random() < 0.3,
        )

        flows = await rolled.flows(REVENUE, excerpt, periods, by)
        cohorts = await rolled.cohorts(excerpt, periods, keys, rule)

        assert flows is not None
        assert cohorts is not None
        assert _same(
            await both.recovered(excerpt, periods, by),
            await plain.recovered(excerpt, periods, by),
        )
        assert _same(cohorts, await plain.cohorts(excerpt, periods, keys, rule))
        span = (periods[0].starts_at, periods[-1].ends_at)
        assert await both.ledger(excerpt, *span) == await plain.ledger(excerpt, *span)


@pytest.mark.parametrize("seed", range(2))
async def test_every_ledger_adds_up_to_the_same_from_rollups_and_from_its_lines(
    empty_ledger: Ledger, seed: int
) -> None:
    # given rows of some weeks only: each day is a fold
    ledger, draw = empty_ledger, random.Random(f"every ledger {seed}")
    zone = ZoneInfo(draw.choice(ZONES))
    await ledger.holds(replace(merchant(), time_zone=zone.key), the_account())
    await ledger.holds(*everything(draw, 9))
    rolled, plain = Rolled(ledger.engine), PostgresFigures(ledger.engine, plain=True)
    reach = JAN_1

    for _ in range(4):
        reach += timedelta(seconds=draw.randrange(12 * 86_400))
        await folded(ledger, reach)
        excerpt, periods = a_question(draw, zone, reach)
        for name in STATEMENTS.keys() & set(FOLDED):
            by = draw.choice(SOURCES[name].layers)

            flows = await rolled.flows(name, excerpt, periods, by)

            assert flows is not None
            assert _same(flows, await plain.flows(name, excerpt, periods, by))
        by = draw.choice(((), ("plan",), ("interval",)))
        ends_at = periods[-1].ends_at
        both = PostgresFigures(ledger.engine)
        assert _same(
            await both.balance("mrr", excerpt, ends_at, by),
            await plain.balance("mrr", excerpt, ends_at, by),
        )
        assert _same(await both.at_risk(excerpt, by), await plain.at_risk(excerpt, by))


def _same(found: list[Any], expected: list[Any]) -> bool:
    return sorted(found, key=repr) == sorted(expected, key=repr)


async def test_rollups_are_the_same_whether_folded_often_or_anew(
    story: tuple[Ledger, random.Random, ZoneInfo],
) -> None:
    ledger, draw, _ = story
    reach = JAN_1
    while reach < END:
        reach = min(reach + timedelta(seconds=draw.randrange(60 * 86_400)), END)
        await folded(ledger, reach)
    often = await cells(ledger)

    await PostgresRollups(ledger.engine).forget(MERCHANT)
    assert await cells(ledger) == []
    await folded(ledger, END)

    assert await cells(ledger) == often


async def test_folding_again_adds_nothing(ledger: Ledger) -> None:
    await ledger.holds(failure(500), entry(100, at=day(2)))
    await folded(ledger, day(9))
    once = await cells(ledger)

    again = await PostgresRollups(ledger.engine).fold(MERCHANT, until=day(9))

    assert not again
    assert await cells(ledger) == once


async def test_another_time_zone_begins_the_rollups_anew(ledger: Ledger) -> None:
    await ledger.holds(entry(100, at=datetime(2026, 1, 2, 23, tzinfo=UTC)))
    await folded(ledger, day(9))
    async with ledger.engine.begin() as connection:
        await connection.exec_driver_sql(ENTER, (APP, MERCHANT))
        await connection.execute(text("update merchants set time_zone = 'Pacific/Auckland'"))

    in_between = await ledger.tells("recovered-revenue", interval="day")
    await folded(ledger, day(10))
    afterwards = await ledger.tells("recovered-revenue", interval="day")

    assert [row["period"] for row in in_between["rows"]] == ["2026-01-03"]
    assert afterwards["rows"] == in_between["rows"]


async def test_a_line_of_the_very_midnight_is_in_the_day_it_ends(ledger: Ledger) -> None:
    midnight_of_2 = datetime(2026, 1, 3, tzinfo=UTC)
    await ledger.holds(
        entry(100, at=day(2), recorded_at=midnight_of_2),
        entry(7, EntryKind.SETTLED_OTHER, at=day(2), recorded_at=day(3)),
    )
    await folded(ledger, day(9))

    told = await ledger.tells("recovered-revenue", as_of="2026-01-03T00:00:00Z")

    assert [row["recovered_minor"] for row in told["rows"]] == [100]
    assert told["totals"][0]["settled_other_minor"] == 0


async def test_a_line_recorded_behind_the_folding_is_found_when_its_day_is_over(
    ledger: Ledger,
) -> None:
    # given a worker whose clock was an hour late
    await ledger.holds(entry(100, at=day(2, 9)))
    await folded(ledger, day(2, 12))
    await ledger.holds(entry(20, at=day(2, 10), invoice_id="in_2", recorded_at=day(2, 11)))
    await folded(ledger, day(2, 13))
    missed = await ledger.tells("recovered-revenue")

    await folded(ledger, day(4))
    told = await ledger.tells("recovered-revenue")

    assert missed["totals"][0]["recovered_minor"] == 100
    assert told["totals"][0]["recovered_minor"] == 120
