"""Cursors: where a list goes on. Opaque to the caller, checked by us, no secret and no proof."""

import base64
import binascii
import hashlib
from datetime import datetime, timedelta

from app.api.problems import Problem, invalid
from app.domain.ids import SHAPE
from app.domain.instants import EARLIEST

MICROSECOND = timedelta(microseconds=1)


def write(at: datetime, key: str, *, of: str) -> str:
    """A cursor after the row (`at`, `key`) of the list that `of` describes."""
    text = f"1.{(at - EARLIEST) // MICROSECOND}.{key}.{_mark(of)}"
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def read(cursor: str, *, of: str) -> tuple[datetime, str]:
    """The position a cursor stands for. Raises `Problem` for one that is not ours, and for one
    of a list with other filters, which would silently leave rows out."""
    try:
        padded = cursor.encode("ascii") + b"=" * (-len(cursor) % 4)
        text = base64.b64decode(padded, altchars=b"-_", validate=True).decode("ascii")
        form, micros, key, mark = text.split(".")
        at = EARLIEST + int(micros) * MICROSECOND
    except (binascii.Error, UnicodeError, ValueError, OverflowError) as odd:
        raise _refused() from odd
    if form != "1" or not micros.isdigit() or not SHAPE.fullmatch(key):
        raise _refused()
    if mark != _mark(of):
        raise invalid("query.cursor", "belongs to a list with other filters")
    return at, key


def _mark(of: str) -> str:
    return hashlib.sha256(of.encode()).hexdigest()[:12]


def _refused() -> Problem:
    return invalid("query.cursor", "must be the `next` of an earlier answer")
