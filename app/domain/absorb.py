"""Absorbing notices: state and a report in, new state out. Never raises, whatever the order."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta

from app.domain.actions import ActionKind, action_for
from app.domain.dunning import Case, CaseState, Waits
from app.domain.mirror import (
    Customer,
    Dispute,
    Invoice,
    InvoiceStatus,
    Payment,
    PaymentMethod,
    Subscription,
)
from app.domain.mirroring import forward
from app.domain.movements import ended_by_us, is_ending, move_mrr
from app.domain.notices import Notice, NoticeKind
from app.domain.openings import case_action, case_of, failed_invoice
from app.domain.records import Book
from app.domain.recovery import RecoveryEntry
from app.domain.sequence import letters_on, plan_letter
from app.domain.settlement import dispute_closed, payment_ref, recover, take_reading
from app.domain.terms import Terms, note

K = NoticeKind
Reader = Callable[[Book, Notice, Terms], None]


def absorb(book: Book, notice: Notice, terms: Terms) -> None:
    """Let one notice change what is in the book.

    The book must hold what the notice touches: the customer, subscription, invoice, payment and
    method it names, the customer's cases with their attempts, entries and letters, and the
    failures of its invoice. Safe to repeat, late, early or twice.
    """
    READERS.get(notice.kind, _ignore)(book, notice, terms)


def _ignore(book: Book, notice: Notice, terms: Terms) -> None:
    return None


def _invoice(book: Book, notice: Notice, terms: Terms) -> Invoice | None:
    snapshot = notice.snapshot
    if not isinstance(snapshot, Invoice) or not snapshot.invoice_id:
        return None
    if snapshot.customer_id and (snapshot.customer_email or snapshot.customer_name):
        known = book.get(Customer, terms.account.account_id, snapshot.customer_id)
        if known is None or (known.email is None and not known.erased):
            forward(book, _customer_of(snapshot), terms)
    return forward(book, snapshot, terms)


def _customer_of(invoice: Invoice) -> Customer:
    return Customer(
        merchant_id="",
        account_id="",
        customer_id=invoice.customer_id or "",
        email=invoice.customer_email,
        name=invoice.customer_name,
    )


def _invoice_seen(book: Book, notice: Notice, terms: Terms) -> None:
    invoice = _invoice(book, notice, terms)
    if invoice is None:
        return
    case = case_of(book, invoice)
    if invoice.status is InvoiceStatus.PAID and case is not None:
        _paid_case(book, case, invoice, terms)
    elif case is not None and case.state is CaseState.ACTIVE:
        book.put(replace(case, due_minor=invoice.remaining_minor))
        if case.driven and invoice.next_attempt_at is not None:
            nth = f"retries:{invoice.next_attempt_at.isoformat()}"
            book.add(case_action(case, ActionKind.WATCH, terms.now, nth=nth))


def _invoice_failed(book: Book, notice: Notice, terms: Terms) -> None:
    snapshot = notice.snapshot
    invoice = _invoice(book, notice, terms)
    if invoice is None or not isinstance(snapshot, Invoice):
        return
    amount = notice.amount_minor if notice.amount_minor is not None else snapshot.remaining_minor
    failed_invoice(book, invoice, notice.occurred_at, amount, terms)


def _invoice_paid(book: Book, notice: Notice, terms: Terms) -> None:
    invoice = _invoice(book, notice, terms)
    case = case_of(book, invoice) if invoice else None
    if invoice is not None and case is not None:
        _paid_case(book, case, invoice, terms)


def _paid_case(book: Book, case: Case, invoice: Invoice, terms: Terms) -> None:
    """The case is over at once; what paid it is read live, because a snapshot decides no money."""
    if not case.can_become(CaseState.RECOVERED):
        return
    recover(book, case, invoice.paid_at or terms.now, None, terms)
    book.add(case_action(case, ActionKind.WATCH, terms.now, nth="paid"))


def _invoice_closed(book: Book, notice: Notice, terms: Terms) -> None:
    invoice = _invoice(book, notice, terms)
    case = case_of(book, invoice) if invoice else None
    if invoice is None or case is None or invoice.status is InvoiceStatus.PAID:
        return
    if invoice.closed_reason == "max_payment_attempts":
        _close(book, case, CaseState.EXHAUSTED, "the provider gave the invoice up", terms)
    else:
        _close(book, case, CaseState.STOPPED, CLOSED_WORDS[notice.kind], terms)


CLOSED_WORDS = {
    K.INVOICE_VOIDED: "the invoice was voided",
    K.INVOICE_UNCOLLECTIBLE: "the invoice was marked uncollectible",
    K.INVOICE_DELETED: "the invoice was deleted",
}


def _close(book: Book, case: Case, state: CaseState, reason: str, terms: Terms) -> None:
    """End a case because of a report; an end of our own making is not taken for another's."""
    if case.state not in {CaseState.ACTIVE, CaseState.PARKED} or is_ending(case):
        return
    moved = case.moved(state, at=terms.now, reason=reason)
    note(book, moved, terms.now, state, reason)
    book.put(moved)


