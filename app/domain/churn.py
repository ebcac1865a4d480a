"""Churn records: who stopped paying or using it, why, and what it cost. A ledger: lines are added,
never changed, so that the sum over any of their columns is true at every instant."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import ClassVar

from app.domain.ids import derive_id

# ISO 4217's word where there is no currency: a subscription that was seen without one.
NO_CURRENCY = "xxx"


class ChurnKind(StrEnum):
    """Who ended it. `INVOLUNTARY` iff it was caused by non-payment and no cancel request stood;
    `VOLUNTARY` where the customer asked, or somebody for them; `MERCHANT` where the merchant did
    (fraud, terms, a dispute); `MIGRATION` where another subscription of the customer took its
    place."""

    VOLUNTARY = "voluntary"
    INVOLUNTARY = "involuntary"
    MERCHANT = "merchant"
    MIGRATION = "migration"


class ChurnEntry(StrEnum):
    """What a line says.

    `PENDING` an end is planned, `WITHDRAWN` that plan is given up. `CHURNED` access ended at the
    provider, `REVERSED` the customer came back. `RESTATED` takes an earlier line back, because
    more is known now; what is true stands beside it, dated as that line was.
    """

    PENDING = "pending"
    WITHDRAWN = "withdrawn"
    CHURNED = "churned"
    REVERSED = "reversed"
    RESTATED = "restated"


PLANS = frozenset({ChurnEntry.PENDING, ChurnEntry.WITHDRAWN})
ENDS = frozenset({ChurnEntry.CHURNED, ChurnEntry.REVERSED, ChurnEntry.RESTATED})


class ChurnCause(StrEnum):
    """What brought the end about."""

    REQUESTED = "requested"  # asked for, here or at the provider
    DUNNING_ENDED = "dunning_ended"  # our end of a case
    PAYMENT_FAILED = "payment_failed"  # the provider's end of its retries
    UNPAID = "unpaid"  # the provider gave up and keeps it, unpaid
    PAUSED_UNPAID = "paused_unpaid"  # the provider gave up and paused it
    DISPUTED = "disputed"
    FRAUD = "fraud"
    TERMS = "terms"  # against the merchant's terms, or its rules of retention
    REPLACED = "replaced"  # by another subscription
    UNTOLD = "untold"  # nobody said


class ChurnOrigin(StrEnum):
    """How we know. `SEEN`: it ran before our eyes. `HISTORY`: the provider told of an end that was
    before us. `IMPORT`: another product's export. Only what was seen has its MRR in the
    movements."""

    SEEN = "seen"
    HISTORY = "history"
    IMPORT = "import"


@dataclass(frozen=True, slots=True, kw_only=True)
class ChurnRecord:
    """One line. `count` is 1 for an end or a plan of one, -1 for what takes one back, and
    `mrr_minor` (what was lost, minor units of `currency` a month) has the same sign.

    `occurred_at` is the provider's end of access; of a plan the moment it was asked for, of a
    reversal the return. `ends_at` is the end that was planned. `about` is the line that this one
    takes back, or the plan that it carries out. `trial` ends were never paid for. `reason` is ours,
    `feedback` the provider's word; `segment` the merchant's own, `attributes` JSON by the names
    that the merchant gave. `replaced_by` is a subscription.
    """

    KEY: ClassVar = ("record_id",)
    UNIQUE: ClassVar = (("account_id", "subscription_id", "source", "entry"),)
    record_id: str
    merchant_id: str
    account_id: str
    subscription_id: str
    customer_id: str | None = None
    entry: ChurnEntry
    kind: ChurnKind
    cause: ChurnCause
    origin: ChurnOrigin = ChurnOrigin.SEEN
    while_past_due: bool = False
    trial: bool = False
    decline_class: str | None = None
    reason: str | None = None
    feedback: str | None = None
    currency: str
    mrr_minor: int
    count: int
    plan: str | None = None
    interval: str | None = None
    segment: str | None = None
    country: str | None = None
    attributes: str | None = None
    tenure_days: int | None = None
    started_at: datetime | None = None
    requested_at: datetime | None = None
    ends_at: datetime | None = None
    occurred_at: datetime
    about: str | None = None
    case_id: str | None = None
    request_id: str | None = None
    session_id: str | None = None
    replaced_by: str | None = None
    source: str
    recorded_at: datetime


def taken_back(
    record: ChurnRecord,
    entry: ChurnEntry,
    *,
    at: datetime,
    among: Iterable[ChurnRecord],
    source: str,
    now: datetime,
) -> ChurnRecord:
    """The line that takes another back, `at` this instant of business."""
    back = replace(record, entry=entry, count=-record.count, mrr_minor=-record.mrr_minor)
    back = replace(back, about=record.record_id, occurred_at=at, recorded_at=now)
    return named(back, source, among)


def named(record: ChurnRecord, source: str, among: Iterable[ChurnRecord]) -> ChurnRecord:
    """The line under a source that no line like it has yet, with its id: what is read live comes
    under one name again and again."""
    taken = {row.source for row in among if row.entry is record.entry}
    names = (source, *(f"{source}#{n}" for n in range(2, len(taken) + 2)))
    free = next(name for name in names if name not in taken)
    facts = (record.account_id, record.subscription_id, record.entry, free)
    return replace(record, source=free, record_id=derive_id("churn", record.occurred_at, *facts))


def open_end(records: Iterable[ChurnRecord]) -> ChurnRecord | None:
    """The end among the lines of one subscription that nothing took back."""
    return _open(records, ChurnEntry.CHURNED, {ChurnEntry.REVERSED, ChurnEntry.RESTATED})


def open_plan(records: Iterable[ChurnRecord]) -> ChurnRecord | None:
    """The plan of an end that was neither given up nor carried out."""
    return _open(records, ChurnEntry.PENDING, {ChurnEntry.WITHDRAWN, ChurnEntry.CHURNED})


def _open(
    records: Iterable[ChurnRecord], entry: ChurnEntry, by: Collection[ChurnEntry]
) -> ChurnRecord | None:
    known = list(records)
    over = {row.about for row in known if row.entry in by}
    left = [row for row in known if row.entry is entry and row.record_id not in over]
    return max(left, key=lambda row: (row.recorded_at, row.occurred_at), default=None)
