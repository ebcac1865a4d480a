"""What a stored thing is: a frozen dataclass with a key. One shape for rooms and store alike."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import MISSING, field, fields, make_dataclass
from operator import attrgetter
from typing import Any, ClassVar, Generic, NewType, ParamSpec, Protocol, TypeVar

# A whole number that 64 bits may not hold, such as a sum of products of money.
Wide = NewType("Wide", int)
Key = tuple[Any, ...]
Fields = Callable[[Any], Key]


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
T = TypeVar("T")
P = ParamSpec("P")


def key_of(record: Record) -> Key:
    """The primary key of a record, in the order of its `KEY`."""
    kind = type(record)
    read = _KEYS.get(kind)
    if read is None:
        read = _KEYS[kind] = fields_of(kind.KEY)
    return read(record)


def fields_of(names: Sequence[str]) -> Fields:
    """What reads these fields of a row, always as a tuple."""
    read = attrgetter(*names)
    return read if len(names) > 1 else lambda row: (read(row),)


_KEYS: dict[type[Any], Fields] = {}


def quick(kind: Callable[P, T]) -> Callable[P, T]:
    """The constructor of a frozen dataclass with slots, at a quarter of its price, for what a
    batch makes by the thousand: `invoice_of = quick(Invoice)`."""
    twin: Callable[P, T] = _open_twin(kind, kw_only=True)
    return twin


def _open_twin(kind: Any, *, kw_only: bool) -> Any:
    """What makes values of `kind`: a class of the same slots that is not frozen, so that each is
    filled by a plain assignment; made, its value becomes one of `kind`. Without `kw_only` it takes
    the values of all fields in their order."""

    def close(self: Any) -> None:
        self.__class__ = kind

    def given(known: Any) -> Any:
        default = {"default": known.default, "default_factory": known.default_factory}
        return field(**{n: v for n, v in default.items() if kw_only and v is not MISSING})

    return make_dataclass(
        kind.__name__,
        [(known.name, Any, given(known)) for known in fields(kind)],
        namespace={"__post_init__": close},
        slots=True,
        kw_only=kw_only,
        eq=False,
        repr=False,
    )


class Maker(Generic[T]):
    """Makes values of one frozen dataclass with slots from the values of all its fields, in their
    order. `quick`, for rows that are read or copied."""

    def __init__(self, kind: type[T]) -> None:
        names = [known.name for known in fields(kind)]  # type: ignore[arg-type]
        self._places = {name: place for place, name in enumerate(names)}
        self._read = fields_of(names)
        self._twin: Callable[..., T] = _open_twin(kind, kw_only=False)

    def make(self, values: Sequence[Any]) -> T:
        """A value with these in its fields. Raises `TypeError` for too few or too many."""
        return self._twin(*values)

    def changed(self, row: T, changes: Mapping[str, Any]) -> T:
        """A copy of `row` with these fields changed. Raises `KeyError` for what is no field."""
        values = list(self._read(row))
        for name, value in changes.items():
            values[self._places[name]] = value
        return self._twin(*values)


def maker_of(kind: type[T]) -> Maker[T]:
    """The maker of a type, made once."""
    if kind not in _MAKERS:
        _MAKERS[kind] = Maker(kind)
    return _MAKERS[kind]


def changed(row: T, **changes: Any) -> T:
    """`dataclasses.replace` for the rows that come by the thousand, five times as fast. Raises
    `KeyError` for what is no field."""
    return maker_of(type(row)).changed(row, changes)


_MAKERS: dict[type[Any], Maker[Any]] = {}


class Index:
    """The keys of rows of one kind by the values of some fields, oldest first."""

    def __init__(self, names: Sequence[str], rows: dict[Key, Any]) -> None:
        self._values = fields_of(names)
        self._keys: dict[Key, dict[Key, None]] = {}
        for key, row in rows.items():
            self.move(key, None, row)

    def move(self, key: Key, old: Any, row: Any) -> None:
        """A row is new (`old` is None) or has another version."""
        values = self._values(row)
        if old is not None and (was := self._values(old)) != values:
            del self._keys[was][key]
        self._keys.setdefault(values, {})[key] = None

    def leave_out(self, key: Key, row: Any) -> None:
        """A row is there no more."""
        del self._keys[self._values(row)][key]

    def keys(self, values: Key) -> list[Key]:
        """The keys of the rows that have these values."""
        return list(self._keys.get(values, ()))


class Sheet:
    """The rows of one kind in a book: as they are now, which were changed or added, and what those
    that were changed had been."""

    __slots__ = ("added", "before", "changed", "indexes", "key", "rows")

    def __init__(self, kind: type[Any]) -> None:
        self.key = fields_of(kind.KEY)
        self.rows: dict[Key, Any] = {}
        self.changed: dict[Key, Any] = {}
        self.before: dict[Key, Any] = {}
        self.added: dict[Key, Any] = {}
        self.indexes: dict[tuple[str, ...], Index] = {}

    def set(self, key: Key, row: Any) -> None:
        """Let this be the row of this key."""
        for index in self.indexes.values():
            index.move(key, self.rows.get(key), row)
        self.rows[key] = row

    def index(self, names: tuple[str, ...]) -> Index:
        """The rows by these fields."""
        if names not in self.indexes:
            self.indexes[names] = Index(names, self.rows)
        return self.indexes[names]


class Sheets(dict[type[Any], Sheet]):
    """The sheets of a book by kind, made when first asked for."""

    def __missing__(self, kind: type[Any]) -> Sheet:
        sheet = self[kind] = Sheet(kind)
        return sheet


class Book:
    """The records one use case works on, and which of them it changed. No I/O.

    A decision reads and puts; the service loads before and saves after, in one transaction.
    `add` is for rows that may exist already under one of their unique keys (insert, ignore);
    `put` is for rows whose state moves (upsert by key).
    """

    def __init__(self) -> None:
        self._sheets = Sheets()

    def know(self, rows: "list[Any]") -> None:
        """Take rows as loaded: known, not changed. A row already changed here is kept."""
        for row in rows:
            sheet = self._sheets[type(row)]
            key = sheet.key(row)
            if key not in sheet.rows:
                sheet.set(key, row)

    def get(self, kind: type[R], *key: Any) -> R | None:
        """The newest version of a row by its key, or None."""
        return self._sheets[kind].rows.get(key)

    def all(self, kind: type[R], /, **where: Any) -> Iterator[R]:
        """Every known row of a kind, newest versions; with `where` those whose fields have these
        values, found without a look at the rest."""
        sheet = self._sheets[kind]
        rows = sheet.rows
        if not where:
            return iter(list(rows.values()))
        keys = sheet.index(tuple(where)).keys(tuple(where.values()))
        return (rows[key] for key in keys) if keys else iter(())

    def put(self, row: Any) -> None:
        """Record a new version of a row (upsert by key)."""
        sheet = self._sheets[type(row)]
        key = sheet.key(row)
        known = sheet.rows.get(key)
        if known is row:
            return
        if key in sheet.added:
            sheet.set(key, row)
            sheet.added[key] = row
            return
        if key not in sheet.changed and known == row:
            return
        sheet.set(key, row)
        sheet.before.setdefault(key, known)
        sheet.changed[key] = row

    def add(self, row: Any) -> None:
        """Record a row that is written once; one already known under its key stays as it is."""
        sheet = self._sheets[type(row)]
        key = sheet.key(row)
        if key not in sheet.rows:
            sheet.set(key, row)
            sheet.added[key] = row

    def is_new(self, row: Any) -> bool:
        """Whether a row of this key was added here."""
        sheet = self._sheets[type(row)]
        return sheet.key(row) in sheet.added

    def forget(self, row: Any) -> None:
        """Take back a row that was added here, as if it had never been; others stay."""
        sheet = self._sheets[type(row)]
        key = sheet.key(row)
        if sheet.added.pop(key, None) is not None:
            known = sheet.rows.pop(key)
            for index in sheet.indexes.values():
                index.leave_out(key, known)

    def kinds(self) -> list[type[Any]]:
        """The kinds of which there are rows to write."""
        return [kind for kind, sheet in self._sheets.items() if sheet.changed or sheet.added]

    def changed(self, kind: type[R]) -> list[R]:
        """Rows of a kind to upsert."""
        return list(self._sheets[kind].changed.values())

    def new(self, kind: type[R]) -> list[R]:
        """The rows of a kind that this use case brings into the world."""
        sheet = self._sheets[kind]
        put = [row for key, row in sheet.changed.items() if sheet.before[key] is None]
        return [*put, *sheet.added.values()]

    def before(self, row: Any) -> Any:
        """The version of a changed row that was known at first; None where none was."""
        sheet = self._sheets[type(row)]
        return sheet.before.get(sheet.key(row))

    def was(self, row: R) -> R | None:
        """The version of a row that was known at first: itself where it is unchanged, None where
        it is new."""
        sheet = self._sheets[type(row)]
        key = sheet.key(row)
        found: R | None = sheet.before[key] if key in sheet.changed else row
        return None if key in sheet.added else found

    def added(self, kind: type[R]) -> list[R]:
        """Rows of a kind to insert where absent."""
        return list(self._sheets[kind].added.values())
