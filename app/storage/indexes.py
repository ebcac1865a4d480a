"""Indexes of the in-memory twin: the rows of a kind by the value of one field."""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from app.domain.records import Key
from app.storage.questions import MANY

Index = dict[Any, dict[Key, Any]]
NONE: Mapping[Key, Any] = {}
TELLING = ("_id", "_hash", "card_key", "recipient")
VAGUE = frozenset({"merchant_id", "account_id"})


@lru_cache(maxsize=2000)
def telling(names: tuple[str, ...]) -> str | None:
    """The field of a question that tells few rows from all others, where there is one."""
    return next((name for name in names if name.endswith(TELLING) and name not in VAGUE), None)


class Indexes:
    """The indexes of one kind of rows; each is made when it is first of use."""

    def __init__(self, rows: Mapping[Key, Any]) -> None:
        self._rows = rows
        self._by: dict[str, Index] = {}

    def having(self, name: str, wanted: Any) -> list[Any]:
        """All rows that have this value, or one of these, in a field."""
        index = self._by.get(name)
        if index is None:
            index = self._by[name] = {}
            for key, row in self._rows.items():
                index.setdefault(getattr(row, name), {})[key] = row
        if not isinstance(wanted, MANY):
            return list(index.get(wanted, NONE).values())
        return [row for value in set(wanted) for row in index.get(value, NONE).values()]

    def move(self, key: Key, known: Any, row: Any) -> None:
        """A row is new (`known` is None) or has another version."""
        for name, index in self._by.items():
            if known is not None:
                del index[getattr(known, name)][key]
            index.setdefault(getattr(row, name), {})[key] = row
