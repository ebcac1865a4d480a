"""What the answer to our own charge means for attempt and case."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from app.domain.actions import Action, ActionKind, action_for, jitter
from app.domain.attributing import payment_ref, uncharged_ref
from app.domain.declines import Decline, DeclineKind
from app.domain.dunning import IN_DOUBT, Attempt, AttemptState, Case, CaseState, Trigger
from app.domain.holds import is_barred
from app.domain.ids import derive_id
from app.domain.mirror import Invoice, Payment, PaymentMethod
from app.domain.mirroring import forward
from app.domain.openings import case_action
from app.domain.personal import as_of_erased
from app.domain.records import Book
from app.domain.settlement import take_reading
from app.domain.terms import Terms, decline_json, note, with_decline

# When an attempt in doubt is looked at again, counted from its intent. Source: the design; the
# ladder is Kill Bill's for unknown payments (5 min, 1 h, days), begun earlier.
READ_AFTER = (
    timedelta(minutes=1),
    timedelta(minutes=5),
    timedelta(hours=1),
    timedelta(hours=6),
    timedelta(hours=24),
)
RESEND_WITHIN = timedelta(hours=23)  # the provider keeps idempotency keys for at least 24 h
NEVER_HAPPENED_AFTER = timedelta(hours=24)
# What waits for such a look waits so long where it is overdue: the provider does not answer it.
LATE_LOOK = timedelta(minutes=30)
PROCESSING_AT_MOST = timedelta(days=14)  # a bank debit answers within days
AFTER_NOT_EXECUTED = timedelta(hours=1)
NO_METHOD = "no_payment_method"


class Outcome(StrEnum):
    """How a charge ended, as far as we know."""

    APPROVED = "approved"
    DECLINED = "declined"
    ACTION_REQUIRED = "action_required"
    PROCESSING = "processing"
    UNKNOWN = "unknown"  # timeout, connection lost, 409, 5xx: it may have happened
    NOT_EXECUTED = "not_executed"  # 400, 401, 403, 429: it did not happen


REFUSED = frozenset({Outcome.DECLINED, Outcome.ACTION_REQUIRED})


@dataclass(frozen=True, slots=True, kw_only=True)
class PayAnswer:
    """The answer to one charge. `invoice` is the invoice after it, where the provider showed it;
    `amount_minor` what was charged, if that is another amount than was owed at the last look.
    `reason` explains an `UNKNOWN` or `NOT_EXECUTED` in words; `code` is the provider's word;
    `account_refused` marks a key that is wrong or lacks rights."""

    outcome: Outcome
    invoice: Invoice | None = None
    decline: Decline | None = None
    payment_id: str | None = None
    charge_id: str | None = None
    amount_minor: int | None = None
    reason: str | None = None
    code: str | None = None
    retry_after_s: float | None = None
    account_refused: bool = False


def begin(
    book: Book,
    case: Case,
    trigger: Trigger,
    method: PaymentMethod | None,
    link: str | None,
    terms: Terms,
) -> tuple[Case, Attempt]:
    """The intent of one charge, to be committed before the call: attempt row, key, the read
    that will find out if we never hear the answer."""
    number = 1 + max((a.number for a in book.all(Attempt) if a.case_id == case.case_id), default=0)
    invoice = book.get(Invoice, case.account_id, case.invoice_id)
    attempt = Attempt(
        attempt_id=derive_id("attempt", terms.now, case.case_id, number),
        merchant_id=case.merchant_id,
        account_id=case.account_id,
        case_id=case.case_id,
        number=number,
        trigger=trigger,
        state=AttemptState.SENT,
        currency=case.currency,
        amount_minor=case.due_minor,
        method_id=method.method_id if method else None,
        fingerprint=method.fingerprint if method else None,
        brand=method.brand if method else None,
        intent_at=terms.now,
        link_id=link,
        attempt_count=invoice.attempt_count if invoice else None,
    )
    used = case.attempts_used + (trigger is Trigger.HOLDFAST)
    case = replace(case, attempts_used=used, next_attempt_at=None)
    book.put(case)
    book.add(attempt)
    book.add(resolve_action(case, attempt))
    return case, attempt


def resolve_action(case: Case, attempt: Attempt) -> Action:
    """The next read of an attempt in doubt, by how often it was read."""
    wait = READ_AFTER[min(attempt.reads, len(READ_AFTER) - 1)]
    extra = timedelta(days=max(0, attempt.reads - len(READ_AFTER) + 1))
    return action_for(
        ActionKind.RESOLVE,
        subject=attempt.attempt_id,
        merchant_id=case.merchant_id,
        account_id=case.account_id,
        due_at=attempt.intent_at + wait + extra,
        customer_id=case.customer_id,
        case_id=case.case_id,
        nth=attempt.reads,
    )


def take_answer(book: Book, case: Case, attempt: Attempt, answer: PayAnswer, terms: Terms) -> Case:
    """Let the answer of our own charge change attempt and case.

    The webhook of the same charge may have come first: then the attempt is resolved already and
    stays as it is. Returns the case as it is now, also put into the book.
    """
    current = book.get(Attempt, attempt.attempt_id) or attempt
    if current.state not in IN_DOUBT:
        return case
    answer = _without_former(book, current, answer)
    return TAKERS[answer.outcome](book, case, current, answer, terms)


def _without_former(book: Book, attempt: Attempt, answer: PayAnswer) -> PayAnswer:
    """What is refused before there is a charge shows the charge of the try before it: that one
    was refused already, and is not what became of this one."""
    if answer.charge_id is None or answer.outcome not in REFUSED:
        return answer
    about = {"account_id": attempt.account_id, "provider_ref": answer.charge_id}
    others = (a for a in book.all(Attempt, **about) if a.attempt_id != attempt.attempt_id)
    former = any(other.refused_at is not None for other in others)
    return replace(answer, charge_id=None) if former else answer


Taker = Callable[[Book, Case, Attempt, PayAnswer, Terms], Case]


def _as_payment(
    case: Case, attempt: Attempt, answer: PayAnswer, status: str, at: datetime
) -> Payment | None:
    ref = answer.charge_id or answer.payment_id
    if ref is None:
        return None
    return Payment(
        merchant_id=attempt.merchant_id,
        account_id=attempt.account_id,
        payment_id=answer.payment_id or ref,
        customer_id=case.customer_id,
        invoice_id=case.invoice_id,
        charge_id=answer.charge_id,
        status=status,
        currency=attempt.currency,
        amount_minor=answer.amount_minor or attempt.amount_minor,
        charged_minor=answer.amount_minor or attempt.amount_minor,
        method_id=attempt.method_id,
        fingerprint=attempt.fingerprint,
        brand=attempt.brand,
        decline=decline_json(answer.decline) if answer.decline else None,
        occurred_at=at,
        seen_at=at,
    )


def _approved(book: Book, case: Case, attempt: Attempt, answer: PayAnswer, terms: Terms) -> Case:
    invoice = _invoice_of(book, case, answer)
    payment = _as_payment(case, attempt, answer, "succeeded", _paid_at(case, answer, terms))
    payment = replace(payment, seen_at=terms.now) if payment else None
    if payment is None or invoice is None:
        return _read_now(book, case, attempt, terms)
    book.put(invoice)
    # The join by which a refund or a dispute of this charge finds the invoice, webhooks or not.
    forward(book, payment, terms)
    _is_ours(book, attempt, payment)
    return take_reading(book, case, invoice, [payment], terms, whole=False)


def _paid_at(case: Case, answer: PayAnswer, terms: Terms) -> datetime:
    """When the money moved, by the provider's clock as in its reports: ours may be a month on. An
    instant before the case is none of this charge, whatever the clocks say."""
    told = answer.invoice.paid_at if answer.invoice is not None else None
    return told if told is not None and told >= case.opened_at else terms.now


def _declined(book: Book, case: Case, attempt: Attempt, answer: PayAnswer, terms: Terms) -> Case:
    payment = _as_payment(case, attempt, answer, "failed", terms.now)
    invoice = _invoice_of(book, case, answer)
    if payment is not None and payment.charge_id and invoice is not None:
        _is_ours(book, attempt, payment)
        return take_reading(book, case, invoice, [payment], terms, whole=False)
    return _refused(book, case, attempt, AttemptState.DECLINED, answer, terms)


def _invoice_of(book: Book, case: Case, answer: PayAnswer) -> Invoice | None:
    """What the answer shows, else what is known. Whoever was erased while it was on its way is not
    named again (seed 104)."""
    shown = answer.invoice
    return (
        as_of_erased(book, shown) if shown else book.get(Invoice, case.account_id, case.invoice_id)
    )


def _is_ours(book: Book, attempt: Attempt, payment: Payment) -> None:
    """What answers our request is no question of whose it was, unless it is on record already."""
    ref = payment_ref(payment)
    others = book.all(Attempt, account_id=attempt.account_id, provider_ref=ref)
    if not any(other.attempt_id != attempt.attempt_id for other in others):
        book.put(replace(attempt, provider_ref=ref))


def _action_required(
    book: Book, case: Case, attempt: Attempt, answer: PayAnswer, terms: Terms
) -> Case:
    return _refused(book, case, attempt, AttemptState.ACTION_REQUIRED, answer, terms)


def _refused(
    book: Book,
    case: Case,
    attempt: Attempt,
    state: AttemptState,
    answer: PayAnswer,
    terms: Terms,
) -> Case:
    fallback = DeclineKind.UNKNOWN
    if state is AttemptState.ACTION_REQUIRED:
        fallback = DeclineKind.CUSTOMER_AUTHENTICATE
    decline = answer.decline or Decline(kind=fallback)
    uncharged = uncharged_ref(answer.payment_id, attempt.number) if answer.payment_id else None
    told = replace(
        attempt,
        state=state,
        resolved_at=terms.now,
        decline_kind=decline.kind,
        decline=decline_json(decline),
        provider_ref=answer.charge_id or uncharged,
    )
    book.put(told.refused(decline.kind, at=terms.now))
    if attempt.trigger is not Trigger.BACKUP_CARD:  # which says nothing of the card charged else
        case = with_decline(case, decline)
    case = replace(case, failures=case.failures + 1)
    text = f"attempt {attempt.number} by {attempt.trigger}: {decline.code or decline.kind}"
    note(book, case, terms.now, state, text, case.decline)
    book.put(case)
    return case


def _processing(book: Book, case: Case, attempt: Attempt, answer: PayAnswer, terms: Terms) -> Case:
    book.put(replace(attempt, state=AttemptState.PROCESSING))
    note(book, case, terms.now, "processing", f"attempt {attempt.number} is with the bank")
    return case


def _unknown(book: Book, case: Case, attempt: Attempt, answer: PayAnswer, terms: Terms) -> Case:
    book.put(replace(attempt, state=AttemptState.UNKNOWN))
    text = f"attempt {attempt.number}: no answer ({answer.reason}); it is found out by reading"
    note(book, case, terms.now, "unknown", text)
    return case


def _not_executed(
    book: Book, case: Case, attempt: Attempt, answer: PayAnswer, terms: Terms
) -> Case:
    """It certainly did not happen: the attempt spends nothing and is planned anew."""
    if attempt.reads:  # of a repeat this is certain, of the first sending nothing is
        return _unknown(book, case, attempt, answer, terms)
    case = unspent(book, case, attempt, answer.reason or "refused unread", terms)
    if answer.code == NO_METHOD:
        case = with_decline(case, Decline(kind=DeclineKind.NO_PAYMENT_METHOD, code=NO_METHOD))
        book.put(case)
        return case
    if answer.code == "already_paid":
        book.add(case_action(case, ActionKind.WATCH, terms.now, nth=f"paid:{attempt.number}"))
        return case
    return _anew(book, case, attempt, timedelta(seconds=answer.retry_after_s or 0), terms)


def _anew(book: Book, case: Case, attempt: Attempt, asked: timedelta, terms: Terms) -> Case:
    """Plan the same try again: in an hour, then later and later, at last once a day."""
    if case.state is not CaseState.ACTIVE:
        return case
    if attempt.trigger is Trigger.HOLDFAST and is_barred(case, by_link=False):
        return case  # held while it was asked: the release decides anew
    before = sum(
        a.case_id == case.case_id and a.state is AttemptState.NOT_EXECUTED
        for a in book.all(Attempt)
    )
    wait = max(asked, min(AFTER_NOT_EXECUTED * 2 ** (before - 1), timedelta(days=1)))
    at = terms.now + wait * (1 + jitter(attempt.attempt_id))
    if attempt.trigger is Trigger.HOLDFAST:
        case = replace(case, next_attempt_at=at)
        book.put(case)
        book.add(case_action(case, ActionKind.RETRY, at, nth=at.isoformat()))
        return case
    data = {"trigger": str(attempt.trigger), "method": attempt.method_id, "link": attempt.link_id}
    nth = f"{attempt.trigger}:again:{attempt.number}"
    book.add(case_action(case, ActionKind.RETRY, at, nth=nth, data=data))
    return case


def unspent(book: Book, case: Case, attempt: Attempt, reason: str, terms: Terms) -> Case:
    """Close an attempt that never happened; it counts against nothing."""
    book.put(replace(attempt, state=AttemptState.NOT_EXECUTED, resolved_at=terms.now))
    used = case.attempts_used - (attempt.trigger is Trigger.HOLDFAST)
    case = replace(case, attempts_used=max(used, 0))
    note(book, case, terms.now, "not_executed", f"attempt {attempt.number}: {reason}")
    book.put(case)
    return case


def _read_now(book: Book, case: Case, attempt: Attempt, terms: Terms) -> Case:
    book.add(case_action(case, ActionKind.WATCH, terms.now, nth=f"answer:{attempt.number}"))
    return case


TAKERS: dict[Outcome, Taker] = {
    Outcome.APPROVED: _approved,
    Outcome.DECLINED: _declined,
    Outcome.ACTION_REQUIRED: _action_required,
    Outcome.PROCESSING: _processing,
    Outcome.UNKNOWN: _unknown,
    Outcome.NOT_EXECUTED: _not_executed,
}
