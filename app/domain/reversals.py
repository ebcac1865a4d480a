"""Money taken back: refunds and disputes, and how they find the case they concern.

Since 2025-03-31 neither names an invoice: the mirror of the payment joins them, else the line of
the ledger that the payment made, else a live read.
"""

from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from itertools import chain

from app.domain.actions import ActionKind, action_for
from app.domain.attributing import payment_ref
from app.domain.closings import cases_of, close_case
from app.domain.dunning import Case, CaseState
from app.domain.holds import Hold, HoldReason, holds_of, lift, look_at_collection, put_on_hold
from app.domain.lines import MONEY_IN, entered_minor, is_entered
from app.domain.mirror import DISPUTE_OVER, Dispute, Invoice, Payment
from app.domain.mirroring import forward
from app.domain.notices import Notice, NoticeKind
from app.domain.openings import case_action
from app.domain.records import Book
from app.domain.recovery import EntryKind, RecoveryEntry
from app.domain.settlement import (
    dispute_closed,
    failed_refunds,
    refund_undone,
    take_reading,
)
from app.domain.terms import Terms

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

    Once a refund of it has failed, a charge no longer says what was given back in all: what comes
    after is read, refund by refund.
    """
    payment = _payment(book, notice, terms)
    if payment is None:
        return
    ref = payment_ref(payment)
    if payment.refunds_failed or failed_refunds(book, payment):
        _read(book, ref, "charge", notice, payment.customer_id, terms.now, terms)
    case = _case_paid_by(book, payment)
    if case is None:
        _ask_for_invoice(book, payment, terms)
        return
    invoice = book.get(Invoice, case.account_id, case.invoice_id)
    if invoice is not None and payment.refunded_minor:
        enter_paid(book, case, invoice, replace(payment, status="succeeded"), terms)


def enter_paid(book: Book, case: Case, invoice: Invoice, payment: Payment, terms: Terms) -> None:
    """Let one payment change a case. What of it went to the invoice a charge does not say: where it
    is more than was left to pay and not entered yet, all is read. Where it is the first that tells
    of the payment, a look follows as after the report of one: whoever was written to hears of
    it."""
    ref = payment_ref(payment)
    left = invoice.due_minor - entered_minor(book, case, *MONEY_IN)
    if payment.amount_minor <= left or is_entered(book, case, EntryKind.RECOVERED, ref):
        now = take_reading(book, case, invoice, [payment], terms, whole=False)
        if now.state is CaseState.RECOVERED is not case.state:
            book.add(case_action(now, ActionKind.WATCH, terms.now, nth="paid"))
        return
    nth = f"paid:{ref}:{payment.refunded_minor}"
    book.add(case_action(case, ActionKind.WATCH, terms.now, nth=nth))


def refund_failed(book: Book, notice: Notice, terms: Terms) -> None:
    """Read live: one refund of a payment failed or was cancelled. Repeated it adds nothing."""
    known = (notice.payment, notice.charge)
    for payment in list(book.all(Payment)):
        if payment.payment_id in known or payment.charge_id in known:
            if notice.object and notice.amount_minor:
                undone = {**(payment.refunds_failed or {}), notice.object: notice.amount_minor}
                book.put(replace(payment, refunds_failed=undone))
            case = _case_paid_by(book, payment)
            if case is not None and notice.object and notice.amount_minor:
                refund_undone(book, case, payment, notice.object, notice.amount_minor, terms)


def _case_paid_by(book: Book, payment: Payment) -> Case | None:
    """By the line of the ledger it made, else by the invoice where the payment names it: it may be
    put to another one later."""
    lines = {
        entry.invoice_id
        for entry in book.all(RecoveryEntry, provider_ref=payment_ref(payment))
        if entry.account_id == payment.account_id
    }
    invoices = lines or ({payment.invoice_id} if payment.invoice_id else set())
    account = payment.account_id
    cases = (book.all(Case, account_id=account, invoice_id=i) for i in sorted(invoices))
    return next(chain.from_iterable(cases), None)


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
    """Report: a dispute began, changed or ended. Open, it holds every active case of the customer;
    won or withdrawn, it lets them go; lost, it stops those of the same invoice or subscription
    and lets go the others. Repeated, late or in another order it ends in the same."""
    dispute = notice.snapshot
    if not isinstance(dispute, Dispute):
        return
    found = [payment for payment in book.all(Payment) if _is_disputed(payment, dispute)]
    known = book.get(Dispute, terms.account.account_id, dispute.dispute_id)
    now = _mirrored(book, found, dispute, notice, terms)
    is_news = known is None or now.rank > known.rank
    for payment in found:
        _money_of(book, payment, dispute, notice, terms)
        if _is_open(dispute, notice) and now.status not in DISPUTE_OVER:
            _hold_all(book, payment, dispute, notice, terms)
        elif notice.kind is K.DISPUTE_LOST:
            _stop_all(book, payment, notice, terms)
    if not found and (_is_open(dispute, notice) or notice.kind in ENDED):
        _find_payment(book, dispute, notice, terms)
    if notice.kind in ENDED or dispute.status in DISPUTE_OVER:
        _let_go(book, found if is_news else [], dispute, terms)


def _mirrored(
    book: Book, found: list[Payment], dispute: Dispute, notice: Notice, terms: Terms
) -> Dispute:
    """The dispute as far as it has come by all reports, this one among them. It is kept once it is
    known whose payment it is about."""
    ended = {K.DISPUTE_WON: "won", K.DISPUTE_LOST: "lost"}
    status = dispute.status
    status = status if status in DISPUTE_OVER else ended.get(notice.kind, status)
    told = replace(dispute, status=status, seen_at=notice.occurred_at)
    if not found:
        return told
    of = found[0]
    about = replace(told, customer_id=of.customer_id or notice.customer, invoice_id=of.invoice_id)
    return forward(book, about, terms)


ENDED = frozenset({K.DISPUTE_WON, K.DISPUTE_LOST})


def _money_of(book: Book, payment: Payment, dispute: Dispute, notice: Notice, terms: Terms) -> None:
    case = _case_paid_by(book, payment)
    if notice.kind not in ENDED:
        return
    won, entered = (
        notice.kind is K.DISPUTE_WON,
        case is not None and _is_entered(book, case, payment),
    )
    if case is not None and entered:
        dispute_closed(book, case, dispute, won, terms)
    if not (entered and won):
        customer = case.customer_id if case is not None else None
        _read_again(book, dispute, customer, notice, terms)


def _is_entered(book: Book, case: Case, payment: Payment) -> bool:
    names = filter(None, (payment.charge_id, payment.payment_id))
    return any(is_entered(book, case, EntryKind.RECOVERED, name) for name in names)


def _is_disputed(payment: Payment, dispute: Dispute) -> bool:
    return payment.payment_id == dispute.payment_id or payment_ref(payment) == dispute.charge_id


def _let_go(book: Book, found: list[Payment], dispute: Dispute, terms: Terms) -> None:
    """A hold that a person set, or from before disputes were told apart, is named for its reason:
    it ends with a dispute of the same customer, when that is news, and with no stranger's."""
    mine = {case.case_id for payment in found for case in _of_customer(book, payment)}
    for case in list(book.all(Case)):
        by_person = {HoldReason.DISPUTE.value} if case.case_id in mine else set()
        names = {dispute.dispute_id} | by_person
        lift(book, case, partial(_is_named, names), "the dispute is over", terms)


