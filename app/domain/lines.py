"""Lines of the recovered-revenue ledger: how one is made, and whether it stands already."""

from datetime import datetime

from app.domain.dunning import Case
from app.domain.ids import derive_id
from app.domain.mirror import Invoice
from app.domain.records import Book
from app.domain.recovery import Cause, EntryKind, RecoveryEntry
from app.domain.terms import Terms

MONEY_IN = (EntryKind.RECOVERED, EntryKind.SETTLED_OTHER)


def is_entered(book: Book, case: Case, kind: EntryKind, ref: str) -> bool:
    """Whether this movement has its line."""
    return any(
        e.kind is kind and e.account_id == case.account_id
        for e in book.all(RecoveryEntry, provider_ref=ref)
    )


def entered_minor(book: Book, case: Case, *kinds: EntryKind) -> int:
    """What the lines of these kinds of the case's invoice add up to, by their signs."""
    return sum(
        entry.amount_minor
        for entry in book.all(RecoveryEntry, invoice_id=case.invoice_id)
        if entry.kind in kinds
    )


def settled_minor(book: Book, case: Case) -> int:
    """What a settled case was settled with since its first failure: by payments, elsewhere, or by
    balance, without what credit notes took off. What was owed, while no line tells."""
    return entered_minor(book, case, *MONEY_IN) or case.amount_minor


def line_of(
    book: Book,
    case: Case,
    invoice: Invoice,
    kind: EntryKind,
    cause: Cause,
    amount: int,
    ref: str,
    at: datetime,
    terms: Terms,
) -> RecoveryEntry:
    """A line of `amount` signed minor units, with its share of the invoice's tax: that of all lines
    with it less that of those before, so that the shares add up to the tax of the whole."""
    before = entered_minor(book, case, *EntryKind)
    return RecoveryEntry(
        entry_id=derive_id("entry", at, case.account_id, kind, ref),
        merchant_id=case.merchant_id,
        account_id=case.account_id,
        invoice_id=case.invoice_id,
        case_id=case.case_id,
        kind=kind,
        cause=cause,
        assisted_by="message" if case.wrote else None,
        currency=case.currency,
        amount_minor=amount,
        tax_minor=_tax_on(invoice, before + amount) - _tax_on(invoice, before),
        plan=case.plan,
        interval=case.interval,
        provider_ref=ref,
        failed_at=case.opened_at,
        occurred_at=at,
        recorded_at=terms.now,
    )


def _tax_on(invoice: Invoice, minor: int) -> int:
    """The tax in so much of an invoice, rounded down; no more than all of it."""
    whole = max(invoice.due_minor, 1)
    return invoice.tax_minor * min(max(minor, 0), whole) // whole
