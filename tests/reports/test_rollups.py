"""Rollups tell what the ledgers tell, whenever they were folded and whatever is asked."""

import random
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import text

from app.domain.mrr import MovementKind
from app.domain.recovery import EntryKind
from app.domain.rollups import (
    WINDOWS,
    ArmCell,
    ArmStep,
    CohortCell,
    CohortStep,
    FlowCell,
)
from app.ports.figures import CohortRule, Excerpt, Period
from app.reports.periods import Step, cut, day_of, midnight
from app.storage.reports.figures import PostgresFigures
from app.storage.reports.ledgers import SOURCES, STATEMENTS, Source
from app.storage.reports.rolled import Rolled
from app.storage.reports.rolling import FOLDED, REVENUE
from app.storage.rollups import PostgresRollups
from app.storage.scope import APP, ENTER
from tests.reports.builders import (
    JAN_1,
    MERCHANT,
    case,
    day,
    entry,
    failure,
    merchant,
    movement,
    taking,
    the_account,
)
from tests.reports.conftest import Ledger
from tests.reports.random_rows import everything, some_time
from tests.reports.test_by_hand import CURRENCIES, ZONES, filled, random_rows

pytestmark = pytest.mark.anyio
END = datetime(2027, 1, 1, tzinfo=UTC)
CELLS = (
    (FlowCell, "flow_cells"),
    (CohortCell, "cohort_cells"),
    (CohortStep, "cohort_steps"),
    (ArmCell, "arm_cells"),
    (ArmStep, "arm_steps"),
)
# Some that are kept, and others.
ANY_WINDOW = (*WINDOWS, 1, 11, 45, 366)
COARSE = [name for name in FOLDED if SOURCES[name].coarse]


async def folded(ledger: Ledger, until: datetime) -> None:
    rollups = PostgresRollups(ledger.engine)
    while await rollups.fold(MERCHANT, until=until):
        pass


async def cells(ledger: Ledger) -> list[tuple[Any, ...]]:
    async with ledger.engine.begin() as connection:
        await connection.exec_driver_sql(ENTER, (APP, MERCHANT))
        rows = []
        for kind, table in CELLS:
            found = (await connection.execute(text(f"select * from {table}"))).all()
            rows += [tuple(row) for row in found if any(row[len(kind.KEY) :])]
        return sorted(rows, key=repr)


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
            within=timedelta(days=draw.choice(ANY_WINDOW)),
            before=draw.choice((None, before)),
            closed_only=draw.random() < 0.3,
        )

        flows = await rolled.flows(REVENUE, excerpt, periods, by)
        cohorts = await rolled.cohorts(excerpt, periods, keys, rule)

        assert flows is not None
        assert cohorts is not None
        assert same(
            await both.recovered(excerpt, periods, by),
            await plain.recovered(excerpt, periods, by),
        )
        assert same(cohorts, await plain.cohorts(excerpt, periods, keys, rule))
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
        for name in sorted(STATEMENTS.keys() & set(FOLDED)):
            by = draw.choice(SOURCES[name].layers)

            flows = await rolled.flows(name, excerpt, periods, by)

            assert flows is not None
            assert same(flows, await plain.flows(name, excerpt, periods, by))
        by = draw.choice(((), ("plan",), ("interval",), ("country",)))
        ends_at = periods[-1].ends_at
        both = PostgresFigures(ledger.engine)
        assert same(
            await both.balance("mrr", excerpt, ends_at, by),
            await plain.balance("mrr", excerpt, ends_at, by),
        )
        assert same(await both.at_risk(excerpt, by), await plain.at_risk(excerpt, by))
        span = (periods[0].starts_at, ends_at)
        assert same(await both.both_sides(excerpt, *span), await plain.both_sides(excerpt, *span))
        assert await both.differences(
            excerpt, *span, after=("", ""), limit=9
        ) == await plain.differences(excerpt, *span, after=("", ""), limit=9)


@pytest.mark.parametrize("seed", range(2))
async def test_all_keys_of_whole_months_add_up_to_thesame(empty_ledger: Ledger, seed: int) -> None:
    # given rollups that reach into a day of February
    ledger, draw = empty_ledger, random.Random(f"all keys {seed}")
    zone = ZoneInfo(draw.choice(ZONES))
    await ledger.holds(replace(merchant(), time_zone=zone.key), the_account())
    await ledger.holds(*everything(draw, 12))
    reach = JAN_1 + timedelta(days=37, seconds=draw.randrange(20 * 86_400))
    await folded(ledger, reach)
    rolled, plain = Rolled(ledger.engine), PostgresFigures(ledger.engine, plain=True)
    first, last = (midnight(date(2025, 9, 1), zone), midnight(date(2026, 3, 1), zone))
    months = list(cut(first, last, Step.MONTH, zone))
    february = midnight(date(2026, 2, 1), zone)
    some_days = Period(day=last.date(), starts_at=last, ends_at=last + timedelta(days=9))
    both = PostgresFigures(ledger.engine)

    for name in COARSE:
        by, told = SOURCES[name].coarse[0], 0
        for as_of in (reach, february, february + timedelta(days=1)):
            excerpt = Excerpt(merchant_id=MERCHANT, as_of=as_of)
            flows = await rolled.flows(name, excerpt, months, by)

            # within a month only the ledger tells all keys apart
            assert (flows is None) == (as_of > february and as_of != reach)
            expected = await plain.flows(name, excerpt, months, by)
            assert flows is None or same(flows, expected)
            begun = [*months, some_days]
            assert same(
                await both.flows(name, excerpt, begun, by),
                await plain.flows(name, excerpt, begun, by),
            )
            told += len(expected)
        assert told


