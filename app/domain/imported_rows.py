"""A line of another product's export: under our columns, then as a session, or what is wrong."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from app.domain.ids import derive_id
from app.domain.imports import ImportedOutcome, ImportedSession
from app.domain.reasons import BY_ID, reason_for
from app.domain.survey import KEPT_FOR, LONGEST_NAME, own_words

Row = Mapping[str, Any]
LONGEST = 255
OUTCOMES = {outcome.value: outcome for outcome in ImportedOutcome}
ID = re.compile(r"[!-~]{1,255}")
WORD = re.compile(r"[^\x00-\x1f\x7f]{1,255}")
CURRENCY = re.compile(r"[a-z]{3,8}")
EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)
# Our columns; `reference`, `at` and `outcome` must be there.
COLUMNS = (
    "reference",
    "at",
    "outcome",
    "customer",
    "subscription",
    "reason",
    "comment",
    "competitor",
    "offer",
    "plan",
    "interval",
    "currency",
    "mrr_minor",
)
# Where an export of sessions of an embedded flow keeps the same: the first that is there counts.
EMBED: Mapping[str, tuple[str, ...]] = {
    "reference": ("_id", "id", "sessionId"),
    "at": ("createdAt", "created_at", "updatedAt"),
    "customer": ("customer.id", "customerId"),
    "subscription": ("customer.subscriptionId", "subscriptionId"),
    "reason": ("surveyChoiceValue", "surveyResponse", "surveyChoiceId"),
    "comment": ("feedback", "freeformFeedback", "followupResponse"),
    "offer": ("acceptedOffer.offerType", "offerType", "saveType"),
    "plan": ("customer.planId", "planId"),
    "interval": ("customer.billingInterval", "billingInterval"),
    "currency": ("customer.currency", "currency"),
}
OFFERS_THERE = {
    "DISCOUNT": "discount",
    "PAUSE": "pause",
    "PLAN_CHANGE": "plan_change",
    "TRIAL_EXTENSION": "trial_extension",
    "CONTACT": "contact",
    "REDIRECT": "redirect",
    "CUSTOM": "custom",
}
NO_OFFER = frozenset({"ABANDON", "NONE", "NULL"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Wrong:
    """What is wrong with a line of a file: its number from 1, the column, and why."""

    line: int
    column: str
    why: str


def of_embed(row: Row) -> dict[str, Any]:
    """A line of an export of an embedded flow under our columns. Whatever was not cancelled and
    has no accepted offer was abandoned: that nobody cancelled is no save."""
    told = {ours: _first_of(row, theirs) for ours, theirs in EMBED.items()}
    offer = str(told["offer"] or "").upper()
    told["offer"] = OFFERS_THERE.get(offer, offer.lower() or None)
    if offer in NO_OFFER:
        told["offer"] = None
    outcome = "saved" if told["offer"] else "abandoned"
    if _is_true(_first_of(row, ("canceled", "cancelled"))):
        outcome, told["offer"] = "cancelled", None
    elif _is_true(_first_of(row, ("aborted",))):
        outcome, told["offer"] = "abandoned", None
    for name in ("interval", "currency"):
        told[name] = str(told[name]).lower() if told[name] else None
    return told | {"outcome": outcome}


def _first_of(row: Row, paths: Sequence[str]) -> Any:
    return next((found for path in paths if (found := _at(row, path)) not in (None, "")), None)


def _at(row: Row, path: str) -> Any:
    """What stands at a dotted path, nested (JSON) or as a column of that name (CSV)."""
    if path in row:
        return row[path]
    value: Any = row
    for name in path.split("."):
        value = value.get(name) if isinstance(value, Mapping) else None
    return value


def _is_true(value: Any) -> bool:
    return value is True or str(value).strip().lower() in {"true", "1", "yes"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Whose:
    """To whom a file belongs: the account, and the name of the product it comes from. `reasons`
    says what words there mean in ours."""

    merchant_id: str
    account_id: str
    product: str
    reasons: Mapping[str, str]
    now: datetime


class Reader:
    """Reads one line; what is wrong is collected, column by column."""

    def __init__(self, row: Row, line: int) -> None:
        self._row, self._line = row, line
        self.wrong: list[Wrong] = []

    def refuse(self, column: str, why: str) -> None:
        """Note what is wrong with a column."""
        self.wrong.append(Wrong(line=self._line, column=column, why=why))

    def told(self, column: str) -> Any:
        """The value, None where nothing stands."""
        value = self._row.get(column)
        return None if value is None or value == "" else value

    def text(self, column: str, shape: re.Pattern[str], *, needed: bool = False) -> str | None:
        """Text of a shape."""
        value = self.told(column)
        if value is None:
            if needed:
                self.refuse(column, "is missing")
            return None
        text = str(value) if isinstance(value, str | int) else ""
        if not shape.fullmatch(text) or not _can_be_stored(text):
            self.refuse(column, "is empty, too long, or has characters that cannot be meant")
            return None
        return text

    def instant(self, column: str, now: datetime) -> datetime | None:
        """An instant with an offset that has passed; also milliseconds since 1970."""
        value = self.told(column)
        if value is None:
            self.refuse(column, "is missing")
            return None
        at = _instant(value)
        if at is None:
            self.refuse(column, "is no instant with an offset such as 2026-03-01T00:00:00Z")
        elif not EARLIEST <= at <= now:
            self.refuse(column, "lies in the future, or before 2000")
        return at

    def minor(self, column: str) -> int | None:
        """A whole number of minor units, not negative."""
        value = self.told(column)
        if value is None:
            return None
        text = str(value)
        if isinstance(value, bool) or not re.fullmatch(r"[0-9]{1,15}", text, flags=re.ASCII):
            self.refuse(column, "is no whole number of minor units")
            return None
        return int(text)

    def words(self, column: str, *, longest: int) -> str | None:
        """A customer's own words, fit to be kept."""
        value = self.told(column)
        text = value if isinstance(value, str) else None
        kept = own_words(text, longest=longest)
        return kept if kept is None or _can_be_stored(kept) else None


