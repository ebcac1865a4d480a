"""Of what kind a column of an answer is, for files that keep kinds apart."""

from collections.abc import Mapping
from enum import StrEnum

from app.reports.answers import Answer
from app.reports.defined.shape import DECIMAL

# What is no figure and no text, by how its name ends.
ENDINGS = (
    ("_at", "instant"),
    ("_minor", "count"),
    ("period", "day"),
    ("exchange_day", "day"),
    ("trial_conversion", "flag"),
)


class ColumnKind(StrEnum):
    """`COUNT` are whole numbers, money in minor units among them; `DECIMAL` shares and ratios of
    six places; `FLAG` true or false; `DAY` and `INSTANT` as ISO 8601 writes them, in UTC."""

    TEXT = "text"
    COUNT = "count"
    DECIMAL = "decimal"
    DAY = "day"
    INSTANT = "instant"
    FLAG = "flag"


def kinds_of(answer: Answer) -> dict[str, ColumnKind]:
    """The kind of each column of an answer, in its order: of figures by their unit, of keys by
    their name."""
    units = {told["column"]: told["unit"] for told in answer.head.get("definitions", {}).values()}
    return {name: _kind(name, units) for name in answer.columns}


def _kind(name: str, units: Mapping[str, str]) -> ColumnKind:
    if name in units:
        return ColumnKind.DECIMAL if units[name] in DECIMAL else ColumnKind.COUNT
    return next((ColumnKind(kind) for end, kind in ENDINGS if name.endswith(end)), ColumnKind.TEXT)
