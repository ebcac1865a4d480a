"""Invoices of changes that take place only once they are paid: nobody owes what they ask for.

Left unpaid, such an invoice is void within a day and the subscription stays as it was. The invoice
itself does not tell; its subscription does, in its own reports and in a live reading.
"""

from app.domain.closings import close_case
from app.domain.dunning import Attempt, Case, CaseState, Trigger
from app.domain.mirror import Invoice
from app.domain.mirroring import forward
from app.domain.notices import Notice
from app.domain.openings import (
    PENDING_UPDATE,
    UPDATE,
    case_of,
    first_failure,
    gets_case,
    is_over,
)
from app.domain.records import Book, changed, quick
from app.domain.terms import Terms

CHANGE = "change:"  # begins the name of a live read of such an invoice
NO_DEBT = "it pays for a change that waits for its payment"  # why a case is stopped
make_invoice = quick(Invoice)


def may_wait(book: Book, invoice: Invoice, told: Invoice, amount: int, terms: Terms) -> bool:
    """Whether a refused invoice would get a case, but for all that a report told may pay for a
    change that waits. What was read live (it belongs to an account) shows its subscription."""
    asks = invoice.billing_reason == UPDATE and not is_over(invoice) and not told.account_id
    return asks and case_of(book, invoice) is None and gets_case(book, invoice, amount, terms)


def pending_update_seen(book: Book, notice: Notice, terms: Terms) -> None:
    """A subscription tells which invoice a change of it waits for, maybe before that invoice is
    heard of itself: it is remembered, and a case of it that was opened is no case."""
    if notice.invoice is None:
        return
    named = make_invoice(
        merchant_id="",
        account_id="",
        invoice_id=notice.invoice,
        customer_id=notice.customer,
        subscription_id=notice.subscription,
        pending_update=True,
        seen_at=notice.occurred_at,
    )
    invoice = forward(book, named, terms)
    case = case_of(book, invoice)
    if case is not None:
        end_without_debt(book, case, invoice, terms)
    elif invoice.is_of_pending_update:
        _exclude_failure(book, invoice, terms)


def end_without_debt(book: Book, case: Case, invoice: Invoice, terms: Terms) -> bool:
    """End a case that should not have been opened, and count its failure as excluded. Whether
    this invoice pays for a change that waits."""
    if not invoice.is_of_pending_update:
        return False
    close_case(book, case, CaseState.STOPPED, NO_DEBT, terms)
    _exclude_failure(book, invoice, terms)
    return True


def _exclude_failure(book: Book, invoice: Invoice, terms: Terms) -> None:
    latest = first_failure(book, invoice)
    if latest is not None and latest.exclusion is None:
        again = changed(latest, version=latest.version + 1, recorded_at=terms.now)
        book.add(changed(again, case_id=None, exclusion=PENDING_UPDATE))


def was_no_debt(book: Book, case: Case) -> bool:
    """Whether it was ended for that reason before a try of ours: what is paid later pays for the
    change, and was never lost."""
    if case.state is not CaseState.STOPPED or case.reason != NO_DEBT:
        return False
    tries = book.all(Attempt, case_id=case.case_id)
    return all(attempt.trigger is Trigger.PROVIDER for attempt in tries)
