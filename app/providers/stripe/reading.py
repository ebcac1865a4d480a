"""Reading fields of foreign JSON. None of these raise: what does not fit reads as None."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

Json = dict[str, Any]

ID_LENGTH = 255
TEXT_LENGTH = 500
# Far above any real amount (Stripe allows twelve digits), far below a database bigint, so that
# sums of many amounts cannot overflow either.
LARGEST_AMOUNT = 10**15
LAST_SECOND = 253_402_300_799  # the end of the year 9999
CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]+")


def table(value: object) -> Json:
    """The object, or an empty one."""
    return value if isinstance(value, dict) else {}


def at(value: object, *path: str) -> Any:
    """What stands at the end of `path`, or None as soon as a step is missing."""
    for name in path:
        if not isinstance(value, dict):
            return None
        value = value.get(name)
    return value


def rows(value: object) -> Iterator[Json]:
    """The objects of a Stripe list (`{"data": [...]}`) or of a plain array."""
    listed = value.get("data") if isinstance(value, dict) else value
    if isinstance(listed, list):
        yield from (row for row in listed if isinstance(row, dict))


def listed(value: object) -> list[Any]:
    """What stands in a plain array; nothing where it is none."""
    return value if isinstance(value, list) else []


def text(value: object, limit: int = TEXT_LENGTH) -> str | None:
    """Text without control characters (a database refuses NUL, a header a line end)."""
    if not isinstance(value, str):
        return None
    if not (value.isascii() and value.isprintable()):  # told much faster than by the pattern
        value = CONTROLS.sub(" ", value)
    return value.strip()[:limit] or None


def metadata(value: object) -> dict[str, Any] | None:
    """The merchant's own words on an object, text to text, within the provider's limits; None
    where the object does not show them."""
    if not isinstance(value, dict):
        return None
    shown = ((text(name, 40), text(word, 500)) for name, word in list(value.items())[:50])
    return {name: word for name, word in shown if name and word}


def ref(value: object) -> str | None:
    """An id, also of an expanded object."""
    if value is None:
        return None
    if isinstance(value, dict):
        value = value.get("id")
    if not isinstance(value, str) or not 0 < len(value) <= ID_LENGTH:
        return None
    plain = value.isascii() and value.isprintable()
    return value if plain or not CONTROLS.search(value) else None


def first_ref(*values: object) -> str | None:
    """The first of several places that holds an id."""
    for value in values:
        if found := ref(value):
            return found
    return None


def whole(value: object) -> int | None:
    """A non-negative amount or count. A float or a string is no amount."""
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= LARGEST_AMOUNT:
        return value
    return None


def currency(value: object) -> str | None:
    """A currency code, in lower case."""
    code = value.lower() if isinstance(value, str) and len(value) == 3 else ""
    return code if code.isascii() and code.isalpha() else None


@lru_cache(maxsize=4096)
def _moment(seconds: int) -> datetime:
    """Epoch seconds as aware UTC: an event says the same few again and again."""
    return datetime.fromtimestamp(seconds, UTC)


def instant(value: object) -> datetime | None:
    """Epoch seconds or RFC 3339 as aware UTC."""
    if value is None:
        return None
    if isinstance(value, int) and not isinstance(value, bool):
        return _moment(value) if 0 <= value <= LAST_SECOND else None
    if not isinstance(value, str) or len(value) > 40:
        return None
    try:
        read = datetime.fromisoformat(value)
        return read.astimezone(UTC) if read.tzinfo else None
    except (ValueError, OverflowError):
        return None
