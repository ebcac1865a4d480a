"""SQL made once for each record type: sets of rows go in and out as arrays, one array a column."""

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from enum import StrEnum
from typing import Any, Generic

from app.domain.records import Key, R, key_of, maker_of
from app.ports.store import RowRefused
from app.storage.registry import table_for
from app.storage.shapes import INSTANT, JSON, Shape, encode_json, shapes_of

COMPARISONS = {"__lte": "<=", "__gte": ">="}
MANY = (list, tuple, set, frozenset)
WORD = re.compile(r"[a-z0-9_.]+")


class Plan(Generic[R]):
    """How one record type travels: its statements, and the way from record to arrays and back."""

    def __init__(self, kind: type[R]) -> None:
        self.kind = kind
        self.table = table_for(kind).name
        self.shapes = shapes_of(kind)
        self.key: tuple[str, ...] = kind.KEY
        self.columns = ", ".join(_out(shape) for shape in self.shapes.values())
        self._names = tuple(self.shapes)
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

    def arrays(self, rows: Sequence[R]) -> list[list[Any]]:
        """The columns of these rows, no two of one key, as `insert` and `save` bind them. A column
        that says the same everywhere travels as one value, or as none where it is null.

        Raises `RowRefused` for a missing value, for values that JSON has no word for and for
        instants without zone.
        """
        return [_shortened(shape, array_of(shape, rows)) for shape in self.shapes.values()]

    def key_arrays(self, keys: Iterable[Key]) -> list[list[Any]]:
        """The parts of these keys, as `load` binds them."""
        wanted = sorted(set(keys))
        return [[key[part] for key in wanted] for part in range(len(self.key))]

    def _from_arrays(self) -> str:
        inward = ", ".join(
            _in(shape, place) for place, shape in enumerate(self.shapes.values(), start=1)
        )
        names = _list(self._names)
        return (
            f"insert into {self.table} ({names}) select {inward}"  # noqa: S608 - names, no values
            f" from unnest({_arrays(self.shapes.values())}) as given ({names})"
        )

    def _new(self) -> str:
        # A row never changes its merchant. Left out so that updating a row other rows refer to
        # (by merchant and account) does not shut out those who just add such a row.
        kept = {*self.key, "merchant_id"}
        return ", ".join(f'"{n}" = excluded."{n}"' for n in self._names if n not in kept)

    def _load(self) -> str:
        types = _arrays(self.shapes[name] for name in self.key)
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


class Question(Generic[R]):
    """One `find`: its statement, what is bound to it, and how many it finds."""

    def __init__(
        self,
        plan: Plan[R],
        where: Mapping[str, Any],
        after: Key | None,
        order: Sequence[str],
        limit: int | None,
    ) -> None:
        self.bound: list[Any] = []
        self._plan = plan
        order = tuple(order) or plan.key
        require_fields(plan.kind, where, order)
        given = None if limit is not None else _first_many(where)
        rules = [self._rule(name, value) for name, value in where.items() if name != given]
        if after is not None:
            rules.append(self._beyond(order, after))
        count = f" limit {int(limit)}" if limit is not None else ""
        source = self._source(where, given, rules)
        self.count = f"select count(*) from {source}"  # noqa: S608 - names
        self.sql = (
            f"select {plan.columns} from {source}"  # noqa: S608 - names
            f" order by {_ordering(whole_order(order, plan.key))}{count}"
        )

    def _source(self, where: Mapping[str, Any], given: str | None, rules: list[str]) -> str:
        """Rows that keep the rules; where any of many values will do, looked up one by one."""
        if given is None:
            return self._plan.table + (f" where {' and '.join(rules)}" if rules else "")
        values = list(dict.fromkeys(where[given]))
        bound = self._bind(values, self._plan.shapes[given].wire + "[]")
        rules = [f'"{given}" = given.value', *rules]
        return f"unnest({bound}) as given (value) {self._plan.one_by_one(rules)}"

    def _bind(self, value: Any, sql_type: str) -> str:
        self.bound.append(value)
        return f"${len(self.bound)}::{sql_type}"

    def _rule(self, name: str, value: Any) -> str:
        field, comparison = comparison_of(name)
        shape = self._plan.shapes[field]
        if value is None:
            return f'"{field}" is null'
        if isinstance(value, StrEnum):  # in the open: indexes are made for some states only
            return f'"{field}" {comparison} {_word(value)}'
        if isinstance(value, MANY):
            return f'"{field}" = any ({self._bind(list(value), shape.wire + "[]")})'
        return f'"{field}" {comparison} {self._bind(value, shape.wire)}'

    def _beyond(self, order: Sequence[str], after: Key) -> str:
        """Rows after a position: field by field, so that directions may differ."""
        marks = [
            self._bind(value, self._plan.shapes[name.removeprefix("-")].wire)
            for name, value in zip(order, after, strict=True)
        ]
        fields = [f'"{name.removeprefix("-")}"' for name in order]
        if all(not name.startswith("-") for name in order):
            return f"({', '.join(fields)}) > ({', '.join(marks)})"
        if all(name.startswith("-") for name in order):
            return f"({', '.join(fields)}) < ({', '.join(marks)})"
        cases = []
        for place, name in enumerate(order):
            same = [f"{fields[p]} = {marks[p]}" for p in range(place)]
            sign = "<" if name.startswith("-") else ">"
            cases.append(" and ".join([*same, f"{fields[place]} {sign} {marks[place]}"]))
        return f"({' or '.join(cases)})"


