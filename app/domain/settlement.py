"""What a reading of the provider tells: attempts by anybody, money in, money taken back.

Our own answer, a webhook and a live read all come through here, so that whichever comes first
counts and none counts twice: an attempt is known by its charge, a ledger line by its kind and
the provider's reference.
"""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime

from app.domain.alerts import AlertKind, alert
from app.domain.attributing import (
    Refs,
    by_another,
    counted,
    in_doubt,
    known,
    payment_ref,
    tries_of_the_provider,
)
from app.domain.causes import cause_of
from app.domain.credits import (
    credited_minor,
    end_credited,
    enter_credits,
    is_credited_away,
    look_for_voids,
    owing,
)
from app.domain.dunning import (
    Attempt,
    AttemptState,
    CardUse,
    Case,
    CaseKind,
    CaseState,
    Trigger,
)
from app.domain.lines import MONEY_IN, entered_minor, is_entered, line_of
from app.domain.messages import PaymentLink, link_event
from app.domain.mirror import CreditNote, Dispute, Invoice, InvoiceStatus, Payment, PaymentMethod
from app.domain.movements import reason_when_paid
from app.domain.pending_updates import was_no_debt
from app.domain.records import Book, changed
from app.domain.recovery import Cause, EntryKind, RecoveryEntry
from app.domain.retry import card_expiry
from app.domain.terms import Terms, decline_from, note, with_decline

CURRENCY_DIFFERS = "the currency differs"


def take_reading(
    book: Book,
    case: Case,
    invoice: Invoice,
    payments: Iterable[Payment],
    terms: Terms,
    *,
    notes: Iterable[CreditNote] = (),
    whole: bool = True,
    every_attempt: bool = False,
) -> Case:
    """Let what is live at the provider change a case. Safe to repeat, in any order.

    `whole` says that these are all payments and credit notes of the invoice as it is shown: only
    then is what they do not cover settled otherwise. One payment alone, or a look that was
    overtaken by a newer report, must not have a payment it does not show entered as settled by
    other means. `every_attempt` says that they are all tries as well. Returns the case as it is now
    (also put into the book). Never moves it back; an invoice that is paid recovers it whatever its
    state, because late money counts. One that only credit notes settled is no recovery, and what is
    in another currency is for a person.
    """
    ordered = sorted(payments, key=lambda p: (p.occurred_at or terms.now, p.payment_id))
    if (reason := other_currency(case, invoice, ordered)) is not None:
        return _park(book, case, reason, terms)
    mine = list(book.all(Attempt, case_id=case.case_id))
    if was_no_debt(book, case):
        return case
    case = owing(book, case, invoice.remaining_minor, terms)
    theirs = tries_of_the_provider(mine, invoice, ordered)
    for payment in ordered:
        case = _take_payment(book, case, invoice, payment, theirs, terms)
    if every_attempt and all(payment.status != "processing" for payment in ordered):
        _count(book, case, invoice)
    enter_credits(book, case, invoice, notes, terms)
    if whole:
        look_for_voids(book, case, invoice, terms)
    if invoice.status is InvoiceStatus.PAID:
        case = _paid(book, case, invoice, terms, whole=whole)
    book.put(case)
    return case


def _paid(book: Book, case: Case, invoice: Invoice, terms: Terms, *, whole: bool) -> Case:
    """Nothing of the invoice is owed any more: by money, or by credit notes alone."""
    if whole:
        case = _settle_rest(book, case, invoice, terms)
    if not is_credited_away(book, case, invoice):
        return recover(book, case, invoice.paid_at or terms.now, case.cause, terms)
    return end_credited(book, case, terms) if whole else case


def other_currency(case: Case, invoice: Invoice, payments: Iterable[Payment]) -> str | None:
    """Why the money of this reading cannot be the case's: words that name both currencies."""
    if invoice.currency != case.currency:
        return f"{CURRENCY_DIFFERS}: the invoice is in {invoice.currency}, not {case.currency}"
    for payment in payments:
        if payment.status == "succeeded" and payment.currency != case.currency:
            return f"{CURRENCY_DIFFERS}: a payment is in {payment.currency}, not {case.currency}"
    return None


def _park(book: Book, case: Case, reason: str, terms: Terms) -> Case:
    if not case.can_become(CaseState.PARKED):
        return case
    case = case.moved(CaseState.PARKED, at=terms.now, reason=reason)
    note(book, case, terms.now, "parked", reason)
    book.put(case)
    return case


def recover(book: Book, case: Case, at: datetime, cause: str | None, terms: Terms) -> Case:
    """Report: the invoice is paid. Leaves a case that is recovered already as it is."""
    if not case.can_become(CaseState.RECOVERED):
        return case
    was = case.state
    moved = case.moved(CaseState.RECOVERED, at=at, reason=reason_when_paid(case))
    case = changed(moved, due_minor=0, cause=cause or case.cause)
    late = f" after it was {was}" if was is not CaseState.ACTIVE else ""
    note(book, case, terms.now, "recovered", f"the invoice is paid{late}", {"cause": case.cause})
    book.put(case)
    return case


