"""SQL made once for each record type: sets of rows go in and out as arrays, one array a column."""

import re
from collections.abc import Iterable, Sequence
from operator import attrgetter
from typing import Any, Generic

import orjson

from app.domain.records import Key, R, key_of, maker_of
from app.ports.store import RowRefused
from app.storage.registry import table_for
from app.storage.shapes import INSTANT, JSON, Shape, encode_json, shapes_of

# What the driver writes as an array, value by value: instants, and long text with line ends. All
# else is sent as the text of an array, which costs a twentieth of that.
PLAIN_ARRAYS = frozenset({INSTANT, JSON})
LONG_TEXT = frozenset({"body"})
# JSON writes these in words that mean something else in the text of an array.
CONTROLS = re.compile(r"\\[bfnrtu]")


class Plan(Generic[R]):
    """How one record type travels: its statements, and the way from record to arrays and back."""

    def __init__(self, kind: type[R]) -> None:
        self.kind = kind
        self.table = table_for(kind).name
        self.shapes = shapes_of(kind)
        self.key: tuple[str, ...] = kind.KEY
        self.columns = ", ".join(_out(shape) for shape in self.shapes.values())
        self._names, self._given = tuple(self.shapes), tuple(self.shapes.values())
        self._decoders = [
            (position, shape.decode)
            for position, shape in enumerate(self.shapes.values())
            if shape.decode
        ]
        self.insert = f"{self._from_arrays()} on conflict do nothing returning {_list(self.key)}"
        self.save = (
            f"{self._from_arrays()} on conflict ({_list(self.key)}) do update set {self._new()}"
        )
        self.load = self._load()

    def decode(self, row: Sequence[Any]) -> R:
        """A record of a row selected as `columns`."""
        values = list(row)
        for position, decode in self._decoders:
            if values[position] is not None:
                values[position] = decode(values[position])
        return maker_of(self.kind).make(values)

    def arrays(self, rows: Sequence[R]) -> list[list[Any] | str]:
        """The columns of these rows, no two of one key, as `insert` and `save` bind them. A column
        that says the same everywhere travels as one value, or as none where it is null.

        Raises `RowRefused` for a missing value, for values that JSON has no word for and for
        instants without zone.
        """
        return [_sent(shape, _shortened(shape, array_of(shape, rows))) for shape in self._given]

    def key_arrays(self, keys: Iterable[Key]) -> list[list[Any] | str]:
        """The parts of these keys, as `load` binds them."""
        wanted = sorted(set(keys))
        parts = zip(*wanted, strict=True) if wanted else ((),) * len(self.key)
        shapes = (self.shapes[name] for name in self.key)
        return [_sent(shape, list(part)) for shape, part in zip(shapes, parts, strict=True)]

    def _from_arrays(self) -> str:
        inward, names = ", ".join(map(_in, self._given)), _list(self._names)
        arrays = ", ".join(
            f'{_array(shape, place)} as "{shape.name}"'
            for place, shape in enumerate(self._given, start=1)
        )
        columns = ", ".join(f'sent."{name}"' for name in self._names)
        return (
            f"insert into {self.table} ({names}) select {inward}"  # noqa: S608 - names, no values
            f" from (select {arrays} offset 0) as sent"  # each array is read once
            f" cross join lateral unnest({columns}) as given ({names})"
        )

    def _new(self) -> str:
        # A row never changes its merchant. Left out so that updating a row other rows refer to
        # (by merchant and account) does not shut out those who just add such a row.
        kept = {*self.key, "merchant_id"}
        return ", ".join(f'"{n}" = excluded."{n}"' for n in self._names if n not in kept)

    def _load(self) -> str:
        shapes = [self.shapes[name] for name in self.key]
        types = ", ".join(_array(shape, n) for n, shape in enumerate(shapes, start=1))
        given = [f"key_{place}" for place in range(len(self.key))]
        rules = [f'"{name}" = {part}' for name, part in zip(self.key, given, strict=True)]
        return (
            f"select {self.columns} from unnest({types}) as given ({', '.join(given)})"  # noqa: S608 - names
            f" {self.one_by_one(rules)} order by {_list(self.key)}"
        )

    def one_by_one(self, rules: Iterable[str]) -> str:
        """A join that looks each given value up by itself. Left to choose, the planner reads the
        whole of a merchant, whose rows it cannot tell from the whole table's; `offset 0` keeps it
        from choosing."""
        return (
            f"cross join lateral (select * from {self.table}"  # noqa: S608 - names
            f" where {' and '.join(rules)} offset 0) as found"
        )


