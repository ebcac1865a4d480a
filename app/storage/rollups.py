"""Rollups over PostgreSQL: cells that grow by what was recorded since they were folded last."""

import hashlib
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import DateTime, Text, bindparam, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from app.domain.rollups import (
    ArmCell,
    ArmStep,
    CohortCell,
    CohortStep,
    FlowCell,
    RollupMark,
    StandingCell,
    StandingMark,
)
from app.reports.periods import Step, cut, day_of, midnight, months_later
from app.storage.errors import translated
from app.storage.reports.folding import complete, fold
from app.storage.reports.keeping import keep_standing
from app.storage.reports.reading import READING
from app.storage.reports.rolling import nth_recorded
from app.storage.scope import APP, merchants_list
from app.storage.tables import refers, table_of

MERCHANT = "merchant_id"
# Cells refer to no merchant: thousands are written at once, under the mark, which does.
FLOW_CELLS = table_of(FlowCell, "flow_cells")
COHORT_CELLS = table_of(CohortCell, "cohort_cells")
COHORT_STEPS = table_of(CohortStep, "cohort_steps")
ARM_CELLS = table_of(ArmCell, "arm_cells")
ARM_STEPS = table_of(ArmStep, "arm_steps")
STANDING_CELLS = table_of(StandingCell, "standing_cells")
STANDING_MARKS = table_of(StandingMark, "standing_marks")
ROLLUP_MARKS = table_of(RollupMark, "rollup_marks", refers(MERCHANT, "merchants"))
# In one fold: lines of each ledger, some seconds of work; and days, of a ledger with few lines.
AT_ONCE, DAYS_AT_ONCE = 50_000, timedelta(days=400)
# What does not fit into its memory is sorted on the disk.
LIMITS = {"statement_timeout": "120000", "lock_timeout": "60000", "work_mem": "32MB"}
LIMIT = ", ".join(f"set_config('{name}', '{value}', true)" for name, value in LIMITS.items())
MOMENT = timedelta(microseconds=1)
BEGINNING = datetime(1, 1, 2, tzinfo=UTC)
_OF = bindparam("merchant", type_=Text)
_LOCK = text("select pg_try_advisory_xact_lock(:number)")
_LOCK_FOR_GOOD = text("select pg_advisory_xact_lock(:number)")
_MARK = text("""
select m.time_zone as zone, r.time_zone, r.folded_until
from merchants m left join rollup_marks r using (merchant_id) where m.merchant_id = :merchant
""").bindparams(_OF)
_SET_MARK = text("""
insert into rollup_marks (merchant_id, time_zone, folded_until) values (:merchant, :zone, :until)
on conflict (merchant_id) do update
set time_zone = excluded.time_zone, folded_until = excluded.folded_until
""").bindparams(
    _OF, bindparam("zone", type_=Text), bindparam("until", type_=DateTime(timezone=True))
)
_FORGET = tuple(
    text(f"delete from {table} where merchant_id = :merchant").bindparams(_OF)  # noqa: S608 - names
    for table in (
        *("flow_cells", "cohort_cells", "cohort_steps", "arm_cells", "arm_steps"),
        *("standing_cells", "standing_marks", "rollup_marks"),
    )
)