def read_row(row: Row, line: int, whose: Whose) -> ImportedSession | tuple[Wrong, ...]:
    """The session that a line under our columns tells of, or everything that is wrong with it.

    Words of customers older than a year are left out: they would be forgotten at once.
    """
    read = Reader(row, line)
    for name in sorted(str(name) for name in row if name not in COLUMNS):
        read.refuse(name[:80], "is no column that is known")
    reference = read.text("reference", ID, needed=True)
    at = read.instant("at", whose.now)
    outcome = OUTCOMES.get(str(read.told("outcome")))
    if outcome is None:
        read.refuse("outcome", "is none of saved, cancelled, abandoned")
    currency, mrr = read.text("currency", CURRENCY), read.minor("mrr_minor")
    if mrr is not None and currency is None:
        read.refuse("currency", "is missing beside mrr_minor")
    told = read.text("reason", WORD)
    facts: dict[str, Any] = {
        "customer_id": read.text("customer", ID),
        "subscription_id": read.text("subscription", ID),
        "offer_kind": read.text("offer", WORD),
        "plan": read.text("plan", WORD),
        "interval": read.text("interval", WORD),
    }
    if read.wrong or reference is None or at is None or outcome is None:
        return tuple(read.wrong)
    fresh = at > whose.now - KEPT_FOR
    return ImportedSession(
        import_id=derive_id("imported", at, whose.merchant_id, whose.product, reference),
        merchant_id=whose.merchant_id,
        account_id=whose.account_id,
        product=whose.product,
        reference=reference,
        outcome=outcome,
        reason=meant(told, whose.reasons),
        told_reason=told,
        words=read.words("comment", longest=2000) if fresh else None,
        competitor=read.words("competitor", longest=LONGEST_NAME) if fresh else None,
        currency=currency,
        mrr_minor=mrr,
        at=at,
        recorded_at=whose.now,
        **facts,
    )


def meant(told: str | None, reasons: Mapping[str, str]) -> str | None:
    """Our reason for their words: as the file's owner says, else where it is one of ours or of the
    provider's; `other` for words nobody has explained."""
    if told is None:
        return None
    plain = re.sub(r"[^a-z0-9]+", "_", told.casefold()).strip("_")
    known = plain if plain in BY_ID else reason_for(plain)
    return reasons.get(told) or known or "other"


def _instant(value: Any) -> datetime | None:
    try:
        if isinstance(value, str) and not value.isdigit():
            found = datetime.fromisoformat(value)
            return found.astimezone(UTC) if found.tzinfo else None
        if isinstance(value, bool):
            return None
        return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=int(value))
    except (ValueError, OverflowError, TypeError):
        return None


def _can_be_stored(text: str) -> bool:
    return not any("\ud800" <= letter <= "\udfff" for letter in text)