def _subscription(book: Book, notice: Notice, terms: Terms) -> None:
    snapshot = notice.snapshot
    if not isinstance(snapshot, Subscription) or not snapshot.subscription_id:
        return
    before = book.get(Subscription, terms.account.account_id, snapshot.subscription_id)
    after = forward(book, snapshot, terms)
    if after is before:
        return
    move_mrr(book, before, after, notice, terms)
    if after.status in {"canceled", "incomplete_expired"}:
        _subscription_ended(book, after, terms)
    elif before is not None and after.default_method_id != before.default_method_id:
        _new_method(book, notice, after.customer_id, after.default_method_id, terms)


def _subscription_ended(book: Book, subscription: Subscription, terms: Terms) -> None:
    if ended_by_us(book, subscription):
        return
    involuntary = subscription.cancellation_reason in {"payment_failed", "payment_disputed"}
    for case in list(book.all(Case)):
        if case.subscription_id != subscription.subscription_id:
            continue
        if involuntary:
            _close(book, case, CaseState.EXHAUSTED, "the provider ended the subscription", terms)
            _tell_of_the_end(book, case, terms)
        elif terms.policy.after_cancel == "forgive":
            _close(book, case, CaseState.STOPPED, "the customer cancelled", terms)


def _tell_of_the_end(book: Book, case: Case, terms: Terms) -> None:
    now = book.get(Case, case.case_id)
    if now is None or now.state is not CaseState.EXHAUSTED or now.silent:
        return
    for row in letters_on("ended", terms.policy):
        plan_letter(book, now, row, terms.now, terms)


def _customer(book: Book, notice: Notice, terms: Terms) -> None:
    snapshot = notice.snapshot
    if not isinstance(snapshot, Customer) or not snapshot.customer_id:
        return
    before = book.get(Customer, terms.account.account_id, snapshot.customer_id)
    after = forward(book, snapshot, terms)
    if before is not None and after.default_method_id != before.default_method_id:
        _new_method(book, notice, after.customer_id, after.default_method_id, terms)


def _customer_deleted(book: Book, notice: Notice, terms: Terms) -> None:
    _customer(book, notice, terms)
    known = book.get(Customer, terms.account.account_id, notice.customer or notice.object)
    if known is not None:
        book.put(replace(known, deleted=True))
    for case in _cases_of(book, notice.customer or notice.object):
        _close(book, case, CaseState.STOPPED, "the customer was deleted", terms)


def _cases_of(book: Book, customer: str | None) -> Iterator[Case]:
    return (c for c in list(book.all(Case)) if customer and c.customer_id == customer)


def _method(book: Book, notice: Notice, terms: Terms) -> None:
    snapshot = notice.snapshot
    if isinstance(snapshot, PaymentMethod) and snapshot.method_id:
        forward(book, snapshot, terms)


