"""Customers who come back with another subscription, and those who only changed to it."""

from dataclasses import replace
from datetime import datetime, timedelta

from app.domain.churn import (
    ChurnCause,
    ChurnEntry,
    ChurnKind,
    ChurnRecord,
    named,
    open_end,
    taken_back,
)
from app.domain.mirror import Subscription
from app.domain.movements import CHURNS, Pen, Phase, lines_of, phase_of
from app.domain.mrr import MovementKind
from app.domain.notices import FROM_HISTORY, Notice
from app.domain.records import Book
from app.domain.terms import Terms

# One that begins within a week of the other's end took its place.
MIGRATES_WITHIN = timedelta(days=7)
LIVE = frozenset({Phase.TRIAL, Phase.RUNS})
NEW_HERE = frozenset({Phase.UNBORN, Phase.TRIAL})


def records_of(book: Book, subscription: Subscription) -> list[ChurnRecord]:
    """The lines of a subscription that the book knows."""
    about = {
        "account_id": subscription.account_id,
        "subscription_id": subscription.subscription_id,
    }
    return list(book.all(ChurnRecord, **about))


def successor(book: Book, ended: Subscription, at: datetime) -> Subscription | None:
    """The younger subscription of the customer that took the place of one that ended `at`."""
    found = [
        other
        for other in _of_customer(book, ended)
        if phase_of(other) in LIVE
        and other.started_at is not None
        and _took_its_place(ended.started_at, at, other.started_at)
    ]
    return min(found, key=lambda one: (one.started_at or at, one.subscription_id), default=None)


def _of_customer(book: Book, subscription: Subscription) -> list[Subscription]:
    if subscription.customer_id is None:
        return []
    about = {"account_id": subscription.account_id, "customer_id": subscription.customer_id}
    mine = book.all(Subscription, **about)
    return [one for one in mine if one.subscription_id != subscription.subscription_id]


def _took_its_place(began: datetime | None, ended: datetime, start: datetime) -> bool:
    younger = began is None or start > began
    return younger and abs(start - ended) <= MIGRATES_WITHIN


def take_over(book: Book, follower: Subscription, notice: Notice, terms: Terms) -> None:
    """The follower was told as new before the other ended: its line is told anew."""
    lines = lines_of(book, follower)
    first = next((one for one in lines if one.delta_minor > 0), None)
    told = any(one.kind is MovementKind.MIGRATION for one in lines)
    if first is not None and first.kind is MovementKind.NEW and not told:
        _tell_anew(book, follower, first.kind, first.delta_minor, first.currency, notice, terms)


def _tell_anew(
    book: Book,
    subscription: Subscription,
    kind: MovementKind,
    delta: int,
    currency: str,
    notice: Notice,
    terms: Terms,
) -> None:
    """Take a line back and write it as migration, both dated as it was."""
    pen = Pen(book, subscription, notice, terms)
    lines = [one for one in lines_of(book, subscription) if one.kind is kind]
    at = next((one.occurred_at for one in reversed(lines) if one.delta_minor == delta), None)
    pen.line(kind, currency, -delta, tag="restated", at=at)
    pen.line(MovementKind.MIGRATION, currency, delta, tag="migration", at=at)


def returned(
    book: Book, before: Subscription | None, after: Subscription, notice: Notice, terms: Terms
) -> MovementKind | None:
    """What it means that a subscription begins: the customer had left and is back, or only
    changed to it. None where neither, and where it has begun before. Safe to repeat."""
    if phase_of(after) not in LIVE or lines_of(book, after):
        return None
    if before is not None and phase_of(before) not in NEW_HERE:
        return None
    ends = _open_ends(book, after)
    start = after.started_at or notice.occurred_at
    if any(end.replaced_by == after.subscription_id for _, end in ends):
        return MovementKind.MIGRATION
    changed = [
        (left, end)
        for left, end in ends
        if end.kind is ChurnKind.VOLUNTARY
        and _took_its_place(end.started_at, end.occurred_at, start)
    ]
    for left, end in changed:
        _restate(book, left, end, after, notice, terms)
    if changed:
        return MovementKind.MIGRATION
    return _reactivated(book, ends, after, start, notice, terms)


def _open_ends(book: Book, after: Subscription) -> list[tuple[Subscription, ChurnRecord]]:
    found = ((one, open_end(records_of(book, one))) for one in _of_customer(book, after))
    return [(one, end) for one, end in found if end is not None]


def _restate(
    book: Book,
    left: Subscription,
    end: ChurnRecord,
    by: Subscription,
    notice: Notice,
    terms: Terms,
) -> None:
    """What was told as churn was a change to another subscription."""
    known, source = records_of(book, left), notice.event
    book.add(
        taken_back(
            end,
            ChurnEntry.RESTATED,
            at=end.occurred_at,
            among=known,
            source=source,
            now=terms.now,
        )
    )
    told = replace(
        end,
        kind=ChurnKind.MIGRATION,
        cause=ChurnCause.REPLACED,
        replaced_by=by.subscription_id,
        recorded_at=terms.now,
    )
    book.add(named(told, source, known))
    lost = [one for one in lines_of(book, left) if one.kind in CHURNS and one.delta_minor < 0]
    if lost:
        last = lost[-1]
        _tell_anew(book, left, last.kind, last.delta_minor, last.currency, notice, terms)


def _reactivated(
    book: Book,
    ends: list[tuple[Subscription, ChurnRecord]],
    after: Subscription,
    start: datetime,
    notice: Notice,
    terms: Terms,
) -> MovementKind | None:
    earlier = [
        (left, end)
        for left, end in ends
        if end.kind is not ChurnKind.MIGRATION and not end.trial and end.occurred_at <= start
    ]
    if phase_of(after) is not Phase.RUNS or not earlier:
        return None
    left, end = max(earlier, key=lambda pair: pair[1].occurred_at)
    history = notice.event.startswith(FROM_HISTORY)
    book.add(
        taken_back(
            end,
            ChurnEntry.REVERSED,
            at=start if history else max(start, notice.occurred_at),
            among=records_of(book, left),
            source=notice.event,
            now=terms.now,
        )
    )
    return None if history else MovementKind.REACTIVATION