def same(found: list[Any], expected: list[Any]) -> bool:
    return sorted(found, key=repr) == sorted(expected, key=repr)


async def test_an_invoice_differs_until_the_ledger_and_the_provider_agree(ledger: Ledger) -> None:
    # given a payment that is entered three days after it was told of
    await ledger.holds(
        failure(100, at=day(2)),
        taking(100, at=day(3)),
        entry(100, at=day(3), recorded_at=day(6)),
    )
    await folded(ledger, day(9))

    told = {
        number: await ledger.tells("reconciliation", as_of=day(number).isoformat())
        for number in (2, 4, 8)
    }

    assert [len(answer["rows"]) for answer in told.values()] == [0, 1, 0]
    assert told[4]["rows"][0]["invoice"] == "in_1"
    assert told[4]["rows"][0]["provider_paid_minor"] == 100
    assert told[8]["totals"][0]["n_invoices"] == 1


@pytest.mark.parametrize("seed", range(3))
async def test_rollups_are_the_same_whether_folded_bit_by_bit_or_anew(
    empty_ledger: Ledger, seed: int
) -> None:
    # given rows of all ledgers, folded up to any instant, and some lines at a time
    ledger, draw = empty_ledger, random.Random(f"bit by bit {seed}")
    await filled(ledger, random_rows(draw, 5), draw.choice(ZONES))
    await ledger.holds(*everything(draw, 4))
    bits = PostgresRollups(ledger.engine, at_once=draw.choice((3, 9, 40)))
    for reach in (*sorted(some_time(draw, 120) for _ in range(3)), END):
        while await bits.fold(MERCHANT, until=reach):
            pass
    bit_by_bit = await cells(ledger)

    await PostgresRollups(ledger.engine).rebuild(MERCHANT, until=END)

    assert await cells(ledger) == bit_by_bit


@pytest.mark.parametrize("name", [name for name in FOLDED if SOURCES[name].lately])
async def test_lines_are_the_same_by_what_they_are_about_and_by_when_they_were_told(
    ledger: Ledger, name: str
) -> None:
    # given failures that were told anew, money in between, and reasons that were told later
    source = SOURCES[name]
    await ledger.holds(*everything(random.Random(f"lately {name}"), 60))

    lines, lately = [await _lines(ledger, source, form) for form in (source.lines, source.lately)]

    assert lines == lately
    assert any(line.n < 0 for line in lines)


async def _lines(ledger: Ledger, source: Source, form: str) -> list[Any]:
    """Lines in order, those of one place and instant added up."""
    places = ", ".join(("happened_at", "recorded_at", "currency", "kind", *source.keys))
    statement = text(f"""
        select {places}, sum(n) as n, sum(minor) as minor from ({form}) e group by {places}
        having sum(n) <> 0 or sum(minor) <> 0
    """)
    bound = {f"by_{key}": True for key in source.keys if f":by_{key}" in form}
    async with ledger.engine.begin() as connection:
        await connection.exec_driver_sql(ENTER, (APP, MERCHANT))
        # not a question of time: the tables may be full of what other tests have deleted
        await connection.exec_driver_sql("set local statement_timeout = '60s'")
        found = await connection.execute(statement, {"merchant": MERCHANT, **bound})
        return sorted(found.all(), key=repr)


async def test_what_came_to_be_at_risk_on_a_day_is_known_late_on_it(ledger: Ledger) -> None:
    # given a refusal of a morning, folded with its whole day long after
    await ledger.holds(
        movement(100, MovementKind.OPENING),
        case("in_1", subscription_id="sub_1", opened_at=day(2, 9)),
        failure(100, at=day(2, 9), case_id="case_in_1", subscription_id="sub_1"),
    )
    await folded(ledger, day(9))

    told = {
        hour: (await ledger.tells("at-risk", as_of=day(2, hour).isoformat()))["totals"]
        for hour in (8, 11, 22)
    }

    assert [len(totals) for totals in told.values()] == [0, 1, 1]
    assert told[22][0]["at_risk_minor"] == 100


async def test_what_is_far_behind_is_read_from_the_ledger(
    ledger: Ledger,
) -> None:
    # given one line more since the last folding than a figure adds to what is folded
    await ledger.holds(entry(100, at=day(2)))
    await folded(ledger, day(3))
    await ledger.holds(*(entry(1, at=day(5), invoice_id=f"in_{n}") for n in range(4)))
    rolled = Rolled(ledger.engine, tail=3)
    excerpt = Excerpt(merchant_id=MERCHANT, as_of=day(9), currency=None)
    whole = [Period(day=day(1).date(), starts_at=day(1, 0), ends_at=day(8, 0))]

    flows = await rolled.flows(REVENUE, excerpt, whole, ())
    told = await ledger.tells("recovered-revenue")
    await folded(ledger, day(9))

    assert flows is None
    assert told["totals"][0]["recovered_minor"] == 104
    assert await rolled.flows(REVENUE, excerpt, whole, ()) is not None


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
