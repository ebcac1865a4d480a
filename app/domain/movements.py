"""How a subscription's notices move MRR. The first notice of a subscription opens its balance."""

from datetime import datetime, timedelta

from app.domain.dunning import Case
from app.domain.ids import derive_id
from app.domain.mirror import Subscription
from app.domain.mrr import MovementKind, MrrMovement
from app.domain.notices import Notice, NoticeKind
from app.domain.records import Book, quick
from app.domain.terms import Terms

PAYING = frozenset({"active", "past_due", "unpaid"})
# Our own words and the provider's for an end that nobody asked for.
INVOLUNTARY_REASONS = frozenset({"payment_failed", "payment_disputed"})
INVOLUNTARY_PAUSES = frozenset({"final_payment_failure", "first_payment_failure"})
make_movement = quick(MrrMovement)


def mrr_of(subscription: Subscription | None) -> int:
    """MRR that counts now: zero for trials, pauses and ends."""
    if subscription is None or subscription.status not in PAYING:
        return 0
    return subscription.mrr_minor


def move_mrr(
    book: Book, before: Subscription | None, after: Subscription, notice: Notice, terms: Terms
) -> None:
    """Write the movement between two versions of a subscription, if MRR changed."""
    delta = mrr_of(after) - mrr_of(before)
    if delta == 0 or after.currency is None:
        return
    at = notice.occurred_at
    book.add(
        make_movement(
            movement_id=derive_id(
                "movement", at, after.account_id, after.subscription_id, notice.event
            ),
            merchant_id=after.merchant_id,
            account_id=after.account_id,
            subscription_id=after.subscription_id,
            customer_id=after.customer_id,
            kind=_kind(book, before, after, notice, delta),
            currency=after.currency,
            delta_minor=delta,
            source=notice.event,
            occurred_at=at,
            effective_at=at,
            recorded_at=terms.now,
        )
    )


def _kind(
    book: Book, before: Subscription | None, after: Subscription, notice: Notice, delta: int
) -> MovementKind:
    if before is None:
        started = notice.kind is NoticeKind.SUBSCRIPTION_STARTED
        return MovementKind.NEW if started else MovementKind.OPENING
    if after.status not in PAYING:
        return _end_kind(book, after, notice.occurred_at)
    if before.status == "paused":
        return MovementKind.RESUME
    if before.status in {"canceled", "incomplete_expired"}:
        return MovementKind.REACTIVATION
    if before.status not in PAYING:
        return MovementKind.NEW
    return MovementKind.EXPANSION if delta > 0 else MovementKind.CONTRACTION


def _end_kind(book: Book, after: Subscription, at: datetime) -> MovementKind:
    ours = ended_by_us(book, after, at)
    if after.status == "paused":
        involuntary = ours or after.pause_reason in INVOLUNTARY_PAUSES
        return MovementKind.CHURN_INVOLUNTARY if involuntary else MovementKind.PAUSE
    if ours or after.cancellation_reason in INVOLUNTARY_REASONS:
        return MovementKind.CHURN_INVOLUNTARY
    if after.cancellation_reason == "canceled_by_retention_policy":
        return MovementKind.CHURN_MERCHANT
    return MovementKind.CHURN_VOLUNTARY


# Committed before the end is carried out at the provider, so that its own reports of that end,
# which may overtake our commit, are not taken for a customer leaving.
ENDING = "ending"
ENDED = "the window is over"
LEAVE = "leave"
PAID_AFTER = "paid after "
REPORTED_WITHIN = timedelta(days=1)


def intended_end(how: str, close: str) -> str:
    """The reason of a case while its end is carried out: what happens to subscription and
    invoice (`leave`: nothing)."""
    return f"{ENDING}: subscription {how}, invoice {close}"


def intent_of(case: Case) -> tuple[str, str] | None:
    """What was intended for subscription and invoice, or None where no end was begun."""
    words = (case.reason or "").removeprefix(f"{ENDING}: subscription ").split(", invoice ")
    return (words[0], words[1]) if is_ending(case) and len(words) == 2 else None


def what_became(case: Case, planned: str) -> str:
    """What the end did to the subscription, else what is planned for it."""
    left = f"{ENDED}: subscription {LEAVE}"
    return LEAVE if (case.reason or "").startswith(left) else planned


def is_ending(case: Case) -> bool:
    """Whether our own end of this case was begun and its outcome is not recorded yet."""
    return (case.reason or "").startswith(ENDING)


def reason_when_paid(case: Case) -> str:
    """The reason of a case that is paid: an end of ours stays told, since its subscription may
    end only later and the provider will call that requested."""
    return f"{PAID_AFTER}{case.reason}" if _our_words(case) else "paid"


def ended_by_us(book: Book, subscription: Subscription, at: datetime) -> bool:
    """Whether a case of ours ended or paused this subscription; then that is involuntary,
    although the provider says `cancellation_requested` or `pause_requested` (it was, by us).

    `at` is when it was reported. What was asked for a day after our case was closed is another's
    doing: the subscription was kept, and its customer leaves by themselves.
    """
    asked = subscription.canceled_at or at
    return any(
        case.account_id == subscription.account_id
        and f"subscription {LEAVE}" not in _our_words(case)
        and _our_words(case) != ""
        and (case.closed_at is None or asked <= case.closed_at + REPORTED_WITHIN)
        for case in book.all(Case, subscription_id=subscription.subscription_id)
    )


def _our_words(case: Case) -> str:
    """How our own end of this case was recorded; empty where there was none."""
    words = (case.reason or "").removeprefix(PAID_AFTER)
    return words if words.startswith((ENDING, ENDED)) else ""