def _take_payment(
    book: Book, case: Case, invoice: Invoice, payment: Payment, theirs: Refs, terms: Terms
) -> Case:
    if payment.status not in {"succeeded", "failed"} or _stands_elsewhere(book, case, payment):
        return case
    before_failure = payment.occurred_at is not None and payment.occurred_at < case.opened_at
    if payment.status == "succeeded":
        if before_failure:
            return case
        state = AttemptState.APPROVED
        case, attempt = _attempt_of(book, case, invoice, payment, state, theirs, terms)
        return _enter_money(book, case, invoice, payment, attempt, terms)
    case, _ = _attempt_of(book, case, invoice, payment, AttemptState.DECLINED, theirs, terms)
    return case


def _stands_elsewhere(book: Book, case: Case, payment: Payment) -> bool:
    """Whether it was taken in for another invoice, before the provider was told to put it to this
    one: it is one attempt, and its money is entered once."""
    about = {"account_id": case.account_id, "provider_ref": payment_ref(payment)}
    return any(a.case_id != case.case_id for a in book.all(Attempt, **about))


def _attempt_of(
    book: Book,
    case: Case,
    invoice: Invoice,
    payment: Payment,
    state: AttemptState,
    theirs: Refs,
    terms: Terms,
) -> tuple[Case, Attempt]:
    """The attempt this payment was: known by its charge, else ours in doubt, else another's."""
    ref = payment_ref(payment)
    mine = list(book.all(Attempt, case_id=case.case_id))
    recorded = known(mine, payment)
    if recorded is not None and (recorded.state is state or _was_answered(recorded, state)):
        return case, recorded
    attempt = (
        recorded
        or (None if ref in theirs else in_doubt(mine, payment))
        or by_another(book, mine, case, invoice, payment, terms)
    )
    decline = decline_from(payment.decline) if state is AttemptState.DECLINED else None
    attempt = replace(
        attempt,
        state=state,
        resolved_at=terms.now,
        provider_ref=ref,
        method_id=payment.method_id or attempt.method_id,
        fingerprint=payment.fingerprint or attempt.fingerprint,
        brand=payment.brand or attempt.brand,
        decline_kind=decline.kind if decline else None,
        decline=payment.decline if decline else None,
    )
    if decline is not None:
        attempt = attempt.refused(decline.kind, at=terms.now)
    book.put(attempt)
    _use_card(book, attempt, payment, terms)
    if decline is not None:
        newest = all(a.intent_at <= attempt.intent_at for a in mine)
        tells = newest and attempt.trigger is not Trigger.BACKUP_CARD  # of the card charged else
        case = replace(with_decline(case, decline) if tells else case, failures=case.failures + 1)
        code = decline.code or decline.kind
        by = f"attempt {attempt.number} by {attempt.trigger}"
        note(book, case, attempt.intent_at, "declined", f"{by} was refused: {code}", case.decline)
    return case, attempt


def _count(book: Book, case: Case, invoice: Invoice) -> None:
    mine = list(book.all(Attempt, case_id=case.case_id))
    if (newest := counted(mine, invoice)) is not None:
        book.put(newest)


def _was_answered(known: Attempt, state: AttemptState) -> bool:
    """A call for the customer shows in a reading as a refusal, and was counted as our answer."""
    return state is AttemptState.DECLINED and known.state is AttemptState.ACTION_REQUIRED


def _use_card(book: Book, attempt: Attempt, payment: Payment, terms: Terms) -> None:
    card_key = attempt.fingerprint or attempt.method_id
    if card_key is None:
        return
    method = book.get(PaymentMethod, attempt.account_id, attempt.method_id)
    book.put(
        CardUse(
            merchant_id=attempt.merchant_id,
            account_id=attempt.account_id,
            use_ref=payment_ref(payment),
            card_key=card_key,
            brand=attempt.brand,
            rail=method.type if method and method.type != "unknown" else "card",
            amount_minor=attempt.amount_minor,
            approved=attempt.state is AttemptState.APPROVED,
            never=attempt.decline is not None and decline_from(attempt.decline).is_final,
            expiry=card_expiry(method.exp_year, method.exp_month) if method else None,
            at=payment.occurred_at or terms.now,
        )
    )


