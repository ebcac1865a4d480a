"""Instants in the customer's day: local hours and paydays. Stored in UTC, decided locally."""

from calendar import monthrange
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

DAY_BEGINS, DAY_ENDS = 8, 20  # local hours within which we charge and write
PAYDAY_HOUR = 10  # late enough for the night's transfers to be booked
FRIDAY = 4


def zone(name: str | None) -> ZoneInfo:
    """The named time zone; UTC where it is unknown or empty."""
    try:
        return ZoneInfo(name or "UTC")
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return ZoneInfo("UTC")


def in_daytime(at: datetime, tz: ZoneInfo) -> datetime:
    """`at` if it lies between 8 and 20 local time, else the next 8 o'clock there. Aware UTC.

    A clock change cannot lose the hour: 8 o'clock exists on every day of every zone in use.
    """
    local = at.astimezone(tz)
    if DAY_BEGINS <= local.hour < DAY_ENDS:
        return at.astimezone(UTC)
    day = local.date() if local.hour < DAY_BEGINS else local.date() + timedelta(days=1)
    return at_hour(day, DAY_BEGINS, tz)


def at_hour(day: date, hour: int, tz: ZoneInfo) -> datetime:
    """That local hour of that local day, aware UTC."""
    return datetime.combine(day, time(hour), tz).astimezone(UTC)


def months_after(at: datetime, months: int) -> datetime:
    """So many calendar months later, on the last day of a month that is too short."""
    year, month = divmod(at.year * 12 + at.month - 1 + months, 12)
    last = monthrange(year, month + 1)[1]
    return at.replace(year=year, month=month + 1, day=min(at.day, last))


def term_before(end: datetime, interval: str | None, count: int) -> datetime | None:
    """When a term that ends then began; None for an interval nobody knows."""
    match interval:
        case "day":
            return end - timedelta(days=count)
        case "week":
            return end - timedelta(weeks=count)
        case "month":
            return months_after(end, -count)
        case "year":
            return months_after(end, -12 * count)
        case _:
            return None


def is_payday(day: date) -> str | None:
    """Which payday this is, in words, or None.

    Source: the pay frequencies of US businesses (BLS TED, 2014-06-05: weekly 32 %, biweekly
    37 %, semimonthly 20 %, monthly 11 %) fall on Fridays, the 1st, the 15th and the last day.
    """
    if day.day == 1:
        return "the 1st"
    if day.day == 15:
        return "the 15th"
    if (day + timedelta(days=1)).day == 1:
        return "the last day of the month"
    return "Friday" if day.weekday() == FRIDAY else None


def next_payday(after: datetime, tz: ZoneInfo) -> tuple[datetime, str]:
    """The first payday morning not before `after`, and its name. At most seven days away."""
    day = after.astimezone(tz).date()
    while True:
        name = is_payday(day)
        at = at_hour(day, PAYDAY_HOUR, tz)
        if name and at >= after:
            return at, name
        day += timedelta(days=1)
