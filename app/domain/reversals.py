"""Money taken back: refunds and disputes, and how they find the case they concern.

Since 2025-03-31 neither names an invoice: the mirror of the payment joins them, else the line of
the ledger that the payment made, else a live read.
"""

from dataclasses import replace
from datetime import timedelta

from app.domain.actions import ActionKind, action_for
from app.domain.closings import cases_of, close_case
from app.domain.dunning import Case, CaseState, Waits
from app.domain.lines import is_entered
from app.domain.mirror import Dispute, Invoice, Payment
from app.domain.mirroring import forward
from app.domain.notices import Notice, NoticeKind
from app.domain.openings import case_action
from app.domain.records import Book
from app.domain.recovery import EntryKind, RecoveryEntry
from app.domain.settlement import (
    dispute_closed,
    failed_refunds,
    payment_ref,
    refund_undone,
    take_reading,
)
from app.domain.terms import Terms, note

K = NoticeKind


def _payment(book: Book, notice: Notice, terms: Terms) -> Payment | None:
    snapshot = notice.snapshot
    if not isinstance(snapshot, Payment) or not snapshot.payment_id:
        return None
    return forward(book, snapshot, terms)


def payment_seen(book: Book, notice: Notice, terms: Terms) -> None:
    """Keeps the join from payment to invoice and the reason of a refusal; decides no money.

    A payment of less than is owed makes no invoice paid, so that nothing else may tell of it: it
    is read.
    """
    payment = _payment(book, notice, terms)
    if payment is None or payment.status != "succeeded":
        return
    case = _case_paid_by(book, payment)
    if case is None or not 0 < payment.amount_minor < case.due_minor:
        return
    ref = payment_ref(payment)
    if not is_entered(book, case, EntryKind.RECOVERED, ref):
        book.add(case_action(case, ActionKind.WATCH, terms.now, nth=f"part:{ref}"))


def refunded(book: Book, notice: Notice, terms: Terms) -> None:
    """Report: a payment was given back, in all so much of it. Repeated it adds nothing.

    Once a refund of it has failed, a charge no longer says what was given back in all: what
    comes after is read, refund by refund.
    """
    payment = _payment(book, notice, terms)
    if payment is None:
        return
    if failed_refunds(book, payment):
        _read_refunds(book, payment, notice, terms)
    case = _case_paid_by(book, payment)
    if case is None:
        _ask_for_invoice(book, payment, terms)
        return
    invoice = book.get(Invoice, case.account_id, case.invoice_id)
    if invoice is not None and payment.refunded_minor:
        back = replace(payment, status="succeeded")
        take_reading(book, case, invoice, [back], terms, whole=False)


def _read_refunds(book: Book, payment: Payment, notice: Notice, terms: Terms) -> None:
    book.add(
        action_for(
            ActionKind.READ,
            subject=payment_ref(payment),
            merchant_id=terms.merchant.merchant_id,
            account_id=terms.account.account_id,
            due_at=terms.now,
            customer_id=payment.customer_id,
            nth=notice.event,
            data={"type": "charge", "event": notice.event, "at": notice.occurred_at.isoformat()},
        )
    )


def refund_failed(book: Book, notice: Notice, terms: Terms) -> None:
    """Read live: one refund of a payment failed or was cancelled. Repeated it adds nothing."""
    known = (notice.payment, notice.charge)
    for payment in list(book.all(Payment)):
        if payment.payment_id in known or payment.charge_id in known:
            case = _case_paid_by(book, payment)
            if case is not None and notice.object and notice.amount_minor:
                refund_undone(book, case, payment, notice.object, notice.amount_minor, terms)


def _case_paid_by(book: Book, payment: Payment) -> Case | None:
    """By the invoice where the payment names it, else by the line of the ledger it made."""
    lines = {
        entry.invoice_id
        for entry in book.all(RecoveryEntry)
        if entry.provider_ref == payment_ref(payment) and entry.account_id == payment.account_id
    }
    invoices = {payment.invoice_id} if payment.invoice_id else lines
    cases = (c for c in book.all(Case) if c.account_id == payment.account_id)
    return next((c for c in cases if c.invoice_id in invoices), None)


