"""The database's rules for one row, in Python: the in-memory twin refuses what PostgreSQL does."""

import re
from collections.abc import Callable, Sequence
from typing import Any

from app.domain.actions import Action
from app.domain.afterwards import AfterLetters
from app.domain.churn import ChurnEntry, ChurnRecord
from app.domain.correspondence import TemplateVersion
from app.domain.dunning import Attempt
from app.domain.events import OutgoingEvent
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
from app.storage.shapes import BIGINT, JSON, TEXT, Shape, encode_json, shapes_of
from app.storage.statements import array_of
from app.storage.tables import BELONGS

Look = Callable[[type[Any], Key], Any]
KINDS = {table.name: kind for kind, table in TABLES.items()}
CURRENCY = re.compile(r"[a-z]{3,}")
BIGINTS = range(-(1 << 63), 1 << 63)
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
    shapes = shapes_of(type(row))
    for shape in shapes.values():
        array_of(shape, [row])
        if not _fits(shape, getattr(row, shape.name)):
            raise RowRefused(f"{TABLES[type(row)].name}.{shape.name} cannot hold this value")
    if not CHECKS.get(type(row), lambda _: True)(row):
        raise RowRefused(f"{TABLES[type(row)].name}: a check forbids this row")
    read = {shape.name: _read_back(shape, row) for shape in shapes.values() if shape.decode}
    return changed(row, **read) if read else row


def require_referred(row: Any, look: Look) -> None:
    """Raise `RowRefused` unless every row that this one refers to exists; `look` finds by key."""
    for rule in TABLES[type(row)].foreign_key_constraints:
        names = [part.column.name for part in rule.elements]
        values = values_of(row, rule.column_keys)
        if None not in values and not _is_there(rule.referred_table.name, names, values, look):
            raise RowRefused(f"{rule.name}: there is no such row")


def require_belonging(row: Any, known: Any, look: Look) -> None:
    """Raise `RowRefused` unless what this row belongs to exists already, where it is new (`known`
    is None), and is the same as before where it is not."""
    table = TABLES[type(row)]
    for rule in table.info[BELONGS]:
        values = values_of(row, rule.columns)
        if known is not None and values != values_of(known, rule.columns):
            raise RowRefused(f"a row of {table.name} stays where it belongs")
        if values[-1] is not None and not _is_there(rule.table, rule.columns, values, look):
            raise RowRefused(f"a row of {table.name} belongs to nothing in {rule.table}")


def _is_there(table: str, names: Sequence[str], values: Key, look: Look) -> bool:
    kind, wanted = KINDS[table], dict(zip(names, values, strict=True))
    found = look(kind, tuple(wanted[name] for name in kind.KEY))
    return found is not None and matches(found, wanted)


def _fits(shape: Shape, value: Any) -> bool:
    if value is None:
        return shape.optional
    if shape.words and value not in list(shape.words):
        return False
    if shape.name == "currency" and not CURRENCY.fullmatch(value):
        return False
    if shape.sql == JSON:
        return "\\u0000" not in (encode_json(value) or "").replace("\\\\", "")
    if shape.sql == BIGINT:
        return value in BIGINTS
    return shape.sql != TEXT or _is_text(value)


def _is_text(text: str) -> bool:
    plain = text.isascii() or not any("\ud800" <= letter <= "\udfff" for letter in text)
    return plain and "\x00" not in text


def _read_back(shape: Shape, row: Any) -> Any:
    value = getattr(row, shape.name)
    if value is None or shape.decode is None:
        return value
    return shape.decode(encode_json(value) if shape.sql == JSON else value)
