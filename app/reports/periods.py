"""Days and longer periods in a merchant's time zone, as instants."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from fractions import Fraction
from zoneinfo import ZoneInfo

from app.ports.figures import Period


class Step(StrEnum):
    """The length of a period. Weeks begin on Monday."""

    DAY = "day"
    WEEK = "week"
    MONTH = "month"
    QUARTER = "quarter"
    YEAR = "year"


_TICK = timedelta(microseconds=1)
_MONTHS = {Step.MONTH: 1, Step.QUARTER: 3, Step.YEAR: 12}


def midnight(day: date, zone: ZoneInfo) -> datetime:
    """The first instant of a day, aware UTC. Where clocks skip midnight, the first that exists;
    where it comes twice, the earlier: days follow each other without gap or overlap."""
    return datetime.combine(day, time.min, zone).astimezone(UTC)


def day_of(instant: datetime, zone: ZoneInfo) -> date:
    """The calendar day an aware instant falls on in a time zone."""
    return instant.astimezone(zone).date()


def first_day(day: date, step: Step) -> date:
    """The first day of the period a day lies in."""
    if step is Step.DAY:
        return day
    if step is Step.WEEK:
        return day - timedelta(days=day.weekday())
    months = _MONTHS[step]
    return day.replace(month=(day.month - 1) // months * months + 1, day=1)


def months_later(first: date, months: int) -> date:
    """The first of the month so many months after (negative: before) that of `first`."""
    year, month = divmod(first.year * 12 + first.month - 1 + months, 12)
    return date(year, month + 1, 1)


def next_first_day(first: date, step: Step) -> date:
    """The first day of the period after the one that begins on `first`."""
    if step in _MONTHS:
        return months_later(first, _MONTHS[step])
    return first + timedelta(days=7 if step is Step.WEEK else 1)


def cut(starts_at: datetime, ends_at: datetime, step: Step, zone: ZoneInfo) -> Iterator[Period]:
    """Cut a span (end not included) into periods, in order.

    The first and the last are shortened to the span but keep the name of their full period.
    """
    first = first_day(day_of(starts_at, zone), step)
    while (opens := midnight(first, zone)) < ends_at:
        following = next_first_day(first, step)
        until = midnight(following, zone)
        lo, hi = max(opens, starts_at), min(until, ends_at)
        if lo < hi:
            yield Period(day=first, starts_at=lo, ends_at=hi)
        first = following


def months_in(starts_at: datetime, ends_at: datetime, zone: ZoneInfo) -> Fraction:
    """How many calendar months a span is long (end not included): each month of which it has a part
    counts by that part. January is 1, a week of January 7/31, a year 12; a span that ends before it
    begins is 0."""
    parts = cut(starts_at, ends_at, Step.MONTH, zone)
    return sum((_part_of_month(part, zone) for part in parts), Fraction(0))


def _part_of_month(part: Period, zone: ZoneInfo) -> Fraction:
    whole = midnight(months_later(part.day, 1), zone) - midnight(part.day, zone)
    return Fraction((part.ends_at - part.starts_at) // _TICK, whole // _TICK)