def _ask_for_invoice(book: Book, payment: Payment, terms: Terms) -> None:
    """Money went back, but from which invoice? Since 2025-03-31 a charge does not say: read it.
    Only for customers who ever had a case; other refunds are no concern of this ledger."""
    if payment.invoice_id or not any(cases_of(book, payment.customer_id)):
        return
    book.add(
        action_for(
            ActionKind.READ,
            subject=payment.payment_id,
            merchant_id=terms.merchant.merchant_id,
            account_id=terms.account.account_id,
            due_at=terms.now,
            customer_id=payment.customer_id,
            nth=f"refund:{payment.refunded_minor}",
            data={"type": "payment"},
        )
    )


def disputed(book: Book, notice: Notice, terms: Terms) -> None:
    """Report: a dispute began, changed or ended. Open, it holds the case of its payment. One that
    ended before its payment was heard of is read again."""
    dispute = notice.snapshot
    if not isinstance(dispute, Dispute):
        return
    found = False
    for payment in list(book.all(Payment)):
        if payment.payment_id == dispute.payment_id or payment_ref(payment) == dispute.charge_id:
            case = _case_paid_by(book, payment)
            if case is not None:
                found = True
                _dispute_of(book, case, payment, dispute, notice, terms)
    if not found and notice.kind in ENDED:
        _read_again(book, dispute, None, notice, terms)


def _dispute_of(
    book: Book, case: Case, payment: Payment, dispute: Dispute, notice: Notice, terms: Terms
) -> None:
    if notice.kind in ENDED:
        won, entered = notice.kind is K.DISPUTE_WON, _is_entered(book, case, payment)
        if entered:
            dispute_closed(book, case, dispute.id, won, dispute.amount_minor, terms)
        _let_go(book, case, dispute, won, terms)
        if not (entered and won):
            _read_again(book, dispute, case.customer_id, notice, terms)
    elif dispute.status in WITHDRAWN:
        _let_go(book, case, dispute, True, terms)
    elif notice.kind is K.DISPUTE_OPENED and case.state is CaseState.ACTIVE:
        note(book, case, terms.now, "on_hold", "a payment of this invoice is disputed")
        book.put(replace(case, waits=Waits.ON_HOLD, next_attempt_at=None))


def _is_entered(book: Book, case: Case, payment: Payment) -> bool:
    names = filter(None, (payment.charge_id, payment.payment_id))
    return any(is_entered(book, case, EntryKind.RECOVERED, name) for name in names)


ENDED = frozenset({K.DISPUTE_WON, K.DISPUTE_LOST})
# An inquiry that never became a dispute.
WITHDRAWN = frozenset({"warning_closed", "prevented"})


def _let_go(book: Book, case: Case, dispute: Dispute, won: bool, terms: Terms) -> None:
    """The hold of a dispute ends with it: won, the case is assessed anew; lost, it stops."""
    if not won:
        close_case(book, case, CaseState.STOPPED, "a dispute was lost", terms)
    elif case.state is CaseState.ACTIVE and case.waits is Waits.ON_HOLD:
        note(book, case, terms.now, "hold_lifted", "the dispute is over")
        book.put(replace(case, waits=Waits.RETRYING))
        book.add(case_action(case, ActionKind.ASSESS, terms.now, nth=f"dispute:{dispute.id}"))


def _read_again(
    book: Book, dispute: Dispute, customer: str | None, notice: Notice, terms: Terms
) -> None:
    """A dispute may end before the money it is about was entered, and be won before its loss is
    heard of (after an outage all come at once): it is read again once the payment was."""
    book.add(
        action_for(
            ActionKind.READ,
            subject=dispute.id,
            merchant_id=terms.merchant.merchant_id,
            account_id=terms.account.account_id,
            due_at=terms.now + timedelta(minutes=1),
            customer_id=customer,
            nth=f"after:{notice.kind}",
            data={"type": "dispute", "event": notice.event, "at": notice.occurred_at.isoformat()},
        )
    )
