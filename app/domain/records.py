"""What a stored thing is: a frozen dataclass with a key. One shape for rooms and store alike."""

from collections.abc import Iterator
from typing import Any, ClassVar, Protocol, TypeVar

Key = tuple[Any, ...]


class Record(Protocol):
    """A row as a value.

    `KEY` names the fields of the primary key, `UNIQUE` further unique field sets. Fields are
    str, int, bool, datetime, StrEnum, or JSON-ready tuples and dicts; None where optional.
    `merchant_id` is on each.
    """

    KEY: ClassVar[Any]
    UNIQUE: ClassVar[Any]

    @property
    def merchant_id(self) -> str: ...


R = TypeVar("R", bound=Record)


def key_of(record: Record) -> Key:
    """The primary key of a record, in the order of its `KEY`."""
    return tuple(getattr(record, name) for name in record.KEY)


class Book:
    """The records one use case works on, and which of them it changed. No I/O.

    A decision reads and puts; the service loads before and saves after, in one transaction.
    `add` is for rows that may exist already under one of their unique keys (insert, ignore);
    `put` is for rows whose state moves (upsert by key).
    """

    def __init__(self) -> None:
        self._rows: dict[type[Any], dict[Key, Any]] = {}
        self._changed: dict[type[Any], dict[Key, Any]] = {}
        self._added: dict[type[Any], dict[Key, Any]] = {}

    def know(self, rows: "list[Any]") -> None:
        """Take rows as loaded: known, not changed. A row already changed here is kept."""
        for row in rows:
            self._rows.setdefault(type(row), {}).setdefault(key_of(row), row)

    def get(self, kind: type[R], *key: Any) -> R | None:
        """The newest version of a row by its key, or None."""
        return self._rows.get(kind, {}).get(key)

    def all(self, kind: type[R]) -> Iterator[R]:
        """Every known row of a kind, newest versions."""
        return iter(list(self._rows.get(kind, {}).values()))

    def put(self, row: Any) -> None:
        """Record a new version of a row (upsert by key)."""
        kind, key = type(row), key_of(row)
        if self._rows.get(kind, {}).get(key) == row:
            return
        self._rows.setdefault(kind, {})[key] = row
        added = self._added.get(kind, {})
        (added if key in added else self._changed.setdefault(kind, {}))[key] = row

    def add(self, row: Any) -> None:
        """Record a row that is written once; one already known under its key stays as it is."""
        kind, key = type(row), key_of(row)
        if key in self._rows.get(kind, {}):
            return
        self._rows.setdefault(kind, {})[key] = row
        self._added.setdefault(kind, {})[key] = row

    def changed(self) -> list[Any]:
        """Rows to upsert."""
        return [row for rows in self._changed.values() for row in rows.values()]

    def added(self) -> list[Any]:
        """Rows to insert where absent."""
        return [row for rows in self._added.values() for row in rows.values()]
