"""Churn by where everybody stood when a period began, kept for periods that are over.

What it tells of a month is read out of two years of movements, and another month anew: seconds
where there are millions. Once a month is over it hardly changes, so that it is read once, and again
only where something about it was recorded later.
"""

from collections.abc import Collection
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import RowMapping, Text, bindparam, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from app.ports.figures import Excerpt, Period
from app.reports.periods import Step, day_of, first_day, midnight, next_first_day
from app.storage.reports.reading import read
from app.storage.reports.standing import OF_EXCERPT, OF_PARTS, STANDING, STANDING_KEYS

STEPS = (Step.MONTH, Step.QUARTER, Step.YEAR)
# Rows about a period: movements before its end, ends and what was asked in it.
_MOVES = "from mrr_movements v where v.merchant_id = :merchant and v.effective_at < {ends_at}"
_IN = "{0}.occurred_at >= {{starts_at}} and {0}.occurred_at < {{ends_at}}"
_ENDS = f"""from churn_records r left join churn_records o on o.record_id = r.about
    where r.merchant_id = :merchant and (({_IN.format("r")}) or ({_IN.format("o")}))"""
_BETWEEN = "and {0}.recorded_at > {1} and {0}.recorded_at <= {2}"


def _touched(after: str, until: str, starts_at: str, ends_at: str) -> str:
    """A rule: something about a period was recorded after the one instant and by the other."""
    moves, ends = (rows.format(starts_at=starts_at, ends_at=ends_at) for rows in (_MOVES, _ENDS))
    return f"""(exists (select {moves} {_BETWEEN.format("v", after, until)})
        or exists (select {ends} {_BETWEEN.format("r", after, until)}))"""


_KEPT = text(f"""
select c.currency, c.kind, c.young, sum(c.n) as n, sum(c.minor) as minor,
    {", ".join(f"case when :by_{k} then nullif(c.{k}, '') end as {k}" for k in STANDING_KEYS)}
from standing_marks m
left join standing_cells c on c.merchant_id = m.merchant_id and c.starts_at = m.starts_at
    and c.ends_at = m.ends_at and (:currency is null or c.currency = :currency)
where m.merchant_id = :merchant and m.starts_at = :starts_at and m.ends_at = :ends_at
    and m.known_from <= :as_of and (m.known_until >= :as_of
        or not {_touched("m.known_until", ":as_of", ":starts_at", ":ends_at")})
group by c.currency, c.kind, c.young, 6, 7
""").bindparams(*OF_EXCERPT)  # noqa: S608 - words of ours
_REACHED = text("""
select m.time_zone as zone, r.folded_until, k.many, k.until, (
    select min(happened) from flow_cells
    where merchant_id = :merchant and ledger in ('mrr', 'churn') and layer = '' and happened > 'm'
) as first
from rollup_marks r join merchants m on m.merchant_id = r.merchant_id
    and m.time_zone = r.time_zone
cross join lateral (
    select count(*) as many, min(known_until) as until
    from standing_marks s where s.merchant_id = :merchant
) k
where r.merchant_id = :merchant
""").bindparams(bindparam("merchant", type_=Text))
_MARKS = text(f"""
select m.starts_at, m.ends_at from standing_marks m
where m.merchant_id = :merchant and (m.known_until >= :as_of
    or not {_touched("m.known_until", ":as_of", "m.starts_at", "m.ends_at")})
""").bindparams(*OF_EXCERPT[:2])  # noqa: S608 - words of ours
_UNCHANGED = text("""
update standing_marks set known_until = :as_of
where merchant_id = :merchant and known_until < :as_of
""").bindparams(*OF_EXCERPT[:2])
_DROP = tuple(
    text(f"""delete from {table}
where merchant_id = :merchant and starts_at = :starts_at and ends_at = :ends_at""")  # noqa: S608
    for table in ("standing_cells", "standing_marks")
)
_FILL = text(f"""
insert into standing_cells (merchant_id, starts_at, ends_at, currency, tenure, mrr_band, kind,
    young, n, minor)
select :merchant, :starts_at, :ends_at, currency, coalesce(tenure, ''), coalesce(mrr_band, ''),
    kind, young, n, minor
from ({STANDING.text}) s
""").bindparams(*OF_EXCERPT, *OF_PARTS)  # noqa: S608 - words of ours
_SET_MARK = text(f"""
insert into standing_marks (merchant_id, starts_at, ends_at, known_from, known_until)
select :merchant, :starts_at, :ends_at, greatest(:ends_at,
    (select max(v.recorded_at) {_MOVES.format(ends_at=":ends_at")} and v.recorded_at <= :as_of),
    (select max(r.recorded_at) {_ENDS.format(starts_at=":starts_at", ends_at=":ends_at")}
        and r.recorded_at <= :as_of)), :as_of
""").bindparams(*OF_EXCERPT[:4])


async def kept_standing(
    engine: AsyncEngine, excerpt: Excerpt, period: Period, by: Collection[str]
) -> list[RowMapping] | None:
    """What is kept of a period, as rows of `STANDING`; None where that is not what was known at
    the cut-off."""
    bound: dict[str, Any] = {"merchant": excerpt.merchant_id, "as_of": excerpt.as_of}
    bound |= {"starts_at": period.starts_at, "ends_at": period.ends_at}
    bound |= {"currency": excerpt.currency} | {f"by_{name}": name in by for name in STANDING_KEYS}
    rows = await read(engine, _KEPT, bound)
    return [row for row in rows if row["kind"] is not None] if rows else None


async def keep_standing(connection: AsyncConnection, merchant_id: str) -> bool:
    """Keep one whole month, quarter or year more of a merchant, as it was known at the last
    midnight of theirs by which all is folded. Whether there may be more.

    Safe to repeat: what is kept as of that midnight is left as it is, and what was kept as of an
    earlier one is read anew only where something about it was recorded since."""
    row = (await connection.execute(_REACHED, {"merchant": merchant_id})).mappings().one_or_none()
    if row is None or row["first"] is None:
        return False
    zone = ZoneInfo(row["zone"])
    until = midnight(day_of(row["folded_until"], zone), zone)
    first = date.fromisoformat(f"{row['first'][1:]}-01")
    periods = _whole_periods(first, until, zone)
    if len(periods) == row["many"] and (row["until"] is None or row["until"] >= until):
        return False
    bound = {"merchant": merchant_id, "as_of": until}
    known = {tuple(mark) for mark in (await connection.execute(_MARKS, bound)).all()}
    missing = next((period for period in periods if period not in known), None)
    if missing is None:
        await connection.execute(_UNCHANGED, bound)
        return False
    await _keep(connection, bound | {"starts_at": missing[0], "ends_at": missing[1]})
    return True


async def _keep(connection: AsyncConnection, period: dict[str, Any]) -> None:
    for statement in _DROP:
        await connection.execute(statement, period)
    asked = {"currency": None, "by_tenure": True, "by_mrr_band": True, "parts": 1, "part": 0}
    await connection.execute(_FILL, period | asked)
    await connection.execute(_SET_MARK, period)


def _whole_periods(first: date, until: datetime, zone: ZoneInfo) -> list[tuple[datetime, datetime]]:
    """All that begin no earlier than the period of a day, and are over by an instant."""
    found = []
    for step in STEPS:
        day = first_day(first, step)
        while (ends_at := midnight(next_first_day(day, step), zone)) <= until:
            found.append((midnight(day, zone), ends_at))
            day = next_first_day(day, step)
    return found
