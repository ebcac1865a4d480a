"""Instants that somebody else wrote down, as aware UTC."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any

RFC3339 = re.compile(
    r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d{1,9})?([Zz]|[+-]\d\d:\d\d)", flags=re.ASCII
)
EARLIEST = datetime(1, 1, 1, tzinfo=UTC)
FIRST = EARLIEST + timedelta(days=1)  # there is an instant before it, up to which a span goes
LATEST = datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC)


def parse_instant(given: Any) -> datetime:
    """An RFC 3339 instant with its offset, as aware UTC; clamped where UTC has no such year. Raises
    `ValueError`."""
    if isinstance(given, datetime):
        return given
    if not isinstance(given, str) or not RFC3339.fullmatch(given):
        raise ValueError("must be an RFC 3339 instant with an offset, like 2026-11-01T00:00:00Z")
    return in_utc(datetime.fromisoformat(given.upper()))


def in_utc(aware: datetime) -> datetime:
    """An instant of any offset in UTC; clamped where UTC has no such year."""
    try:
        return max(aware.astimezone(UTC), FIRST)
    except OverflowError:
        return FIRST if aware.year == 1 else LATEST
