"""Letting a live reading change the case on the desk."""

from collections.abc import Iterable

from app.domain.actions import ActionKind
from app.domain.decisions import decide
from app.domain.dunning import Case, CaseState
from app.domain.mirror import Invoice, InvoiceStatus, Payment
from app.domain.mirroring import forward
from app.domain.movements import is_ending
from app.domain.openings import case_action
from app.domain.settlement import payment_ref, take_reading
from app.domain.terms import note
from app.ports.payments import InvoiceReading
from app.services.work import Desk

ENDED = frozenset({"canceled", "incomplete_expired"})
CLOSED = frozenset({InvoiceStatus.VOID, InvoiceStatus.DELETED, InvoiceStatus.UNCOLLECTIBLE})


def is_under_way(reading: InvoiceReading) -> bool:
    """Whether a payment of anybody's, such as a bank debit, is neither through nor refused."""
    return any(payment.status == "processing" for payment in reading.payments)


def take(at: Desk, reading: InvoiceReading) -> None:
    """Absorb a live reading; an invoice closed without payment ends the case. A refusal that it
    brings is decided upon at once, whatever the look was for."""
    if reading.method is not None:
        forward(at.book, reading.method, at.terms)
    for payment in _latest(reading):
        forward(at.book, payment, at.terms)
    invoice = forward(at.book, reading.invoice, at.terms)
    whole = invoice.status is reading.invoice.status  # else a newer report overtook the look
    failures = at.case.failures
    case = take_reading(at.book, at.case, invoice, reading.payments, at.terms, whole=whole)
    reason = _why_stop(at, case, invoice, reading)
    if reason is not None and case.state is CaseState.ACTIVE and not is_ending(case):
        at.book.put(case.moved(CaseState.STOPPED, at=at.terms.now, reason=reason))
        note(at.book, case, at.terms.now, "stopped", reason)
    if at.case.failures > failures:
        decide(at.book, at.case, at.policy, at.terms, reading.method)
        _look_for_more(at, reading)


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
    ended = case.driven and reading.subscription_status in ENDED
    return "the subscription has ended" if ended and at.policy.after_cancel == "forgive" else None
