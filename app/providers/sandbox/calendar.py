"""Calendar arithmetic on Unix seconds, in UTC."""

from calendar import monthrange
from datetime import UTC, datetime, timedelta

DAY = 86_400
MONTHS = {"month": 1, "year": 12}
DAYS = {"day": 1, "week": 7}


def add_interval(start: int, interval: str, count: int) -> int:
    """`count` days, weeks, months or years later; the 31st becomes a shorter month's last day."""
    moment = datetime.fromtimestamp(start, UTC)
    if interval in DAYS:
        return int((moment + timedelta(days=DAYS[interval] * count)).timestamp())
    months = moment.year * 12 + moment.month - 1 + MONTHS[interval] * count
    year, month = divmod(months, 12)
    day = min(moment.day, monthrange(year, month + 1)[1])
    return int(moment.replace(year=year, month=month + 1, day=day).timestamp())


def period_end(anchor: int, start: int, interval: str, count: int) -> int:
    """The first boundary after `start`, counted from the anchor so that the day does not drift."""
    steps = 1
    while (boundary := add_interval(anchor, interval, count * steps)) <= start:
        steps += 1
    return boundary
