"""Tables out of records: columns follow the fields, the aggregate's file adds what only a
database can hold (foreign keys, checks, indexes)."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    ForeignKeyConstraint,
    Index,
    MetaData,
    Numeric,
    PrimaryKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.schema import SchemaItem
from sqlalchemy.types import TypeEngine

from app.storage.shapes import BIGINT, BOOLEAN, INSTANT, JSON, NUMERIC, TEXT, Shape, shapes_of

# Text sorts by code point everywhere: the same order in every cluster, whatever its locale.
TYPES: dict[str, TypeEngine[Any]] = {
    TEXT: Text(collation="C"),
    BIGINT: BigInteger(),
    NUMERIC: Numeric(),
    BOOLEAN: Boolean(),
    INSTANT: DateTime(timezone=True),
    JSON: JSONB(),
}
CURRENCY = "currency ~ '^[a-z]{3,}$'"
METADATA = MetaData(
    naming_convention={"fk": "%(table_name)s_%(column_0_N_name)s_refers"},
)


BELONGS = "belongs"  # where a table keeps what its rows belong to


@dataclass(frozen=True, slots=True)
class Belonging:
    """New rows name a row of `table` by these columns, unless the last is null. Checked once a
    statement, so the row they name comes first; it stays, and they stay with it."""

    columns: tuple[str, ...]
    table: str


def table_of(kind: type[Any], name: str, *more: SchemaItem | Belonging) -> Table:
    """The table of a record type: its fields, key, uniques, and a CHECK for each enum."""
    shapes = list(shapes_of(kind).values())
    items: list[SchemaItem] = [Column(s.name, TYPES[s.sql], nullable=s.optional) for s in shapes]
    items.append(PrimaryKeyConstraint(*kind.KEY, name=f"{name}_key"))
    items += [
        UniqueConstraint(*names, name=f"{name}_{'_'.join(names)}_unique") for names in kind.UNIQUE
    ]
    items += [
        CheckConstraint(_words(shape), name=f"{name}_{shape.name}_words")
        for shape in shapes
        if shape.words
    ]
    if any(shape.name == "currency" for shape in shapes):
        items.append(CheckConstraint(CURRENCY, name=f"{name}_currency_code"))
    items += [item for item in more if not isinstance(item, Belonging)]
    belongs = tuple(item for item in more if isinstance(item, Belonging))
    return Table(name, METADATA, *items, info={BELONGS: belongs})


def _words(shape: Shape) -> str:
    words = ", ".join(f"'{word}'" for word in shape.words or ())
    return f"{shape.name} in ({words})"


def refers(columns: str, table: str, *, to: str = "") -> ForeignKeyConstraint:
    """A foreign key, checked at commit so that the order of writes within a use case is free."""
    names = columns.split()
    return ForeignKeyConstraint(
        names,
        [f"{table}.{name}" for name in (to or columns).split()],
        deferrable=True,
        initially="DEFERRED",
    )


def belongs(columns: str, table: str) -> Belonging:
    """What `refers` says of rows that are written by the thousand."""
    return Belonging(tuple(columns.split()), table)


def index(name: str, columns: str, *, where: str | None = None) -> Index:
    """An index over columns named in one string, partial with `where`."""
    return Index(name, *columns.split(), postgresql_where=text(where) if where else None)


def unique_index(name: str, columns: str, *, where: str) -> Index:
    """At most one row of these values among those of `where`."""
    return Index(name, *columns.split(), unique=True, postgresql_where=text(where))


def check(name: str, rule: str) -> CheckConstraint:
    """A rule the database holds."""
    return CheckConstraint(rule, name=name)
