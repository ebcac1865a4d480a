"""The database's rules for one row, in Python: the in-memory twin refuses what PostgreSQL does."""

import re
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

from app.domain.actions import Action
from app.domain.afterwards import AfterLetters
from app.domain.churn import ChurnEntry, ChurnRecord
from app.domain.correspondence import TemplateVersion
from app.domain.dunning import Attempt
from app.domain.events import OutgoingEvent
from app.domain.exchange import ExchangeRate
from app.domain.experiments import Assignment
from app.domain.flows import FlowVersion
from app.domain.merchants import Merchant
from app.domain.messages import Message
from app.domain.mirror import PaymentMethod
from app.domain.operations import SHARES, InboxEvent
from app.domain.policies import PolicyVersion
from app.domain.records import Key, changed
from app.domain.recovery import EntryKind, RecoveryEntry
from app.domain.redemptions import Redemption, RedemptionStep
from app.domain.saves import SaveStep
from app.domain.survey import SurveyAnswer
from app.ports.store import RowRefused
from app.storage.matching import matches, values_of
from app.storage.registry import TABLES
from app.storage.shapes import BIGINT, BOOLEAN, INSTANT, JSON, TEXT, Shape, encode_json, shapes_of
from app.storage.tables import BELONGS

Look = Callable[[type[Any], Key], Any]
KINDS = {table.name: kind for kind, table in TABLES.items()}
CURRENCY = re.compile(r"[a-z]{3,}")
LIMIT = 1 << 63
RATE = re.compile(r"[0-9]{1,12}(\.[0-9]{1,12})?")
TEN = (None, *range(11))
TAKEN_BACK = frozenset({EntryKind.REFUNDED, EntryKind.DISPUTE_LOST})
COUNTED = frozenset({ChurnEntry.PENDING, ChurnEntry.CHURNED})
CHECKS: dict[type[Any], Callable[[Any], bool]] = {
    Merchant: lambda row: (
        0 <= row.holdout_percent <= 100 and bool(row.merchant_id) and "," not in row.merchant_id
    ),
    Message: lambda row: row.case_id is None or row.subscription_id is None,
    AfterLetters: lambda row: row.feedback_hours >= 1 and row.before_end_days >= 1,
    TemplateVersion: lambda row: row.version >= 1,
    Assignment: lambda row: 0 <= row.holdout_percent <= 100,
    PaymentMethod: lambda row: row.last4 is None or len(row.last4) <= 4,
    Attempt: lambda row: row.number >= 1,
    PolicyVersion: lambda row: row.version >= 1,
    FlowVersion: lambda row: row.version >= 1,
    SurveyAnswer: lambda row: row.rating in TEN and row.likely in TEN,
    Action: lambda row: row.claims >= 0,
    OutgoingEvent: lambda row: row.sequence >= 1,
    InboxEvent: lambda row: row.share in range(SHARES),
    Redemption: lambda row: row.cost_minor >= 0,
    RedemptionStep: lambda row: row.number >= 1 and row.tries >= 1,
    SaveStep: lambda row: row.cost_minor >= 0,
    ExchangeRate: lambda row: bool(RATE.fullmatch(row.rate)) and float(row.rate) > 0,
    ChurnRecord: lambda row: (
        (row.count == 1 and row.mrr_minor >= 0)
        if row.entry in COUNTED
        else (row.count == -1 and row.mrr_minor <= 0)
    ),
    RecoveryEntry: lambda row: (
        row.amount_minor <= 0 if row.kind in TAKEN_BACK else row.amount_minor >= 0
    ),
}


def as_stored(row: Any) -> Any:
    """The row as it would be read back. Raises `RowRefused` where PostgreSQL would."""
    kind, read = row.__class__, {}
    for shape, keep in _columns_of(kind):
        value = getattr(row, shape.name)
        if value is None:
            if not shape.optional:
                raise RowRefused(f"{TABLES[kind].name}.{shape.name}: a value is missing")
            continue
        if keep is _truth:
            continue
        try:
            kept = keep(shape, value)
        except RowRefused as refused:
            raise RowRefused(f"{TABLES[kind].name}.{shape.name}: {refused}") from refused
        if kept is not value:
            read[shape.name] = kept
    if not CHECKS.get(kind, _any)(row):
        raise RowRefused(f"{TABLES[kind].name}: a check forbids this row")
    return changed(row, **read) if read else row