class PostgresRollups:
    """`ports.rollups.Rollups`. An advisory lock of the merchant keeps others out meanwhile.
    `at_once` lines of each ledger are folded at once, or few more."""

    def __init__(self, engine: AsyncEngine, *, at_once: int = AT_ONCE) -> None:
        self._engine, self._at_once = engine, at_once

    async def fold(self, merchant_id: str, *, until: datetime) -> bool:
        with translated():
            async with self._engine.begin() as connection:
                await _enter(connection, merchant_id)
                if not await _alone(connection, merchant_id):
                    return False
                after, zone = await _reached(connection, merchant_id)
                if zone is None or after >= until:
                    return False
                reached = await self._some(connection, merchant_id, after, until, zone)
                await _mark(connection, merchant_id, zone, reached)
        return reached < until

    async def rebuild(self, merchant_id: str, *, until: datetime) -> None:
        with translated():
            async with self._engine.begin() as connection:
                await _enter(connection, merchant_id)
                await connection.execute(_LOCK_FOR_GOOD, {"number": _number(merchant_id)})
                await _forget(connection, merchant_id)
                reached, zone = await _reached(connection, merchant_id)
                while zone is not None and reached < until:
                    reached = await self._some(connection, merchant_id, reached, until, zone)
                if zone is not None:
                    await _mark(connection, merchant_id, zone, reached)

    async def keep(self, merchant_id: str) -> bool:
        with translated():
            async with self._engine.begin() as connection:
                await _enter(connection, merchant_id)
                if not await _alone(connection, merchant_id):
                    return False
                return await keep_standing(connection, merchant_id)

    async def _some(
        self,
        connection: AsyncConnection,
        merchant_id: str,
        after: datetime,
        until: datetime,
        zone: ZoneInfo,
    ) -> datetime:
        """Add some of what was recorded, from the first line on; returns how far that reaches.

        Cells of a month that was begun are looked up one by one, others are only written: months
        are added whole where they can be, and what is left of one for itself."""
        reached = until
        first = await nth_recorded(connection, merchant_id, after, until, 0)
        if first is not None:
            begins = max(after, first - MOMENT)
            many = await nth_recorded(connection, merchant_id, begins, until, self._at_once)
            far = midnight(day_of(begins, zone) + DAYS_AT_ONCE, zone)
            fresh = _month_of(begins, zone) > _month_of(after - MOMENT, zone)
            reached = _whole(begins, min(until, far, many or until), zone, months=fresh)
            edges = _edges(begins, reached, zone)
            await fold(connection, merchant_id, edges, zone, fresh=fresh)
        return await _checked(connection, merchant_id, after, reached, zone)


async def _enter(connection: AsyncConnection, merchant_id: str) -> None:
    values = (APP, merchants_list([merchant_id]))
    await connection.exec_driver_sql(f"{READING}, {LIMIT}", values)


async def _alone(connection: AsyncConnection, merchant_id: str) -> bool:
    return bool((await connection.execute(_LOCK, {"number": _number(merchant_id)})).scalar_one())


def _number(merchant_id: str) -> int:
    digest = hashlib.blake2b(f"rollups\x1f{merchant_id}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big", signed=True)


async def _reached(
    connection: AsyncConnection, merchant_id: str
) -> tuple[datetime, ZoneInfo | None]:
    """How far the cells reach, and the merchant's zone; None for an unknown merchant. Cells of
    another zone's days are dropped."""
    row = (await connection.execute(_MARK, {"merchant": merchant_id})).mappings().one_or_none()
    if row is None:
        return BEGINNING, None
    if row["time_zone"] is not None and row["time_zone"] != row["zone"]:
        await _forget(connection, merchant_id)
        return BEGINNING, ZoneInfo(row["zone"])
    return row["folded_until"] or BEGINNING, ZoneInfo(row["zone"])


async def _mark(
    connection: AsyncConnection, merchant_id: str, zone: ZoneInfo, until: datetime
) -> None:
    bound = {"merchant": merchant_id, "zone": zone.key, "until": until}
    await connection.execute(_SET_MARK, bound)


def _month_of(at: datetime, zone: ZoneInfo) -> date:
    return day_of(at, zone).replace(day=1)


def _whole(after: datetime, until: datetime, zone: ZoneInfo, *, months: bool) -> datetime:
    """How far to go at once: as many whole `months` as there are, or to the end of this one."""
    first, last = _month_of(after, zone), _month_of(until, zone)
    if not months:
        return min(until, midnight(months_later(first, 1), zone))
    return until if first == last else midnight(last, zone)


def _edges(after: datetime, until: datetime, zone: ZoneInfo) -> list[datetime]:
    """Two instants, and all midnights between them."""
    days = cut(after, until, Step.DAY, zone)
    return [*(day.starts_at for day in days), until]


async def _checked(
    connection: AsyncConnection, merchant_id: str, after: datetime, until: datetime, zone: ZoneInfo
) -> datetime:
    """Days that are over have as many lines in their cells as in the ledger. Where one was recorded
    behind the folding, by a clock that went wrong, all is folded anew."""
    first, last = day_of(after, zone), day_of(until, zone) - timedelta(days=1)
    if first > last or await complete(connection, merchant_id, first, last, zone):
        return until
    await _forget(connection, merchant_id)
    return BEGINNING


async def _forget(connection: AsyncConnection, merchant_id: str) -> None:
    for statement in _FORGET:
        await connection.execute(statement, {"merchant": merchant_id})
