"""Which cells answer a question, and what must be added to them or taken back."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import Text, bindparam, text
from sqlalchemy.ext.asyncio import AsyncConnection

from app.domain.rollups import day_key, month_key
from app.ports.figures import EARLIEST, Excerpt, Period
from app.reports.periods import Step, cut, day_of, midnight, months_later

_MARK = text("""
select m.time_zone as zone, r.time_zone, r.folded_until
from rollup_marks r join merchants m using (merchant_id) where m.merchant_id = :merchant
""").bindparams(bindparam("merchant", type_=Text))


@dataclass(frozen=True, slots=True, kw_only=True)
class Basis:
    """Which cells answer a question, and what must be added to them.

    `pieces` are the days and months of the question with the period each belongs to. `tail` are
    the two instants between which lines are added (`sign` 1) or taken back (-1).
    """

    zone: ZoneInfo
    pieces: Mapping[str, date]
    bound: Mapping[str, str]
    tail: tuple[datetime, datetime]
    sign: int

    def period_of(self, happened_at: datetime) -> date | None:
        """The period of the question that an instant lies in."""
        day = day_of(happened_at, self.zone)
        return self.pieces.get(day_key(day)) or self.pieces.get(month_key(day))


async def basis_of(
    connection: AsyncConnection, excerpt: Excerpt, periods: Sequence[Period]
) -> Basis | None:
    """None where rollups cannot tell: there are none, or a period begins or ends within a day."""
    found = await connection.execute(_MARK, {"merchant": excerpt.merchant_id})
    row = found.mappings().one_or_none()
    if row is None or row["zone"] != row["time_zone"]:
        return None
    zone = ZoneInfo(row["zone"])
    pieces = _pieces(periods, zone)
    if pieces is None:
        return None
    return _reaching(excerpt.as_of, row["folded_until"], zone, pieces)


def _reaching(
    as_of: datetime, folded: datetime, zone: ZoneInfo, pieces: Mapping[str, date]
) -> Basis:
    """From the nearer of two instants: the day's beginning, and its end or all that is folded."""
    today = day_of(as_of, zone)
    before = midnight(today, zone)
    after = min(midnight(today + timedelta(days=1), zone), folded)
    if as_of < folded and as_of - before <= after - as_of:
        bound = _recorded_by(today - timedelta(days=1))
        return Basis(zone=zone, pieces=pieces, bound=bound, tail=(before, as_of), sign=1)
    if as_of >= folded:
        return Basis(zone=zone, pieces=pieces, bound=_EVERYTHING, tail=(folded, as_of), sign=1)
    bound = _EVERYTHING if after == folded else _recorded_by(today)
    return Basis(zone=zone, pieces=pieces, bound=bound, tail=(as_of, after), sign=-1)


_EVERYTHING = {"month": "n", "first": "d", "last": "d"}


def _recorded_by(last: date) -> dict[str, str]:
    first = last.replace(day=1)
    return {"month": month_key(last), "first": day_key(first), "last": day_key(last)}


def _pieces(periods: Sequence[Period], zone: ZoneInfo) -> dict[str, date] | None:
    found: dict[str, date] = {}
    for period in periods:
        starts_at = period.starts_at
        if starts_at == EARLIEST:  # before any line, whatever the zone
            starts_at = midnight(EARLIEST.date(), zone)
        for part in cut(starts_at, period.ends_at, Step.MONTH, zone):
            edges = (midnight(part.day, zone), midnight(months_later(part.day, 1), zone))
            if (part.starts_at, part.ends_at) == edges:
                found[month_key(part.day)] = period.day
                continue
            for day in cut(part.starts_at, part.ends_at, Step.DAY, zone):
                whole = (midnight(day.day, zone), midnight(day.day + timedelta(days=1), zone))
                if (day.starts_at, day.ends_at) != whole:
                    return None
                found[day_key(day.day)] = period.day
    return found
