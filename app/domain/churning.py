"""Churn records follow the mirror: what they lack is written, what they say too much taken back.

Nothing here depends on the order of reports. The lines of a subscription say whether it has ended
and whether an end is planned; so does its mirror; where the two differ, a line makes them agree.
"""

from dataclasses import dataclass
from datetime import datetime

from app.domain.attributes import attributes_of
from app.domain.churn import (
    NO_CURRENCY,
    ChurnEntry,
    ChurnKind,
    ChurnOrigin,
    ChurnRecord,
    named,
    open_end,
    open_plan,
    taken_back,
)
from app.domain.departures import ends_at
from app.domain.mirror import Customer, Subscription
from app.domain.movements import (
    OVER,
    Phase,
    balances,
    ended_by_us,
    lines_of,
    move_mrr,
    mrr_of,
    phase_of,
)
from app.domain.mrr import MovementKind
from app.domain.notices import FROM_HISTORY, Notice
from app.domain.reasons import reason_for
from app.domain.records import Book
from app.domain.returning import records_of, returned, successor, take_over
from app.domain.survey import own_words
from app.domain.terms import Terms
from app.domain.verdicts import Verdict, verdict_on

E = ChurnEntry
LEAVES = {
    ChurnKind.VOLUNTARY: MovementKind.CHURN_VOLUNTARY,
    ChurnKind.INVOLUNTARY: MovementKind.CHURN_INVOLUNTARY,
    ChurnKind.MERCHANT: MovementKind.CHURN_MERCHANT,
    ChurnKind.MIGRATION: MovementKind.MIGRATION,
}
ALIVE = frozenset({Phase.TRIAL, Phase.RUNS, Phase.RESTS})
BEGUN = ALIVE | {Phase.LOST}
SEGMENT = "segment"  # the merchant's word in the metadata of subscription or customer
LONGEST_SEGMENT = 120


def keep_ledgers(
    book: Book, before: Subscription | None, after: Subscription, notice: Notice, terms: Terms
) -> None:
    """Report: a subscription stands so now. Its churn records and MRR movements say the same
    afterwards. Safe to repeat, late, early or twice.

    The book must hold the records and movements of the customer's subscriptions.
    """
    ours = after.status == "paused" and ended_by_us(book, after, notice.occurred_at)
    file = File(book, before, after, notice, terms, phase_of(after, ours=ours))
    kind: MovementKind | None = None
    if file.phase in OVER:
        kind = _end(file)
    elif file.records and file.phase in {Phase.RUNS, Phase.TRIAL}:
        _came_back(file)
    if file.phase is not Phase.GONE and (file.records or ends_at(after)):
        _plan(file)
    kind = kind or returned(book, before, after, notice, terms)
    move_mrr(book, before, after, notice, terms, kind=kind)


