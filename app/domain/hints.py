"""What a report only hints at, which a look at the provider is to settle."""

from app.domain.actions import ActionKind
from app.domain.dunning import Case
from app.domain.mirror import Invoice, InvoiceStatus
from app.domain.openings import case_action
from app.domain.records import Book
from app.domain.terms import Terms

STILL_OWED = frozenset({InvoiceStatus.OPEN, InvoiceStatus.UNCOLLECTIBLE})


def look_at_money(book: Book, case: Case, invoice: Invoice, terms: Terms) -> bool:
    """Plan to read what a report hints at: a part was paid, nothing is owed although it is open,
    the currency is another. Whether that report says nothing else that can be believed."""
    due, other = invoice.status in STILL_OWED, invoice.currency != case.currency
    hints = (
        (due and invoice.paid_minor > 0, f"part:{invoice.paid_minor}"),
        (due and invoice.remaining_minor <= 0, "zero"),
        (other, f"currency:{invoice.currency}"),
    )
    for holds, nth in hints:
        if holds:
            book.add(case_action(case, ActionKind.WATCH, terms.now, nth=nth))
    return other
