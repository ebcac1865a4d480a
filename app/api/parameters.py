"""Types of parameters that several routes share. What they refuse ends as `invalid-parameters`."""

import re
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, WithJsonSchema

RFC3339 = re.compile(
    r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d{1,9})?([Zz]|[+-]\d\d:\d\d)", flags=re.ASCII
)
EARLIEST = datetime(1, 1, 1, tzinfo=UTC)
FIRST = EARLIEST + timedelta(days=1)  # there is an instant before it, up to which a span goes
LATEST = datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC)


def parse_instant(given: Any) -> datetime:
    """An RFC 3339 instant with its offset, as aware UTC; clamped where UTC has no such year."""
    if isinstance(given, datetime):
        return given
    if not isinstance(given, str) or not RFC3339.fullmatch(given):
        raise ValueError("must be an RFC 3339 instant with an offset, like 2026-11-01T00:00:00Z")
    parsed = datetime.fromisoformat(given.upper())
    try:
        return max(parsed.astimezone(UTC), FIRST)
    except OverflowError:
        return FIRST if parsed.year == 1 else LATEST


Instant = Annotated[
    datetime,
    BeforeValidator(parse_instant),
    WithJsonSchema({"type": "string", "format": "date-time"}),
]

# Ids of the provider and ours: printable ASCII, so that nothing a database refuses gets through.
ProviderId = Annotated[str, Field(pattern=r"^[!-~]{1,255}$", max_length=255)]
Currency = Annotated[
    str, Field(pattern=r"^[a-z]{3}$", description="ISO 4217, lower case.", examples=["eur"])
]
# Text of people and merchants: no control characters, no half of a surrogate pair.
PLAIN = re.compile("[^\\x00-\\x1f\\x7f\ud800-\udfff]+")
