"""What `find` asks, in SQL: worded once for each form of a question, whatever its values."""

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from enum import StrEnum
from functools import cache, lru_cache
from typing import Any, Generic

from app.domain.records import Key, R
from app.storage.shapes import JSON, shapes_of
from app.storage.statements import Plan, plan_of

COMPARISONS = {"__lte": "<=", "__gte": ">="}
MANY = (list, tuple, set, frozenset)
WORD = re.compile(r"[a-z0-9_.]+")


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
        form = tuple((name, _form(value)) for name, value in where.items())
        marks = None if after is None else len(after)
        self.sql, self.count = _asked(plan.kind, form, marks, tuple(order) or plan.key, limit)
        self.bound = _bound(where, after, _given(form, limit))


# What a value is compared as: these, or a word of ours that stands in the statement.
NULL, ONE, ANY = " null", " one", " any"


def _form(value: Any) -> str:
    if value is None:
        return NULL
    if isinstance(value, StrEnum):  # in the open: indexes are made for some states only
        return _word(value)
    return ANY if isinstance(value, MANY) else ONE


def _given(form: Iterable[tuple[str, str]], limit: int | None) -> str | None:
    """The field whose values are looked up one by one."""
    many = (name for name, what in form if what == ANY)
    return next(many, None) if limit is None else None


def _bound(where: Mapping[str, Any], after: Key | None, given: str | None) -> list[Any]:
    """The values in the order in which `Wording` counts their places."""
    rest = [(value, _form(value)) for name, value in where.items() if name != given]
    bound = [list(v) if what == ANY else v for v, what in rest if what in (ONE, ANY)]
    bound += after or ()
    return bound if given is None else [*bound, list(dict.fromkeys(where[given]))]


@lru_cache(maxsize=2000)
def _asked(
    kind: type[Any],
    form: tuple[tuple[str, str], ...],
    marks: int | None,
    order: tuple[str, ...],
    limit: int | None,
) -> tuple[str, str]:
    """The statement of a question, and that of how many it finds: made once for each form."""
    wording = Wording(plan_of(kind))
    require_fields(kind, (name for name, _ in form), order)
    given = _given(form, limit)
    rules = [wording.rule(name, what) for name, what in form if name != given]
    if marks is not None:
        rules.append(wording.beyond(order, marks))
    source = wording.source(given, rules)
    plan, number = wording.plan, f" limit {int(limit)}" if limit is not None else ""
    return (
        f"select {plan.columns} from {source} order by {_ordering(order, plan.key)}{number}",  # noqa: S608 - names
        f"select count(*) from {source}",  # noqa: S608 - names
    )


class Wording:
    """The parts of a question in SQL, its places counted as they come."""

    def __init__(self, plan: Plan[Any]) -> None:
        self.plan, self._places = plan, 0

    def source(self, given: str | None, rules: list[str]) -> str:
        """Rows that keep the rules; where any of many values will do, looked up one by one."""
        if given is None:
            return self.plan.table + (f" where {' and '.join(rules)}" if rules else "")
        values = self._place(self.plan.shapes[given].wire + "[]")
        rules = [f'"{given}" = given.value', *rules]
        return f"unnest({values}) as given (value) {self.plan.one_by_one(rules)}"

    def rule(self, name: str, what: str) -> str:
        """One comparison."""
        field, comparison = comparison_of(name)
        shape = self.plan.shapes[field]
        if what == NULL:
            return f'"{field}" is null'
        if what == ANY:
            return f'"{field}" = any ({self._place(shape.wire + "[]")})'
        value = self._place(shape.wire) if what == ONE else what
        return f'"{field}" {comparison} {value}'

    def beyond(self, order: Sequence[str], count: int) -> str:
        """Rows after a position: field by field, so that directions may differ."""
        if count != len(order):
            raise ValueError("a position names every field of the order")
        marks = [self._place(self.plan.shapes[name.removeprefix("-")].wire) for name in order]
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

    def _place(self, sql_type: str) -> str:
        self._places += 1
        return f"${self._places}::{sql_type}"


def _word(value: StrEnum) -> str:
    """A word of ours as SQL. Raises `ValueError` for what is none."""
    if not WORD.fullmatch(value):
        raise ValueError(f"{value!r} is no word")
    return f"'{value}'"


def asks_for_nothing(where: Mapping[str, Any]) -> bool:
    """Whether a field must be one of no values."""
    return any(not value and isinstance(value, MANY) for value in where.values())


def require_fields(kind: type[Any], where: Iterable[str], order: Iterable[str]) -> None:
    """Raise `KeyError` for what is no field of the record type, `ValueError` for documents, which
    cannot be compared: a name never becomes SQL unseen."""
    fields = [comparison_of(name)[0] for name in where] + [name.removeprefix("-") for name in order]
    for field in fields:
        if shapes_of(kind)[field].sql == JSON:
            raise ValueError(f"{field} is a document and cannot be compared")


@lru_cache(maxsize=2000)
def require_asked(kind: type[Any], where: tuple[str, ...], order: tuple[str, ...]) -> None:
    """`require_fields`, once for each form of a question."""
    require_fields(kind, where, order)


@cache
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


def _ordering(order: Sequence[str], key: Collection[str]) -> str:
    whole = whole_order(order, key)
    return ", ".join(
        f'"{name.removeprefix("-")}"' + (" desc" if name.startswith("-") else "") for name in whole
    )