def _enter_money(
    book: Book, case: Case, invoice: Invoice, payment: Payment, attempt: Attempt, terms: Terms
) -> Case:
    method = book.get(PaymentMethod, case.account_id, attempt.method_id)
    cause = Cause(case.cause) if case.cause else cause_of(case, attempt, method)
    case = replace(case, cause=cause)
    if case.kind is CaseKind.INVOICE:
        return case  # no payment of it had failed: nothing was recovered
    ref = payment_ref(payment)
    at = payment.occurred_at or terms.now
    if not is_entered(book, case, EntryKind.RECOVERED, ref):
        entry = line_of(
            book, case, invoice, EntryKind.RECOVERED, cause, payment.amount_minor, ref, at, terms
        )
        book.add(entry)
        case = replace(case, recovered_minor=case.recovered_minor + payment.amount_minor)
        for link in book.all(PaymentLink, link_id=attempt.link_id):
            book.add(link_event(link, "paid", at, ref, invoice=case.invoice_id))
    back = payment.given_back_minor - _refunded(book, case, ref)
    if back > 0:
        total = f"{ref}:{payment.refunded_minor}"
        at = payment.seen_at or terms.now
        book.add(line_of(book, case, invoice, EntryKind.REFUNDED, cause, -back, total, at, terms))
    return case


def _settle_rest(book: Book, case: Case, invoice: Invoice, terms: Terms) -> Case:
    """What was settled outside the provider: out of band, or by the customer's balance. What
    credit notes took off is not settled by anybody."""
    if case.kind is CaseKind.INVOICE:
        return replace(case, cause=case.cause or Cause.MANUAL_OR_EXTERNAL)
    entered, off = entered_minor(book, case, *MONEY_IN), invoice.off_provider_minor
    owed = case.amount_minor - credited_minor(book, case)
    rest = min(off or owed, owed - entered)
    if rest <= 0 or (entered and not off):
        return case
    cause = Cause(case.cause) if case.cause else Cause.MANUAL_OR_EXTERNAL
    ref = f"{case.invoice_id}:settled"
    at = invoice.paid_at or terms.now
    book.add(line_of(book, case, invoice, EntryKind.SETTLED_OTHER, cause, rest, ref, at, terms))
    return replace(case, cause=cause)


def dispute_closed(book: Book, case: Case, told: Dispute, won: bool, terms: Terms) -> None:
    """Report: a dispute of money that was entered ended. A lost one takes it back; a win after a
    loss returns it. One in another currency is for a person."""
    dispute, minor = told.dispute_id, told.amount_minor
    invoice = book.get(Invoice, case.account_id, case.invoice_id)
    lost = is_entered(book, case, EntryKind.DISPUTE_LOST, dispute)
    if invoice is None or (won and not lost):
        return
    if told.currency != case.currency:
        text = f"{CURRENCY_DIFFERS}: a dispute was lost in {told.currency}, not {case.currency}"
        book.add(alert(terms.now, case.merchant_id, AlertKind.CURRENCY, dispute, text))
        return
    kind = EntryKind.DISPUTE_WON if won else EntryKind.DISPUTE_LOST
    amount = minor if won else -minor
    cause = Cause(case.cause or Cause.UNKNOWN)
    if not is_entered(book, case, kind, dispute):
        book.add(line_of(book, case, invoice, kind, cause, amount, dispute, terms.now, terms))
        text = "a dispute was won after all" if won else "a dispute was lost"
        note(book, case, terms.now, kind, text, {"amount_minor": minor})


def refund_undone(
    book: Book, case: Case, payment: Payment, refund: str, minor: int, terms: Terms
) -> None:
    """Report: a refund failed, the money is the merchant's again. Its line is its own, so that
    it comes once; never more comes back than the ledger says went out."""
    ref = f"{payment_ref(payment)}:{refund}"
    came_back = sum(entry.amount_minor for entry in failed_refunds(book, payment))
    out = _refunded(book, case, payment_ref(payment)) - came_back
    invoice = book.get(Invoice, case.account_id, case.invoice_id)
    if invoice is None or out <= 0 or is_entered(book, case, EntryKind.REFUND_FAILED, ref):
        return
    back, cause = min(minor, out), Cause(case.cause or Cause.UNKNOWN)
    kind = EntryKind.REFUND_FAILED
    book.add(line_of(book, case, invoice, kind, cause, back, ref, terms.now, terms))
    note(book, case, terms.now, kind, "a refund failed: the money is back", {"amount_minor": back})


def failed_refunds(book: Book, payment: Payment) -> list[RecoveryEntry]:
    """The lines of refunds of this payment that failed."""
    prefix = f"{payment_ref(payment)}:"
    return [
        entry
        for entry in book.all(RecoveryEntry, kind=EntryKind.REFUND_FAILED)
        if entry.provider_ref.startswith(prefix)
    ]


def _refunded(book: Book, case: Case, ref: str) -> int:
    prefix = f"{ref}:"
    return -sum(
        e.amount_minor
        for e in book.all(RecoveryEntry, kind=EntryKind.REFUNDED)
        if e.provider_ref.startswith(prefix)
    )