def _method_by_network(book: Book, notice: Notice, terms: Terms) -> None:
    """The card account updater brought new card data: one attempt right away."""
    snapshot = notice.snapshot
    if not isinstance(snapshot, PaymentMethod) or not snapshot.method_id:
        return
    method = forward(book, replace(snapshot, network_updated_at=notice.occurred_at), terms)
    nth = f"updater:{method.method_id}:{notice.occurred_at.isoformat()}"
    for case in _cases_of(book, method.customer_id):
        if case.state is CaseState.ACTIVE and case.driven:
            data: dict[str, str | None] = {"trigger": "account_updater"}
            book.add(case_action(case, ActionKind.RETRY, terms.now, nth=nth, data=data))


def _card_collected(book: Book, notice: Notice, terms: Terms) -> None:
    """A card entered by way of our link is to pay; one collected otherwise is the merchant's
    business until it becomes a default."""
    _method(book, notice, terms)
    if notice.link is not None:
        _new_method(book, notice, notice.customer, notice.method, terms)


def _new_method(
    book: Book, notice: Notice, customer: str | None, method: str | None, terms: Terms
) -> None:
    """A customer has another card: set it where it counts and try what is open, once."""
    active = [c for c in _cases_of(book, customer) if c.state is CaseState.ACTIVE]
    if not method or not active or customer is None:
        return
    book.add(
        action_for(
            ActionKind.NEW_CARD,
            subject=customer,
            merchant_id=terms.merchant.merchant_id,
            account_id=terms.account.account_id,
            due_at=terms.now,
            customer_id=customer,
            case_id=active[0].case_id,
            nth=method,
            data={"method": method, "link": notice.link},
        )
    )


def _payment(book: Book, notice: Notice, terms: Terms) -> Payment | None:
    snapshot = notice.snapshot
    if not isinstance(snapshot, Payment) or not snapshot.payment_id:
        return None
    return forward(book, snapshot, terms)


def _payment_seen(book: Book, notice: Notice, terms: Terms) -> None:
    """Keeps the join from payment to invoice and the reason of a refusal; decides no money."""
    _payment(book, notice, terms)


def _refunded(book: Book, notice: Notice, terms: Terms) -> None:
    payment = _payment(book, notice, terms)
    if payment is None:
        return
    case = _case_paid_by(book, payment)
    if case is None:
        _ask_for_invoice(book, payment, terms)
        return
    invoice = book.get(Invoice, case.account_id, case.invoice_id)
    if invoice is not None and payment.refunded_minor:
        back = replace(payment, status="succeeded")
        take_reading(book, case, invoice, [back], terms, whole=False)


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
    if payment.invoice_id or not any(_cases_of(book, payment.customer_id)):
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


def _dispute(book: Book, notice: Notice, terms: Terms) -> None:
    dispute = notice.snapshot
    if not isinstance(dispute, Dispute):
        return
    for payment in list(book.all(Payment)):
        if payment.payment_id == dispute.payment_id or payment_ref(payment) == dispute.charge_id:
            case = _case_paid_by(book, payment)
            if case is not None:
                _dispute_of(book, case, dispute, notice, terms)


def _dispute_of(book: Book, case: Case, dispute: Dispute, notice: Notice, terms: Terms) -> None:
    if notice.kind in {K.DISPUTE_WON, K.DISPUTE_LOST}:
        won = notice.kind is K.DISPUTE_WON
        dispute_closed(book, case, dispute.id, won, dispute.amount_minor, terms)
        _let_go(book, case, dispute, won, terms)
        _after_the_look(book, case, dispute, notice, terms)
    elif dispute.status in WITHDRAWN:
        _let_go(book, case, dispute, True, terms)
    elif notice.kind is K.DISPUTE_OPENED and case.state is CaseState.ACTIVE:
        note(book, case, terms.now, "on_hold", "a payment of this invoice is disputed")
        book.put(replace(case, waits=Waits.ON_HOLD, next_attempt_at=None))


# An inquiry that never became a dispute.
WITHDRAWN = frozenset({"warning_closed", "prevented"})