def _word(value: StrEnum) -> str:
    """A word of ours as SQL. Raises `ValueError` for what is none."""
    if not WORD.fullmatch(value):
        raise ValueError(f"{value!r} is no word")
    return f"'{value}'"


def _first_many(where: Mapping[str, Any]) -> str | None:
    return next((name for name, value in where.items() if isinstance(value, MANY)), None)


def asks_for_nothing(where: Mapping[str, Any]) -> bool:
    """Whether a field must be one of no values."""
    return any(isinstance(value, MANY) and not value for value in where.values())


def require_fields(kind: type[Any], where: Iterable[str], order: Iterable[str]) -> None:
    """Raise `KeyError` for what is no field of the record type, `ValueError` for documents, which
    cannot be compared: a name never becomes SQL unseen."""
    fields = [comparison_of(name)[0] for name in where] + [name.removeprefix("-") for name in order]
    for field in fields:
        if shapes_of(kind)[field].sql == JSON:
            raise ValueError(f"{field} is a document and cannot be compared")


def comparison_of(name: str) -> tuple[str, str]:
    """The field and the SQL comparison of a name in `where`."""
    for suffix, comparison in COMPARISONS.items():
        if name.endswith(suffix):
            return name.removesuffix(suffix), comparison
    return name, "="


def whole_order(order: Sequence[str], key: Collection[str]) -> tuple[str, ...]:
    """The order with the rest of the key behind it, so that it is total."""
    named = {name.removeprefix("-") for name in order}
    return (*order, *(name for name in key if name not in named))


def newest(rows: Sequence[R]) -> list[R]:
    """One row per key, the last one given, in key order: locks are taken in one order by all."""
    return [row for _, row in sorted({key_of(row): row for row in rows}.items())]


def array_of(shape: Shape, rows: Sequence[Any]) -> list[Any]:
    """One column of these rows as it travels. Raises `RowRefused` as `Plan.arrays`."""
    values = [getattr(row, shape.name) for row in rows]
    if shape.sql == INSTANT and any(v is not None and v.tzinfo is None for v in values):
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


def _arrays(shapes: Iterable[Shape]) -> str:
    return ", ".join(f"${n}::{shape.wire}[]" for n, shape in enumerate(shapes, start=1))


def _in(shape: Shape, place: int) -> str:
    """A column as it arrives: the shorter array is filled up with nulls, and where there may be
    none, one value stands for all."""
    name = f'"{shape.name}"'
    value = name if shape.optional else f"coalesce({name}, (${place}::{shape.wire}[])[1])"
    return f"{value}::jsonb" if shape.sql == JSON else value


def _out(shape: Shape) -> str:
    return f'"{shape.name}"::text' if shape.sql == JSON else f'"{shape.name}"'


def _list(names: Iterable[str]) -> str:
    return ", ".join(f'"{name}"' for name in names)


def _ordering(order: Iterable[str]) -> str:
    return ", ".join(
        f'"{name.removeprefix("-")}"' + (" desc" if name.startswith("-") else "") for name in order
    )


def plan_of(kind: type[R]) -> Plan[R]:
    """The plan of a record type, made once. Raises `KeyError` for a type that is not stored."""
    if kind not in _MADE:
        _MADE[kind] = Plan(kind)
    return _MADE[kind]


_MADE: dict[type[Any], Plan[Any]] = {}
