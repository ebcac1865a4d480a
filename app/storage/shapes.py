"""How a record's fields are stored: read once from its annotations, used by tables and store."""

import types
import typing
from collections.abc import Callable
from dataclasses import dataclass, fields
from datetime import datetime
from enum import StrEnum
from typing import Any

import orjson

from app.domain.records import Wide

TEXT, BIGINT, BOOLEAN, INSTANT, JSON = "text", "bigint", "boolean", "timestamptz", "jsonb"
NUMERIC = "numeric"
SCALARS: dict[type, str] = {str: TEXT, int: BIGINT, bool: BOOLEAN, datetime: INSTANT}


@dataclass(frozen=True, slots=True)
class Shape:
    """One column: its name, SQL type, whether it may be null, and the words it is limited to.

    `wire` is the SQL type a value travels as: jsonb goes as text, so that no driver codec has a
    say in it. `decode` makes a non-null value what the record's annotation says; None means that
    the driver's value is right already.
    """

    name: str
    sql: str
    optional: bool
    words: type[StrEnum] | None
    decode: Callable[[Any], Any] | None

    @property
    def wire(self) -> str:
        return TEXT if self.sql == JSON else self.sql


def encode_json(value: Any) -> str | None:
    """JSON text of a tuple or dict; raises `TypeError` where JSON has no word for it."""
    return None if value is None else orjson.dumps(value).decode()


def _tuple_of(text: str) -> tuple[Any, ...]:
    return tuple(orjson.loads(text))


def _shape(name: str, annotation: Any) -> Shape:
    parts = [annotation]
    if typing.get_origin(annotation) in (types.UnionType, typing.Union):
        parts = list(typing.get_args(annotation))
    kept = [part for part in parts if part is not type(None)]
    optional = len(kept) < len(parts)
    if len(kept) != 1:
        raise TypeError(f"{name}: {annotation} has no column type")
    plain = typing.get_origin(kept[0]) or kept[0]
    if plain is Wide:
        return Shape(name, NUMERIC, optional, None, int)
    if plain in SCALARS:
        return Shape(name, SCALARS[plain], optional, None, None)
    if plain is tuple:
        return Shape(name, JSON, optional, None, _tuple_of)
    if plain is dict:
        return Shape(name, JSON, optional, None, orjson.loads)
    if isinstance(plain, type) and issubclass(plain, StrEnum):
        return Shape(name, TEXT, optional, plain, plain)
    raise TypeError(f"{name}: {annotation} has no column type")


def shapes_of(kind: type[Any]) -> dict[str, Shape]:
    """The columns of a record type by name, in the order of its fields.

    Raises `TypeError` for an annotation that no column can hold.
    """
    if kind not in _READ:
        hints = typing.get_type_hints(kind)
        _READ[kind] = {field.name: _shape(field.name, hints[field.name]) for field in fields(kind)}
    return _READ[kind]


_READ: dict[type[Any], dict[str, Shape]] = {}
