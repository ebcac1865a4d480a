"""Churn by where everybody stood: kept of periods that are over, and never other than as read."""

import random
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import event, select

from app.domain.mrr import MovementKind as M
from app.domain.rollups import StandingMark
from app.ports.figures import Excerpt, Period
from app.reports.periods import Step, cut, midnight
from app.storage.registry import table_for
from app.storage.reports.figures import PostgresFigures
from app.storage.reports.keeping import kept_standing
from app.storage.rollups import PostgresRollups
from app.storage.scope import APP, ENTER
from tests.reports.builders import JAN_1, MERCHANT, churned, day, movement
from tests.reports.conftest import Ledger
from tests.reports.random_rows import everything, some_time
from tests.reports.test_by_hand import ZONES, filled, random_rows

pytestmark = pytest.mark.anyio
KEYS = ("tenure", "mrr_band")
JANUARY = Period(day=JAN_1.date(), starts_at=day(1, 0), ends_at=day(32, 0))
END = datetime(2027, 1, 1, tzinfo=UTC)
BAND = {"group_by": "mrr_band", "from_": "2026-01-01", "to": "2026-01-31"}


def known_at(as_of: datetime) -> Excerpt:
    return Excerpt(merchant_id=MERCHANT, as_of=as_of, currency=None)


async def folded(ledger: Ledger, until: datetime) -> None:
    rollups = PostgresRollups(ledger.engine)
    while await rollups.fold(MERCHANT, until=until):
        pass
    while await rollups.keep(MERCHANT):
        pass


async def is_kept(ledger: Ledger, as_of: datetime, period: Period = JANUARY) -> bool:
    return await kept_standing(ledger.engine, known_at(as_of), period, KEYS) is not None


async def marks(ledger: Ledger) -> list[Any]:
    async with ledger.engine.begin() as connection:
        await connection.exec_driver_sql(ENTER, (APP, MERCHANT))
        return list((await connection.execute(select(table_for(StandingMark)))).all())


def in_order(sums: Sequence[Any]) -> list[tuple[str, str]]:
    return sorted((str(one.currency), repr((one.named, one.kinds))) for one in sums)


async def test_a_month_is_kept_once_it_is_over_and_everything_is_folded(ledger: Ledger) -> None:
    await ledger.holds(
        movement(900, M.NEW, at=day(3), subscription_id="sub_1"),
        movement(-900, M.CHURN_VOLUNTARY, at=day(20), subscription_id="sub_1"),
        churned("sub_1", at=day(20), minor=900),
    )

    kept = []
    for until in (day(31), day(32, 0) + timedelta(hours=3)):
        await folded(ledger, until)
        kept.append(await is_kept(ledger, day(40)))

    assert kept == [False, True]
    assert not await is_kept(ledger, day(31)), "it was not over then"


async def test_what_is_told_later_of_a_month_is_read_and_from_the_next_night_on_kept(
    ledger: Ledger,
) -> None:
    # given January as it was known on the 3rd of February
    await ledger.holds(movement(900, M.OPENING, at=day(1), subscription_id="sub_1"))
    await folded(ledger, day(34))
    before = await ledger.tells("churn", as_of=day(36).isoformat(), **BAND)

    # when an end of January is told on the 6th
    await ledger.holds(
        churned("sub_1", at=day(20), minor=900, recorded_at=day(37)),
        movement(-900, M.CHURN_VOLUNTARY, at=day(20), subscription_id="sub_1", recorded_at=day(37)),
    )
    kept = [await is_kept(ledger, as_of) for as_of in (day(36), day(38))]
    told = await ledger.tells("churn", as_of=day(38).isoformat(), **BAND)
    await folded(ledger, day(39))

    # then what was known before is read again, and what is known now is kept
    assert kept == [True, False]
    assert [await is_kept(ledger, as_of) for as_of in (day(36), day(38))] == [False, True]
    assert (before["rows"][0]["n_lost"], told["rows"][0]["n_lost"]) == (0, 1)
    assert await ledger.tells("churn", as_of=day(36).isoformat(), **BAND) == before
    assert await ledger.tells("churn", as_of=day(38).isoformat(), **BAND) == told


async def test_what_happens_after_a_month_leaves_it_as_it_is_kept(ledger: Ledger) -> None:
    await ledger.holds(movement(900, M.OPENING, at=day(1), subscription_id="sub_1"))
    await folded(ledger, day(34))

    await ledger.holds(
        movement(-900, M.CHURN_VOLUNTARY, at=day(36), subscription_id="sub_1"),
        churned("sub_1", at=day(36), minor=900),
    )
    kept = await is_kept(ledger, day(37))
    await folded(ledger, day(38))

    (mark,) = [one for one in await marks(ledger) if one.ends_at == JANUARY.ends_at]
    assert kept
    assert (mark.known_from, mark.known_until) == (day(32, 0), day(38, 0))


@pytest.mark.parametrize("seed", range(4))
async def test_what_is_kept_is_what_the_ledgers_tell(empty_ledger: Ledger, seed: int) -> None:
    # given random ledgers with late lines, folded some days at a time
    ledger, draw = empty_ledger, random.Random(f"kept {seed}")
    zone = draw.choice(ZONES)
    await filled(ledger, random_rows(draw, 5), zone)
    await ledger.holds(*everything(draw, 10))
    for reach in sorted(some_time(draw, 200) for _ in range(3)):
        await folded(ledger, reach)
    plain = PostgresFigures(ledger.engine, plain=True)
    kept = PostgresFigures(ledger.engine)

    found = 0
    for step in (Step.MONTH, Step.QUARTER, Step.YEAR):
        starts_at, ends_at = (midnight(on, ZoneInfo(zone)) for on in (JAN_1.date(), END.date()))
        for period in cut(starts_at, ends_at, step, ZoneInfo(zone)):
            for as_of in (some_time(draw, 250), period.ends_at, END):
                excerpt = known_at(max(as_of, period.ends_at))
                by = draw.choice((KEYS, KEYS[:1], KEYS[1:]))
                told = [await one.standing(excerpt, period, by) for one in (kept, plain)]
                assert in_order(told[0]) == in_order(told[1]), (step, period, as_of)
                found += await is_kept(ledger, excerpt.as_of, period)
    assert found


async def test_an_answer_that_is_kept_reads_no_movement_of_before(ledger: Ledger) -> None:
    await ledger.holds(movement(900, M.OPENING, at=day(1), subscription_id="sub_1"))
    await folded(ledger, day(40))
    asked: list[str] = []
    event.listen(
        ledger.engine.sync_engine,
        "before_cursor_execute",
        lambda _c, _cursor, statement, *_: asked.append(statement),
    )

    await ledger.tells("churn", as_of=day(39).isoformat(), **BAND)

    assert not [one for one in asked if "hashtext" in one]
