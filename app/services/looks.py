"""Letting a live reading change the case on the desk."""

from app.domain.dunning import CaseState
from app.domain.mirror import InvoiceStatus
from app.domain.mirroring import forward
from app.domain.settlement import take_reading
from app.domain.terms import note
from app.ports.payments import InvoiceReading
from app.services.work import Desk

CLOSED = frozenset({InvoiceStatus.VOID, InvoiceStatus.DELETED, InvoiceStatus.UNCOLLECTIBLE})


def take(at: Desk, reading: InvoiceReading) -> None:
    """Absorb a live reading; an invoice closed without payment ends the case."""
    if reading.method is not None:
        forward(at.book, reading.method, at.terms)
    for payment in reading.payments:
        forward(at.book, payment, at.terms)
    invoice = forward(at.book, reading.invoice, at.terms)
    case = take_reading(at.book, at.case, invoice, reading.payments, at.terms)
    if invoice.status in CLOSED and case.state is CaseState.ACTIVE:
        reason = f"the invoice is {invoice.status}"
        at.book.put(case.moved(CaseState.STOPPED, at=at.terms.now, reason=reason))
        note(at.book, case, at.terms.now, "stopped", reason)