def _is_named(names: set[str], hold: Hold) -> bool:
    return hold.name in names


def _is_open(dispute: Dispute, notice: Notice) -> bool:
    began = notice.kind is K.DISPUTE_OPENED and dispute.status not in DISPUTE_OVER
    return began or (notice.kind is K.DISPUTE_UPDATED and dispute.is_open)


def _hold_all(book: Book, payment: Payment, dispute: Dispute, notice: Notice, terms: Terms) -> None:
    """Who calls one charge wrong at their bank is not charged or urged for anything else until
    that is settled. The dispute is then read: this report may have come after that of its end."""
    hold = Hold(name=dispute.dispute_id, reason=HoldReason.DISPUTE)
    mine = [case for case in _of_customer(book, payment) if hold not in holds_of(case)]
    held = [put_on_hold(book, case, hold, terms) for case in mine]
    if any(case.holds for case in held):
        _read_dispute(book, dispute, notice, payment.customer_id, terms.now, terms)


def _stop_all(book: Book, payment: Payment, notice: Notice, terms: Terms) -> None:
    """What failed after the dispute was lost is another matter, whenever the report comes."""
    before = [c for c in _concerned(book, payment) if c.opened_at <= notice.occurred_at]
    for case in before:
        close_case(book, case, CaseState.STOPPED, "a dispute was lost", terms)
        now = book.get(Case, case.case_id)
        if now is not None and now.state is not case.state:
            look_at_collection(book, now, terms)


