"""Which cells answer a question, and what must be added to them or taken back."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Text, bindparam, text
from sqlalchemy.ext.asyncio import AsyncConnection

from app.domain.rollups import day_key, month_key, since_keys
from app.ports.figures import EARLIEST, LATEST, Excerpt, Period
from app.reports.periods import Step, cut, day_of, midnight, months_later

_MARK = text("""
select m.time_zone as zone, r.time_zone, r.folded_until, (
    select min(happened) from flow_cells
    where merchant_id = :merchant and ledger = :ledger and layer = '' and happened > 'm'
) as first
from rollup_marks r join merchants m using (merchant_id) where m.merchant_id = :merchant
""").bindparams(*(bindparam(name, type_=Text) for name in ("merchant", "ledger")))
# Recorded months and days, each from a name to below another.
Names = tuple[tuple[str, str], tuple[str, str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """A day or a month of a question: the `day` that names its period, and when that begins."""

    day: date
    starts_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Basis:
    """Which cells answer a question, and what must be added to them.

    `pieces` are the days and months of the question, which `ends_at` an instant. `tail` are the
    two instants between which lines are added (`sign` 1) or taken back (-1). Before the month
    `first` there are no cells.
    What was recorded in `months` and on `days` counts: from the one name to below the other.
    """

    zone: ZoneInfo
    pieces: Mapping[str, Piece]
    ends_at: datetime
    first: str
    months: tuple[str, str]
    days: tuple[str, str]
    tail: tuple[datetime, datetime]
    sign: int

    @property
    def in_months(self) -> bool:
        """Whether it is all of some months, up to the end of a month or to all that is folded."""
        return self.days[0] >= self.days[1] and all(key.startswith("m") for key in self.pieces)

    @property
    def day_by_day(self) -> bool:
        """Whether each period is one day."""
        return all(key == day_key(piece.day) for key, piece in self.pieces.items())

    def piece_of(self, happened_at: datetime) -> Piece | None:
        """The piece of the question that an instant lies in."""
        day = day_of(happened_at, self.zone)
        return self.pieces.get(day_key(day)) or self.pieces.get(month_key(day))

    def probes(self, *, since: bool = False, late: bool) -> dict[str, list[Any]] | None:
        """The cells to look up: piece by piece, and where lines are told apart by it, those
        `since` its period began. None where no cells tell. Days of what is not `late` have no
        cells of recorded months."""
        found: list[tuple[date, str, str, str, str]] = []
        for key, piece in self.pieces.items():
            if f"m{key[1:8]}" < self.first:
                continue
            begins = day_of(piece.starts_at, self.zone)
            young = since_keys(begins, key) if since else ()
            if young is None:
                return None
            for low, high in self._recorded(whole_months=late or key.startswith("m")):
                found += [(piece.day, key, name, low, high) for name in ("", *young)]
        names = ("periods", "pieces", "sinces", "lows", "highs")
        return {name: [row[n] for row in found] for n, name in enumerate(names)}

    def _recorded(self, *, whole_months: bool) -> list[tuple[str, str]]:
        """Names of the recorded months and days whose cells count, from the one to below the
        other: of days alone, all up to the cut-off."""
        ranges = [self.months, self.days] if whole_months else [("d", self.days[1])]
        return [(low, high) for low, high in ranges if low < high]


async def basis_of(
    connection: AsyncConnection, excerpt: Excerpt, periods: Sequence[Period], *, ledger: str = ""
) -> Basis | None:
    """None where rollups cannot tell: there are none, or a period begins or ends within a day."""
    bound = {"merchant": excerpt.merchant_id, "ledger": ledger}
    row = (await connection.execute(_MARK, bound)).mappings().one_or_none()
    if row is None or row["zone"] != row["time_zone"]:
        return None
    zone = ZoneInfo(row["zone"])
    narrowed = [_narrowed(period, zone, excerpt.as_of) for period in periods]
    pieces = _pieces(narrowed, zone)
    if pieces is None:
        return None
    (months, days), tail, sign = _reaching(excerpt.as_of, row["folded_until"], zone)
    first = row["first"] or ("n" if ledger else "m")
    return Basis(
        zone=zone,
        pieces=pieces,
        ends_at=max(period.ends_at for period in narrowed),
        first=first,
        months=months,
        days=days,
        tail=tail,
        sign=sign,
    )


def _reaching(
    as_of: datetime, folded: datetime, zone: ZoneInfo
) -> tuple[Names, tuple[datetime, datetime], int]:
    """From the nearer of two instants: the day's beginning, and its end or all that is folded."""
    today = day_of(as_of, zone)
    before = midnight(today, zone)
    after = min(midnight(today + timedelta(days=1), zone), folded)
    if as_of < folded and as_of - before <= after - as_of:
        return _recorded_by(today - timedelta(days=1)), (before, as_of), 1
    if as_of >= folded:
        return _EVERYTHING, (folded, as_of), 1
    bound = _EVERYTHING if after == folded else _recorded_by(today)
    return bound, (as_of, after), -1


# All months, and behind them no day; of days alone, all.
_EVERYTHING: Names = (("m", "n"), ("e", "e"))


def _recorded_by(last: date) -> Names:
    after = last + timedelta(days=1)
    first = after if after.day == 1 else last.replace(day=1)
    return ("m", month_key(first)), (day_key(first), day_key(after))


def _narrowed(period: Period, zone: ZoneInfo, as_of: datetime) -> Period:
    """What has no beginning begins with a day before any line, and what has no end ends with the
    month of the cut-off."""
    if period.starts_at == EARLIEST:
        period = replace(period, starts_at=midnight(EARLIEST.date(), zone))
    if period.ends_at == LATEST:
        this_month = day_of(as_of, zone).replace(day=1)
        period = replace(period, ends_at=midnight(months_later(this_month, 1), zone))
    return period


def _pieces(periods: Sequence[Period], zone: ZoneInfo) -> dict[str, Piece] | None:
    found: dict[str, Piece] = {}
    for period in periods:
        piece = Piece(day=period.day, starts_at=period.starts_at)
        for part in cut(period.starts_at, period.ends_at, Step.MONTH, zone):
            edges = (midnight(part.day, zone), midnight(months_later(part.day, 1), zone))
            if (part.starts_at, part.ends_at) == edges:
                found[month_key(part.day)] = piece
                continue
            for day in cut(part.starts_at, part.ends_at, Step.DAY, zone):
                whole = (midnight(day.day, zone), midnight(day.day + timedelta(days=1), zone))
                if (day.starts_at, day.ends_at) != whole:
                    return None
                found[day_key(day.day)] = piece
    return found