def newest(rows: Sequence[R]) -> list[R]:
    """One row per key, the last one given, in key order: locks are taken in one order by all."""
    last = {key_of(row): row for row in rows}
    return [last[key] for key in sorted(last)]


def array_of(shape: Shape, rows: Sequence[Any]) -> list[Any]:
    """One column of these rows as it travels. Raises `RowRefused` as `Plan.arrays`."""
    values = list(map(attrgetter(shape.name), rows))
    if shape.sql == INSTANT and None in {v.tzinfo for v in values if v is not None}:
        raise RowRefused(f"{shape.name}: an instant without a time zone")
    if shape.sql != JSON:
        return values
    try:
        return [encode_json(value) for value in values]
    except TypeError as unspeakable:
        raise RowRefused(f"{shape.name}: JSON has no word for this value") from unspeakable


def _shortened(shape: Shape, values: list[Any]) -> list[Any]:
    if shape.optional:
        return values if values.count(None) < len(values) else []
    if None in values:
        raise RowRefused(f"{shape.name}: a value is missing")
    return values[:1] if values.count(values[0]) == len(values) else values


def _is_plain(shape: Shape) -> bool:
    return shape.sql in PLAIN_ARRAYS or shape.name in LONG_TEXT


def _array(shape: Shape, place: int) -> str:
    """The array of a column, as `_sent` sends it."""
    return f"${place}::{shape.wire}[]" if _is_plain(shape) else f"${place}::text::{shape.wire}[]"


def _sent(shape: Shape, values: list[Any]) -> list[Any] | str:
    return values if _is_plain(shape) else text_of(shape, values)


def text_of(shape: Shape, values: Sequence[Any]) -> str:
    """Text, whole numbers, truths and nulls as PostgreSQL reads an array of them: as JSON writes
    one, but for the brackets and for control characters. Raises `RowRefused` for half a
    character and for numbers of more than 64 bits."""
    try:
        text = orjson.dumps(values).decode()
    except TypeError as unspeakable:
        raise RowRefused(f"{shape.name}: a value that no column can hold") from unspeakable
    if CONTROLS.search(text):
        text = f"[{','.join(map(_quoted, values))}]"
    return "{" + text[1:-1] + "}"


def _quoted(value: Any) -> str:
    if not isinstance(value, str):
        return "null" if value is None else str(value)
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _in(shape: Shape) -> str:
    """A column as it arrives: the shorter array is filled up with nulls, and where there may be
    none, one value stands for all."""
    name = f'given."{shape.name}"'
    value = name if shape.optional else f'coalesce({name}, sent."{shape.name}"[1])'
    return f"{value}::jsonb" if shape.sql == JSON else value


def _out(shape: Shape) -> str:
    return f'"{shape.name}"::text' if shape.sql == JSON else f'"{shape.name}"'


def _list(names: Iterable[str]) -> str:
    return ", ".join(f'"{name}"' for name in names)


def plan_of(kind: type[R]) -> Plan[R]:
    """The plan of a record type, made once. Raises `KeyError` for a type that is not stored."""
    if kind not in _MADE:
        _MADE[kind] = Plan(kind)
    return _MADE[kind]


_MADE: dict[type[Any], Plan[Any]] = {}