def _of_customer(book: Book, payment: Payment) -> list[Case]:
    """The customer's cases, and that of the payment's invoice."""
    paid_by = _case_paid_by(book, payment)
    customer = payment.customer_id or (paid_by.customer_id if paid_by else None)
    mine = list(cases_of(book, customer))
    return mine if paid_by is None or paid_by in mine else [*mine, paid_by]


def _concerned(book: Book, payment: Payment) -> list[Case]:
    """The cases of the same invoice or subscription; all where nothing tells which it was."""
    mine = _of_customer(book, payment)
    paid_by = _case_paid_by(book, payment)
    invoice_id = paid_by.invoice_id if paid_by is not None else payment.invoice_id
    invoice = book.get(Invoice, payment.account_id, invoice_id)
    if invoice_id is None or invoice is None:
        return mine
    of = invoice.subscription_id
    return [c for c in mine if c.invoice_id == invoice_id or (of and c.subscription_id == of)]


def _find_payment(book: Book, dispute: Dispute, notice: Notice, terms: Terms) -> None:
    """A charge that we never heard of: it is read, and the dispute once more after it. The charge
    may come late, or its reading fail: then both are read again, at longer and longer distances.
    """
    charge = dispute.charge_id or dispute.payment_id
    if charge is None:
        return
    kind = "charge" if dispute.charge_id else "payment"
    age = terms.now - notice.occurred_at
    turn = sum(age >= step for step in FINDS_AFTER)
    nth = f"{notice.event}:{turn}" if turn else notice.event
    soon = terms.now + FINDS_AFTER[0]
    due = max(notice.occurred_at + FINDS_AFTER[turn], soon) if turn < len(FINDS_AFTER) else soon
    _read(book, charge, kind, notice, None, terms.now, terms, nth=nth)
    _read_dispute(book, dispute, notice, None, due, terms, nth=nth)


# After a report of a dispute whose payment is not known. A worker that stood still for 20 minutes
# made both readings at once: the dispute's came first, and nobody held what failed later.
FINDS_AFTER = (
    timedelta(minutes=1),
    timedelta(minutes=10),
    timedelta(hours=1),
    timedelta(hours=6),
    timedelta(hours=24),
)


def _read_again(
    book: Book, dispute: Dispute, customer: str | None, notice: Notice, terms: Terms
) -> None:
    """A dispute may end before the money it is about was entered, and be won before its loss is
    heard of (after an outage all come at once): it is read again once the payment was."""
    due = terms.now + timedelta(minutes=1)
    _read_dispute(book, dispute, notice, customer, due, terms, nth=f"after:{notice.kind}")


def _read_dispute(
    book: Book,
    dispute: Dispute,
    notice: Notice,
    customer: str | None,
    due: datetime,
    terms: Terms,
    *,
    nth: str | None = None,
) -> None:
    _read(book, dispute.dispute_id, "dispute", notice, customer, due, terms, nth=nth)


def _read(
    book: Book,
    subject: str,
    kind: str,
    notice: Notice,
    customer: str | None,
    due: datetime,
    terms: Terms,
    *,
    nth: str | None = None,
) -> None:
    """Read something live because of this report, once for each report."""
    book.add(
        action_for(
            ActionKind.READ,
            subject=subject,
            merchant_id=terms.merchant.merchant_id,
            account_id=terms.account.account_id,
            due_at=due,
            customer_id=customer,
            nth=nth or notice.event,
            data={"type": kind, "event": notice.event, "at": notice.occurred_at.isoformat()},
        )
    )
