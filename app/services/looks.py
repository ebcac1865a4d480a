"""Letting a live reading change the case on the desk."""

from collections.abc import Iterable
from dataclasses import replace

from app.domain.actions import ActionKind, action_for
from app.domain.alerts import AlertKind
from app.domain.attributing import payment_ref
from app.domain.decisions import decide
from app.domain.dunning import Case, CaseState
from app.domain.mirror import Invoice, InvoiceStatus, Payment
from app.domain.mirroring import forward
from app.domain.movements import is_ending
from app.domain.openings import CREDITED, case_action
from app.domain.pending_updates import end_without_debt
from app.domain.settlement import other_currency, take_reading
from app.domain.terms import note
from app.ports.payments import InvoiceReading
from app.services.alarms import alert
from app.services.driving import CHARGED_AGAIN, leave_to_provider, tries_of_provider
from app.services.work import Desk

ENDED = frozenset({"canceled", "incomplete_expired"})
GIVEN_UP = ENDED | {"unpaid", "paused"}
CLOSED = frozenset({InvoiceStatus.VOID, InvoiceStatus.DELETED, InvoiceStatus.UNCOLLECTIBLE})


def is_under_way(reading: InvoiceReading) -> bool:
    """Whether a payment of anybody's, such as a bank debit, is neither through nor refused."""
    return any(payment.status == "processing" for payment in reading.payments)


def take(at: Desk, reading: InvoiceReading, *, first: bool = False) -> None:
    """Absorb a live reading; an invoice closed without payment ends the case. A refusal that it
    brings is decided upon at once, whatever the look was for. On any but the `first` look a new
    try of the provider on an invoice of ours ends our driving."""
    if reading.method is not None:
        forward(at.book, reading.method, at.terms)
    for payment in _latest(reading):
        forward(at.book, payment, at.terms)
    invoice = forward(at.book, reading.invoice, at.terms)
    whole = invoice.status is reading.invoice.status  # else a newer report overtook the look
    end_without_debt(at.book, at.case, invoice, at.terms)
    failures, theirs = at.case.failures, tries_of_provider(at)
    case = take_reading(
        at.book,
        at.case,
        invoice,
        reading.payments,
        at.terms,
        notes=reading.notes,
        whole=whole,
        every_attempt=whole and reading.every_attempt,
    )
    if (reason := other_currency(case, invoice, reading.payments)) is not None:
        at.book.add(alert(at.terms.now, case.merchant_id, AlertKind.CURRENCY, case.case_id, reason))
    reason = _why_stop(at, case, invoice, reading)
    if reason is not None and case.state is CaseState.ACTIVE and not is_ending(case):
        at.book.put(case.moved(CaseState.STOPPED, at=at.terms.now, reason=reason))
        note(at.book, case, at.terms.now, "stopped", reason)
    if at.case.driven and not first and tries_of_provider(at) - theirs:
        _charged_again(at, invoice)
    _mirror_next(at, invoice, reading)
    if at.case.failures > failures:
        decide(at.book, at.case, at.policy, at.terms, reading.method)
        _look_for_more(at, reading)


def _charged_again(at: Desk, invoice: Invoice) -> None:
    if invoice.attempt_count <= 1:
        return  # the one that opened the case
    if at.case.state is CaseState.ACTIVE:
        leave_to_provider(at, invoice, CHARGED_AGAIN, raises=AlertKind.PROVIDER_CHARGED)
        return
    case, now = at.case, at.terms.now
    at.book.add(
        alert(now, case.merchant_id, AlertKind.PROVIDER_CHARGED, case.case_id, CHARGED_AGAIN)
    )


def _mirror_next(at: Desk, invoice: Invoice, reading: InvoiceReading) -> None:
    """Of what the provider works its own next try is shown, and an end it made is read."""
    case = at.case
    if case.state is not CaseState.ACTIVE or case.driven:
        return
    at.book.put(replace(case, next_attempt_at=invoice.next_attempt_at))
    status = reading.subscription_status
    if case.subscription_id and status in GIVEN_UP:
        at.book.add(
            action_for(
                ActionKind.READ,
                subject=case.subscription_id,
                merchant_id=case.merchant_id,
                account_id=case.account_id,
                due_at=at.terms.now,
                customer_id=case.customer_id,
                nth=f"watch:{case.case_id}:{status}",
                data={
                    "type": "subscription",
                    "event": f"watch:{case.case_id}:{status}",
                    "at": at.terms.now.isoformat(),
                },
            )
        )


def _latest(reading: InvoiceReading) -> Iterable[Payment]:
    """One row a payment: the mirror keeps its latest try."""
    return {payment.payment_id: payment for payment in reversed(reading.payments)}.values()


def _look_for_more(at: Desk, reading: InvoiceReading) -> None:
    """A refusal that nobody told of may not be the only one: every attempt is read."""
    if not reading.every_attempt and reading.payments:
        nth = f"attempts:{payment_ref(reading.payments[0])}"
        at.book.add(case_action(at.case, ActionKind.WATCH, at.terms.now, nth=nth))


def _why_stop(at: Desk, case: Case, invoice: Invoice, reading: InvoiceReading) -> str | None:
    """Where we drive, nobody but the customer or the merchant ends the subscription."""
    if invoice.status in CLOSED:
        return f"the invoice is {invoice.status}"
    if invoice.status is InvoiceStatus.OPEN and invoice.remaining_minor <= 0:
        return CREDITED if invoice.credited_minor else "nothing is owed any more"
    ended = case.driven and reading.subscription_status in ENDED
    return "the subscription has ended" if ended and at.policy.after_cancel == "forgive" else None