def require_referred(row: Any, look: Look) -> None:
    """Raise `RowRefused` unless every row that this one refers to exists; `look` finds by key."""
    for rule, columns, table, names in _references_of(row.__class__):
        values = values_of(row, columns)
        if None not in values and not _is_there(table, names, values, look):
            raise RowRefused(f"{rule}: there is no such row")


@cache
def _references_of(kind: type[Any]) -> tuple[tuple[str, list[str], str, list[str]], ...]:
    """The foreign keys of a table: name, own columns, the other table and its columns."""
    return tuple(
        (
            str(rule.name),
            list(rule.column_keys),
            rule.referred_table.name,
            [part.column.name for part in rule.elements],
        )
        for rule in TABLES[kind].foreign_key_constraints
    )


def require_belonging(row: Any, known: Any, look: Look) -> None:
    """Raise `RowRefused` unless what this row belongs to exists already, where it is new (`known`
    is None), and is the same as before where it is not."""
    table = TABLES[type(row)]
    for rule in table.info[BELONGS]:
        values = values_of(row, rule.columns)
        if known is not None:  # what it belongs to does not go away
            if values != values_of(known, rule.columns):
                raise RowRefused(f"a row of {table.name} stays where it belongs")
            continue
        if values[-1] is not None and not _is_there(rule.table, rule.columns, values, look):
            raise RowRefused(f"a row of {table.name} belongs to nothing in {rule.table}")


def _is_there(table: str, names: Sequence[str], values: Key, look: Look) -> bool:
    kind, wanted = KINDS[table], dict(zip(names, values, strict=True))
    found = look(kind, tuple(wanted[name] for name in kind.KEY))
    return found is not None and matches(found, wanted)


def _any(_: Any) -> bool:
    return True


def _text(_: Shape, value: Any) -> Any:
    plain = value.isascii() or not any("\ud800" <= letter <= "\udfff" for letter in value)
    if not plain or "\x00" in value:
        raise RowRefused("no column can hold this text")
    return value


def _word(shape: Shape, value: Any) -> Any:
    if type(value) is shape.words:
        return value
    if shape.words is None or value not in list(shape.words):
        raise RowRefused(f"{value!r} is none of its words")
    return shape.words(value)


def _currency(_: Shape, value: Any) -> Any:
    if not CURRENCY.fullmatch(value):
        raise RowRefused(f"{value!r} is no currency")
    return value


def _number(_: Shape, value: Any) -> Any:
    if not -LIMIT <= value < LIMIT:
        raise RowRefused("a number that no column can hold")
    return value


def _instant(_: Shape, value: Any) -> Any:
    if value.tzinfo is None:
        raise RowRefused("an instant without a time zone")
    return value


def _document(shape: Shape, value: Any) -> Any:
    try:
        text = encode_json(value) or ""
    except TypeError as unspeakable:
        raise RowRefused("JSON has no word for this value") from unspeakable
    if "\\u0000" in text and "\\u0000" in text.replace("\\\\", ""):
        raise RowRefused("JSON text with a null character")
    return shape.decode(text) if shape.decode else value


def _truth(_: Shape, value: Any) -> Any:
    return value


Keep = Callable[[Shape, Any], Any]
# What a column makes of a value: the value as it is read back, or a refusal.
KEPT: dict[str, Keep] = {
    TEXT: _text,
    BIGINT: _number,
    BOOLEAN: _truth,
    INSTANT: _instant,
    JSON: _document,
}


@cache
def _columns_of(kind: type[Any]) -> tuple[tuple[Shape, Keep], ...]:
    return tuple((shape, _keeps(shape)) for shape in shapes_of(kind).values())


def _keeps(shape: Shape) -> Keep:
    if shape.words:
        return _word
    return _currency if shape.name == "currency" else KEPT[shape.sql]