@dataclass(frozen=True, slots=True)
class File:
    """One subscription before and after a notice, what it is now, and what the ledgers say."""

    book: Book
    before: Subscription | None
    after: Subscription
    notice: Notice
    terms: Terms
    phase: Phase

    @property
    def records(self) -> list[ChurnRecord]:
        """Its lines."""
        return records_of(self.book, self.after)

    @property
    def begun(self) -> bool:
        """Whether it ran before our eyes."""
        was = phase_of(self.before) if self.before is not None else Phase.UNBORN
        return was in BEGUN or bool(lines_of(self.book, self.after))

    def amount(self, at: datetime) -> tuple[str, int]:
        """What its end loses a month: what the ledger says it brought, or brought before it was
        paused; nothing for a trial."""
        currency = self.after.currency or NO_CURRENCY
        if self.origin is ChurnOrigin.HISTORY:
            return currency, 0 if self.is_trial(at) else max(self.after.mrr_minor, 0)
        lines = lines_of(self.book, self.after)
        if lines and lines[-1].kind is MovementKind.PAUSE:
            return lines[-1].currency, -lines[-1].delta_minor
        left = balances(lines, self.before)
        brought = [(name, minor) for name, minor in left.items() if minor > 0]
        return brought[0] if brought else (currency, 0)

    @property
    def origin(self) -> ChurnOrigin:
        """How we know of its end."""
        return ChurnOrigin.SEEN if self.begun else ChurnOrigin.HISTORY

    def is_trial(self, at: datetime) -> bool:
        """Whether it was never paid for."""
        if self.before is not None and phase_of(self.before) is Phase.TRIAL:
            return True
        until = self.after.trial_end
        return until is not None and at <= until and not lines_of(self.book, self.after)

    def line(
        self, entry: ChurnEntry, verdict: Verdict, at: datetime, about: str | None = None
    ) -> ChurnRecord:
        """A new line about it, `at` this instant of business."""
        sub, request, case = self.after, verdict.request, verdict.case
        planned = entry is E.PENDING
        currency, minor = self.amount(at)
        if planned and self.phase is Phase.RUNS:
            currency, minor = sub.currency or NO_CURRENCY, mrr_of(sub)
        told = sub.cancellation_feedback or (request.feedback if request else None)
        unpaid = verdict.kind is ChurnKind.INVOLUNTARY or verdict.while_past_due
        customer = self.book.get(Customer, sub.account_id, sub.customer_id)
        record = ChurnRecord(
            record_id="",
            merchant_id=sub.merchant_id,
            account_id=sub.account_id,
            subscription_id=sub.subscription_id,
            customer_id=sub.customer_id,
            entry=entry,
            kind=verdict.kind,
            cause=verdict.cause,
            origin=ChurnOrigin.SEEN if planned else self.origin,
            while_past_due=verdict.while_past_due,
            trial=self.is_trial(at),
            decline_class=case.decline_kind if case and unpaid else None,
            reason=(request.reason if request else None) or reason_for(told),
            feedback=told,
            currency=currency,
            mrr_minor=minor,
            count=1,
            plan=sub.plan,
            interval=sub.interval,
            segment=_segment(sub, customer),
            country=customer.country if customer else None,
            attributes=attributes_of(self.terms.merchant.attributes, sub, customer),
            tenure_days=max((at - sub.started_at).days, 0) if sub.started_at else None,
            started_at=sub.started_at,
            requested_at=request.requested_at if request else sub.canceled_at,
            ends_at=_planned_end(sub),
            occurred_at=at,
            about=about,
            case_id=case.case_id if case and unpaid else None,
            request_id=request.request_id if request else None,
            session_id=request.session_id if request else None,
            replaced_by=verdict.replaced_by,
            source="",
            recorded_at=self.terms.now,
        )
        return named(record, self.notice.event, self.records)

    def take_back(self, record: ChurnRecord, entry: ChurnEntry) -> None:
        """Write that a line does not hold any more, from this notice on."""
        self.book.add(
            taken_back(
                record,
                entry,
                at=max(self.notice.occurred_at, record.occurred_at),
                among=self.records,
                source=self.notice.event,
                now=self.terms.now,
            )
        )


def _segment(sub: Subscription, customer: Customer | None) -> str | None:
    told = (sub.metadata or {}).get(SEGMENT) or (
        ((customer.metadata or {}).get(SEGMENT)) if customer else None
    )
    return own_words(told, longest=LONGEST_SEGMENT) if isinstance(told, str) else None


def _planned_end(sub: Subscription) -> datetime | None:
    return (sub.cancel_at or sub.period_end) if ends_at(sub) else None


def _end(file: File) -> MovementKind | None:
    """Why its MRR goes, with the line of its end where there is none yet. Of one that we first
    hear of when it has ended the end is history; of one that was given up before, nothing."""
    standing = open_end(file.records)
    if standing is not None:
        return LEAVES[standing.kind]
    read_up = file.before is None or file.notice.event.startswith(FROM_HISTORY)
    if not (file.begun or (read_up and file.phase is Phase.GONE)):
        return None
    sub, heard = file.after, file.notice.occurred_at
    at = (sub.ended_at or heard) if file.phase is Phase.GONE else heard
    verdict = verdict_on(file.book, file.before, sub, heard)
    follower = successor(file.book, sub, at) if verdict.kind is ChurnKind.VOLUNTARY else None
    if follower is not None:
        verdict = verdict.replaced(follower.subscription_id)
        take_over(file.book, follower, file.notice, file.terms)
    plan = open_plan(file.records)
    file.book.add(file.line(E.CHURNED, verdict, at, about=plan.record_id if plan else None))
    return LEAVES[verdict.kind]


def _came_back(file: File) -> None:
    """What was given up for want of money runs again."""
    standing = open_end(file.records)
    if standing is not None:
        file.take_back(standing, E.REVERSED)


def _plan(file: File) -> None:
    """An end that is planned, given up, or moved to another day."""
    plan, end = open_plan(file.records), _planned_end(file.after)
    if plan is not None and end is not None and plan.ends_at in {end, None}:
        return
    if plan is not None:
        file.take_back(plan, E.WITHDRAWN)
    if end is None or file.phase not in ALIVE:
        return
    verdict = verdict_on(file.book, file.before, file.after, file.notice.occurred_at)
    at = (plan.occurred_at if plan else None) or _asked_at(file, verdict)
    file.book.add(file.line(E.PENDING, verdict, at))


def _asked_at(file: File, verdict: Verdict) -> datetime:
    if verdict.request is not None:
        return verdict.request.requested_at
    asked = file.after.canceled_at
    return asked if asked and asked <= file.notice.occurred_at else file.notice.occurred_at
