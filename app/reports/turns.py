"""When a time zone's clocks turn, so that a database cuts days exactly as we do."""

from datetime import UTC, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

FIRST, LAST = datetime(1970, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)
_DAY, _SECOND = timedelta(days=1), timedelta(seconds=1)


@lru_cache(maxsize=64)
def turns_of(zone: ZoneInfo) -> tuple[tuple[datetime, ...], tuple[timedelta, ...]]:
    """The instants (aware UTC) at which the offset from UTC changes, in order, from 1970 to 2199,
    and the offsets: the first before the first instant, the others each from its instant on."""
    turns, offsets = [FIRST], [_offset(FIRST, zone)] * 2
    at = FIRST
    while at < LAST:
        following = at + _DAY
        if (offset := _offset(following, zone)) != offsets[-1]:
            turns.append(_turn(at, following, zone))
            offsets.append(offset)
        at = following
    return tuple(turns), tuple(offsets)


def _turn(before: datetime, after: datetime, zone: ZoneInfo) -> datetime:
    was = _offset(before, zone)
    while after - before > _SECOND:
        between = before + (after - before) // 2
        between = between.replace(microsecond=0)
        before, after = (between, after) if _offset(between, zone) == was else (before, between)
    return after


def _offset(at: datetime, zone: ZoneInfo) -> timedelta:
    return at.astimezone(zone).utcoffset() or timedelta()
