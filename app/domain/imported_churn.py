"""What an imported session says of the end of a subscription, beside what is known of it."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime

from app.domain.churn import (
    NO_CURRENCY,
    ChurnCause,
    ChurnEntry,
    ChurnKind,
    ChurnOrigin,
    ChurnRecord,
    named,
    open_end,
    taken_back,
)
from app.domain.imports import ImportedOutcome, ImportedSession
from app.domain.mirror import Subscription


def churn_of(
    told: ImportedSession,
    known: Iterable[ChurnRecord],
    subscription: Subscription | None,
    now: datetime,
) -> list[ChurnRecord]:
    """The lines that a session adds to the churn ledger, none in most cases.

    An end that the provider told of gets the reason that was given there. One that nobody else
    told of is entered as of the session: its end is not known better. A subscription that runs
    has not ended, whatever was said once.
    """
    if told.outcome is not ImportedOutcome.CANCELLED or told.subscription_id is None:
        return []
    lines, source = list(known), f"import:{told.import_id}"
    end = open_end(lines)
    if end is not None:
        return _reasoned(end, told, lines, source, now)
    if subscription is not None or lines:
        return []
    return [named(_entered(told, told.subscription_id, now), source, lines)]


def _reasoned(
    end: ChurnRecord, told: ImportedSession, lines: list[ChurnRecord], source: str, now: datetime
) -> list[ChurnRecord]:
    unexplained = end.reason in {None, "other"} and end.origin is ChurnOrigin.HISTORY
    if not unexplained or told.reason is None or told.reason == end.reason:
        return []
    back = taken_back(
        end, ChurnEntry.RESTATED, at=end.occurred_at, among=lines, source=source, now=now
    )
    return [back, named(replace(end, reason=told.reason, recorded_at=now), source, lines)]


def _entered(told: ImportedSession, subscription: str, now: datetime) -> ChurnRecord:
    return ChurnRecord(
        record_id="",
        merchant_id=told.merchant_id,
        account_id=told.account_id,
        subscription_id=subscription,
        customer_id=told.customer_id,
        entry=ChurnEntry.CHURNED,
        kind=ChurnKind.VOLUNTARY,
        cause=ChurnCause.REQUESTED,
        origin=ChurnOrigin.IMPORT,
        reason=told.reason,
        currency=told.currency or NO_CURRENCY,
        mrr_minor=told.mrr_minor or 0,
        count=1,
        plan=told.plan,
        interval=told.interval,
        requested_at=told.at,
        occurred_at=told.at,
        source="",
        recorded_at=now,
    )
