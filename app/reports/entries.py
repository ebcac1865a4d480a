"""The ledger lines behind a figure, page by page or all of them."""

import base64
import binascii
import hashlib
import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from app.domain.recovery import Cause, EntryKind, RecoveryEntry
from app.ports.figures import EntryFilter, Figures
from app.reports.answers import Answer, Row
from app.reports.asking import (
    Question,
    WrongParameter,
    choice,
    instant,
    number,
    plain_text,
    stamp,
)

COLUMNS = (
    "entry_id",
    "occurred_at",
    "recorded_at",
    "failed_at",
    "account",
    "invoice",
    "case",
    "kind",
    "cause",
    "assisted_by",
    "currency",
    "amount_minor",
    "tax_minor",
    "plan",
    "interval",
    "provider_ref",
)
DEFAULT_LIMIT, HIGHEST_LIMIT = 100, 1_000
Position = tuple[datetime, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cursor:
    """Where a page ended: the last line's place, and the cut-off all pages share."""

    as_of: datetime
    after: Position

    def text(self, words: Mapping[str, str]) -> str:
        """As an opaque word that only fits the question it came from."""
        parts = [stamp(self.as_of), stamp(self.after[0]), self.after[1], _question_mark(words)]
        return base64.urlsafe_b64encode(json.dumps(parts).encode()).decode().rstrip("=")


def cursor_of(words: Mapping[str, str]) -> Cursor | None:
    """The cursor among the words of a question, if there is one.

    Raises `WrongParameter` for one that is not ours or that another question gave.
    """
    text = words.get("cursor")
    if text is None:
        return None
    try:
        padded = text.encode("ascii") + b"=" * (-len(text) % 4)
        as_of, at, entry_id, mark = json.loads(base64.b64decode(padded, b"-_", validate=True))
        cursor = Cursor(
            as_of=instant("cursor", as_of),
            after=(instant("cursor", at), plain_text("cursor", entry_id)),
        )
    except (ValueError, TypeError, binascii.Error):
        raise WrongParameter("cursor", "is not one that an earlier page gave") from None
    if mark != _question_mark(words):
        raise WrongParameter("cursor", "belongs to a question with other parameters")
    return cursor


def _question_mark(words: Mapping[str, str]) -> str:
    asked = sorted((name, word) for name, word in words.items() if name not in ("cursor", "limit"))
    return hashlib.sha256(json.dumps(asked).encode()).hexdigest()[:16]


def limit_of(words: Mapping[str, str]) -> int | None:
    """How many lines were asked for at most. Raises `WrongParameter`."""
    text = words.get("limit")
    return None if text is None else number("limit", text, lowest=1, highest=HIGHEST_LIMIT)


def chosen(words: Mapping[str, str], question: Question) -> EntryFilter:
    """The filters among the words of a question. Raises `WrongParameter`."""
    cause, kind, plan = (words.get(name) for name in ("cause", "kind", "plan"))
    return EntryFilter(
        starts_at=question.starts_at,
        ends_at=question.ends_at,
        cause=None if cause is None else choice("cause", cause, frozenset(Cause)),
        kind=None if kind is None else choice("kind", kind, frozenset(EntryKind)),
        plan=None if plan is None else plain_text("plan", plan),
    )


async def page(
    question: Question,
    words: Mapping[str, str],
    *,
    after: Position | None,
    limit: int,
    figures: Figures,
) -> Answer:
    """One page; `next_cursor` of the head leads to the next, None on the last."""
    found = await figures.entries(
        question.excerpt, chosen(words, question), after=after, limit=limit + 1
    )
    lines, cursor = found[:limit], None
    if len(found) > limit:
        last = lines[-1]
        cursor = Cursor(as_of=question.excerpt.as_of, after=(last.occurred_at, last.entry_id)).text(
            words
        )

    async def rows() -> AsyncIterator[Row]:
        for line in lines:
            yield _row(line)

    return _answer(question, words, rows(), {"next_cursor": cursor})


def everything(
    question: Question, words: Mapping[str, str], *, after: Position | None, figures: Figures
) -> Answer:
    """All lines behind `after`, fetched some at a time while they are read: no transaction
    waits for a slow reader, and the cut-off keeps the parts consistent."""
    filters = chosen(words, question)

    async def rows() -> AsyncIterator[Row]:
        position = after
        while found := await figures.entries(
            question.excerpt, filters, after=position, limit=HIGHEST_LIMIT
        ):
            for line in found:
                yield _row(line)
            position = (found[-1].occurred_at, found[-1].entry_id)

    return _answer(question, words, rows(), {"next_cursor": None})


def _answer(
    question: Question, words: Mapping[str, str], rows: AsyncIterator[Row], paging: Row
) -> Answer:
    async def tail() -> Mapping[str, Any]:
        return {}

    asked = {name: words.get(name) for name in ("cause", "kind", "plan")}
    head = {"figure": "recovered-revenue/entries", **question.echo(), **asked, **paging}
    return Answer(head=head, columns=COLUMNS, rows=rows, tail=tail)


def _row(line: RecoveryEntry) -> Row:
    return {
        "entry_id": line.entry_id,
        "occurred_at": stamp(line.occurred_at),
        "recorded_at": stamp(line.recorded_at),
        "failed_at": stamp(line.failed_at),
        "account": line.account_id,
        "invoice": line.invoice_id,
        "case": line.case_id,
        "kind": line.kind.value,
        "cause": line.cause.value,
        "assisted_by": line.assisted_by,
        "currency": line.currency,
        "amount_minor": line.amount_minor,
        "tax_minor": line.tax_minor,
        "plan": line.plan,
        "interval": line.interval,
        "provider_ref": line.provider_ref,
    }