def _let_go(book: Book, case: Case, dispute: Dispute, won: bool, terms: Terms) -> None:
    """The hold of a dispute ends with it: won, the case is assessed anew; lost, it stops."""
    if not won:
        _close(book, case, CaseState.STOPPED, "a dispute was lost", terms)
    elif case.state is CaseState.ACTIVE and case.waits is Waits.ON_HOLD:
        note(book, case, terms.now, "hold_lifted", "the dispute is over")
        book.put(replace(case, waits=Waits.RETRYING))
        book.add(case_action(case, ActionKind.ASSESS, terms.now, nth=f"dispute:{dispute.id}"))


def _after_the_look(book: Book, case: Case, dispute: Dispute, notice: Notice, terms: Terms) -> None:
    """A dispute may end before the money it is about was entered (after an outage all come at
    once): it is read again once the payment was."""
    if case.state is not CaseState.RECOVERED or case.recovered_minor:
        return
    book.add(
        action_for(
            ActionKind.READ,
            subject=dispute.id,
            merchant_id=case.merchant_id,
            account_id=case.account_id,
            due_at=terms.now + timedelta(minutes=1),
            customer_id=case.customer_id,
            nth=f"after:{notice.kind}",
            data={"type": "dispute", "event": notice.event, "at": notice.occurred_at.isoformat()},
        )
    )


def _read(book: Book, notice: Notice, terms: Terms) -> None:
    """A thin event: read live what it points to."""
    kind, subject = _pointed_at(notice)
    if subject is None:
        return
    book.add(
        action_for(
            ActionKind.READ,
            subject=subject,
            merchant_id=terms.merchant.merchant_id,
            account_id=terms.account.account_id,
            due_at=terms.now,
            customer_id=notice.customer,
            nth=notice.event,
            data={"type": kind, "event": notice.event, "at": notice.occurred_at.isoformat()},
        )
    )


def _pointed_at(notice: Notice) -> tuple[str, str | None]:
    for kind in ("invoice", "subscription", "customer", "charge", "payment", "method"):
        if value := getattr(notice, kind):
            return kind, value
    return "object", notice.object


READERS: dict[NoticeKind, Reader] = {
    K.INVOICE_CREATED: _invoice_seen,
    K.INVOICE_FINALIZED: _invoice_seen,
    K.INVOICE_UPDATED: _invoice_seen,
    K.INVOICE_OVERDUE: _invoice_seen,
    K.INVOICE_FAILED: _invoice_failed,
    K.INVOICE_ACTION_REQUIRED: _invoice_failed,
    K.INVOICE_PAID: _invoice_paid,
    K.INVOICE_VOIDED: _invoice_closed,
    K.INVOICE_UNCOLLECTIBLE: _invoice_closed,
    K.INVOICE_DELETED: _invoice_closed,
    K.PAYMENT_FAILED: _payment_seen,
    K.PAYMENT_SUCCEEDED: _payment_seen,
    K.PAYMENT_ACTION_REQUIRED: _payment_seen,
    K.PAYMENT_CANCELLED: _payment_seen,
    K.PAYMENT_REFUNDED: _refunded,
    K.DISPUTE_OPENED: _dispute,
    K.DISPUTE_UPDATED: _dispute,
    K.DISPUTE_WON: _dispute,
    K.DISPUTE_LOST: _dispute,
    K.SUBSCRIPTION_STARTED: _subscription,
    K.SUBSCRIPTION_CHANGED: _subscription,
    K.SUBSCRIPTION_ENDED: _subscription,
    K.SUBSCRIPTION_PAUSED: _subscription,
    K.SUBSCRIPTION_RESUMED: _subscription,
    K.CUSTOMER_CHANGED: _customer,
    K.CUSTOMER_DELETED: _customer_deleted,
    K.METHOD_ADDED: _method,
    K.METHOD_CHANGED: _method,
    K.METHOD_UPDATED_BY_NETWORK: _method_by_network,
    K.METHOD_REMOVED: _method,
    K.CARD_COLLECTED: _card_collected,
    K.READ: _read,
}
