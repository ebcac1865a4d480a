"""Credit notes: what the merchant takes off an invoice is owed no more, and is no money in.

A note counts by its own id, so that reports and looks may come in any order and twice. What was
credited before the first failure was never failed, and is no line of the ledger.
"""

from collections.abc import Iterable
from dataclasses import replace

from app.domain.actions import ActionKind, action_for
from app.domain.dunning import Case, CaseKind, CaseState
from app.domain.lines import MONEY_IN, entered_minor, is_entered, line_of
from app.domain.mirror import CreditNote, Invoice
from app.domain.movements import is_ending
from app.domain.notices import Notice
from app.domain.openings import CREDITED, case_action
from app.domain.records import Book
from app.domain.recovery import Cause, EntryKind, RecoveryEntry
from app.domain.terms import Terms, note

CREDITS = (EntryKind.CREDITED, EntryKind.CREDIT_VOIDED)


def credit_noted(book: Book, notice: Notice, terms: Terms) -> None:
    """Report: a credit note was issued, changed or voided. What is owed now is read live."""
    told = notice.snapshot
    if not isinstance(told, CreditNote):
        return
    account = terms.account.account_id
    for case in list(book.all(Case, account_id=account, invoice_id=told.invoice_id)):
        invoice = book.get(Invoice, account, told.invoice_id)
        if invoice is not None:
            enter_credits(book, case, invoice, [told], terms)
        nth = f"credit:{told.id}:{told.voided}"
        book.add(case_action(case, ActionKind.WATCH, terms.now, nth=nth))


def enter_credits(
    book: Book, case: Case, invoice: Invoice, notes: Iterable[CreditNote], terms: Terms
) -> None:
    """Enter what these notes took off the invoice since its first failure, each once; a voided
    one takes its own back, and of one from before that there is nothing to take."""
    if case.kind is CaseKind.INVOICE:
        return
    cause = Cause(case.cause) if case.cause else Cause.MANUAL_OR_EXTERNAL
    for told in notes:
        if told.amount_minor <= 0 or told.currency != case.currency:
            continue
        if told.created_at is not None and told.created_at < case.opened_at:
            continue
        moves = [(EntryKind.CREDITED, told.amount_minor, told.created_at)]
        if told.voided:
            moves.append((EntryKind.CREDIT_VOIDED, -told.amount_minor, told.voided_at))
        for kind, amount, at in moves:
            if not is_entered(book, case, kind, told.id):
                when = at or terms.now
                book.add(line_of(book, case, invoice, kind, cause, amount, told.id, when, terms))


def look_for_voids(book: Book, case: Case, invoice: Invoice, terms: Terms) -> None:
    """An invoice seen live shows less credit than stands in the ledger: a void went unheard. Each
    note that stands is read."""
    standing = [
        line
        for line in book.all(RecoveryEntry, invoice_id=case.invoice_id)
        if line.kind is EntryKind.CREDITED
        and not is_entered(book, case, EntryKind.CREDIT_VOIDED, line.provider_ref)
    ]
    if sum(line.amount_minor for line in standing) <= invoice.credited_minor:
        return
    for line in standing:
        nth = f"void:{invoice.credited_minor}"
        book.add(
            action_for(
                ActionKind.READ,
                subject=line.provider_ref,
                merchant_id=case.merchant_id,
                account_id=case.account_id,
                due_at=terms.now,
                customer_id=case.customer_id,
                nth=nth,
                data={"type": "credit_note", "event": nth, "at": terms.now.isoformat()},
            )
        )


def credited_minor(book: Book, case: Case) -> int:
    """What credit notes took off the case's invoice since its first failure, voided ones not."""
    return entered_minor(book, case, *CREDITS)


def is_credited_away(book: Book, case: Case, invoice: Invoice) -> bool:
    """Whether nothing settled a paid invoice since its first failure but credit notes."""
    if case.kind is CaseKind.INVOICE:
        return invoice.is_credited_away
    return invoice.credited_minor > 0 and entered_minor(book, case, *MONEY_IN) <= 0


def end_credited(book: Book, case: Case, terms: Terms) -> Case:
    """The case ends as stopped: nothing is owed any more and nothing came back. One that ended
    already stays as it is."""
    if not case.can_become(CaseState.STOPPED) or is_ending(case):
        return case
    case = replace(case.moved(CaseState.STOPPED, at=terms.now, reason=CREDITED), due_minor=0)
    note(book, case, terms.now, "stopped", "credited: a credit note left nothing to be paid")
    book.put(case)
    return case


def owing(book: Book, case: Case, minor: int, terms: Terms) -> Case:
    """The case with what is owed now; of an active one the change stands in its timeline."""
    if minor == case.due_minor:
        return case
    if case.state is CaseState.ACTIVE and minor > 0:
        was, now = (f"{one} {case.currency}" for one in (case.due_minor, minor))
        note(book, case, terms.now, "owing", f"what is owed changed from {was} to {now}")
    return replace(case, due_minor=minor)
