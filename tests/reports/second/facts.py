"""What the second method has: rows as they were written, a question, and arithmetic.

Nothing here or beside it reads SQL of the product or any of its helpers: the methods follow the
definitions in `docs/finance.md`, slowly, one subscription or invoice after another.
"""

import json
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from fractions import Fraction
from functools import cache
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

Row = dict[str, Any]
Cell = tuple[Any, ...]
T = TypeVar("T")
DAY = timedelta(days=1)
MONTHS = {"month": 1, "quarter": 3, "year": 12}
ATTRIBUTE = "attribute."
WHOLE = "whole"  # all of a span as one period, as totals have it


class Facts:
    """Rows by their type."""

    def __init__(self, rows: Iterable[Any]) -> None:
        self._rows: dict[type[Any], list[Any]] = {}
        self._known: dict[tuple[type[Any], datetime], list[Any]] = {}
        for row in rows:
            self._rows.setdefault(type(row), []).append(row)

    def all(self, kind: type[T]) -> list[T]:
        return self._rows.get(kind, [])

    def known(self, kind: type[T], as_of: datetime) -> list[T]:
        """Those recorded by an instant, in the order they were."""
        if (kind, as_of) not in self._known:
            found: list[Any] = [row for row in self.all(kind) if _recorded(row) <= as_of]
            self._known[kind, as_of] = sorted(found, key=_recorded)
        return self._known[kind, as_of]


def _recorded(row: Any) -> datetime:
    at: datetime = row.recorded_at
    return at


@cache
def starts(day: date, zone: ZoneInfo) -> datetime:
    """The first second of a day, looked for on the clock."""
    noon = datetime(day.year, day.month, day.day, 12, tzinfo=UTC) - 2 * DAY
    seconds = range(5 * 86_400)
    at = bisect_left(
        seconds, day, key=lambda s: (noon + timedelta(seconds=s)).astimezone(zone).date()
    )
    return noon + timedelta(seconds=at)


def _next(day: date, interval: str) -> date:
    if interval in MONTHS:
        months = day.year * 12 + day.month - 1 + MONTHS[interval]
        return date(months // 12, months % 12 + 1, 1)
    return day + (7 * DAY if interval == "week" else DAY)


def _first(day: date, interval: str) -> date:
    if interval == "week":
        return day - day.weekday() * DAY
    if interval not in MONTHS:
        return day
    months = MONTHS[interval]
    return date(day.year, (day.month - 1) // months * months + 1, 1)


@dataclass(frozen=True)
class Span:
    """A period: its name, and its instants, the last not included."""

    name: str
    begins: datetime
    ends: datetime

    def has(self, at: datetime | None) -> bool:
        return at is not None and self.begins <= at < self.ends


@dataclass(frozen=True)
class Asked:
    """A question. `ends` is not included. `more` are the words of one endpoint."""

    zone: ZoneInfo
    as_of: datetime
    begins: datetime
    ends: datetime
    interval: str = "month"
    by: tuple[str, ...] = ()
    currency: str | None = None
    more: dict[str, str] = field(default_factory=dict)

    def periods(self) -> Iterator[Span]:
        """In order, the outer ones shortened."""
        yield from self.cut(self.begins, self.ends, self.interval)

    def has_whole(self, span: Span) -> bool:
        """Whether a period is whole and was over at the cut-off."""
        day = date.fromisoformat(span.name)
        later = starts(_next(day, self.interval), self.zone)
        return (span.begins, span.ends) == (starts(day, self.zone), later) and later <= self.as_of

    def cut(self, begins: datetime, ends: datetime, interval: str) -> Iterator[Span]:
        day = _first(begins.astimezone(self.zone).date(), interval)
        while starts(day, self.zone) < ends:
            later = _next(day, interval)
            yield Span(
                day.isoformat(),
                max(begins, starts(day, self.zone)),
                min(ends, starts(later, self.zone)),
            )
            day = later

    def period_of(self, at: datetime) -> str | None:
        """The name of the period that an instant lies in."""
        if not self.begins <= at < self.ends:
            return None
        if self.interval == WHOLE:
            return WHOLE
        return _first(at.astimezone(self.zone).date(), self.interval).isoformat()

    def months(self, span: Span) -> Fraction:
        """How many calendar months of a period are over."""
        whole = Fraction(0)
        for part in self.cut(span.begins, min(span.ends, self.as_of), "month"):
            first = date.fromisoformat(part.name)
            length = starts(_next(first, "month"), self.zone) - starts(first, self.zone)
            whole += Fraction((part.ends - part.begins) // _TICK, length // _TICK)
        return whole

    def wants(self, currency: str) -> bool:
        return self.currency in (None, currency)

    def keys(self, row: Any, **other: Any) -> Cell:
        """The values of the keys that were asked for; an empty one is none."""
        named = (other[k] if k in other else value_of(row, k) for k in self.by)
        return tuple(value or None for value in named)


def value_of(row: Any, key: str) -> Any:
    """What a row says of a key; attributes stand in it as one text."""
    if key.startswith(ATTRIBUTE):
        return json.loads(row.attributes or "{}").get(key.removeprefix(ATTRIBUTE))
    return getattr(row, key)


_TICK = timedelta(microseconds=1)


def share(part: int | Fraction, whole: int | Fraction) -> str | None:
    """Six places, half away from nothing; none of nothing."""
    if whole <= 0:
        return None
    millionths = int(abs(Fraction(part) / Fraction(whole)) * 1_000_000 + Fraction(1, 2))
    sign = "-" if part < 0 and millionths else ""
    return f"{sign}{millionths // 10**6}.{millionths % 10**6:06d}"


def says_nothing(row: Row) -> bool:
    """Whether all figures of a row are nothing."""
    return all(not _is_figure(value) for value in row.values())


def _is_figure(value: Any) -> bool:
    return value not in (None, 0, False) and str(value).strip("0.") != ""
