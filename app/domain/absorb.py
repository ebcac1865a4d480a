"""Absorbing notices: state and a report in, new state out. Never raises, whatever the order."""

from collections.abc import Callable
from dataclasses import replace

from app.domain.actions import ActionKind, action_for
from app.domain.backup_cards import has_agreed
from app.domain.churning import keep_ledgers
from app.domain.closings import CANCELLED, cases_of, close_case, tell_of_the_end
from app.domain.credits import credit_noted, end_credited, owing
from app.domain.departures import departure_seen, invoice_after_departure, look_where_in_doubt
from app.domain.dunning import Case, CaseState
from app.domain.first_payments import paid_at_once
from app.domain.hints import look_at_money
from app.domain.holds import share_disputes
from app.domain.merchants import CollectionMode
from app.domain.methods import card_collected, method_by_network, method_seen, new_method
from app.domain.mirror import (
    Customer,
    Invoice,
    InvoiceStatus,
    Subscription,
)
from app.domain.mirroring import ENDED, forward
from app.domain.movements import PAUSED_AT_THE_END, ended_by_us
from app.domain.notices import Notice, NoticeKind
from app.domain.openings import (
    CLOSED_BY,
    case_action,
    case_of,
    count_failure,
    failed_invoice,
    first_failure,
    how_closed,
    overdue_invoice,
)
from app.domain.pending_updates import CHANGE, may_wait, pending_update_seen, was_no_debt
from app.domain.records import Book, quick
from app.domain.reminders import plan_renewals
from app.domain.reversals import disputed, payment_seen, refund_failed, refunded
from app.domain.settlement import recover
from app.domain.terms import Terms

K = NoticeKind
DISCOUNTS = ":discounts"  # ends the name of a live read for their sake
Reader = Callable[[Book, Notice, Terms], None]
make_customer = quick(Customer)


def absorb(book: Book, notice: Notice, terms: Terms) -> None:
    """Let one notice change what is in the book.

    The book must hold what the notice touches: the customer, subscription, invoice, payment and
    method it names, the customer's cases with their attempts, entries and letters, and the
    failures of its invoice. Safe to repeat, late, early or twice.
    """
    reader = READERS.get(notice.kind, _ignore)
    if notice.event.startswith(CHANGE) and isinstance(notice.snapshot, Invoice):
        reader = _change_read
    reader(book, notice, terms)


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
    invoice = forward(book, snapshot, terms)
    invoice_after_departure(book, invoice, terms)
    paid_at_once(book, invoice, terms)
    return invoice


def _customer_of(invoice: Invoice) -> Customer:
    return make_customer(
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
    if case is None or look_at_money(book, case, invoice, terms):
        return
    if invoice.status is InvoiceStatus.PAID:
        _paid_case(book, case, invoice, terms)
    elif invoice.status in CLOSED_BY:
        _closed(book, case, invoice, CLOSED_BY[invoice.status], terms)
    elif case.state is CaseState.ACTIVE:
        case = owing(book, case, invoice.remaining_minor, terms)
        _open_case_seen(book, case, invoice, terms)


def _open_case_seen(book: Book, case: Case, invoice: Invoice, terms: Terms) -> None:
    """Of what we drive the provider wants to collect again: looked at at once. Of what it works
    its next try is shown; that there is none now need not be its last word. Whose it is to be the
    first look decides: a try that we take off the provider is announced to nobody."""
    if not case.driven:
        looked_at = case.decline_kind is not None or case.mode is CollectionMode.OBSERVE
        theirs = invoice.next_attempt_at if looked_at else case.next_attempt_at
        book.put(replace(case, next_attempt_at=theirs))
        return
    book.put(case)
    if invoice.next_attempt_at is not None or invoice.auto_advance:
        seen = invoice.next_attempt_at or invoice.seen_at or terms.now
        nth = f"retries:{seen.isoformat()}"
        book.add(case_action(case, ActionKind.WATCH, terms.now, nth=nth))


def _invoice_overdue(book: Book, notice: Notice, terms: Terms) -> None:
    _invoice_seen(book, notice, terms)
    known = book.get(Invoice, terms.account.account_id, notice.invoice)
    if known is not None:
        overdue_invoice(book, known, notice.occurred_at, terms)
        share_disputes(book, case_of(book, known), terms)


def _invoice_failed(book: Book, notice: Notice, terms: Terms) -> None:
    snapshot = notice.snapshot
    invoice = _invoice(book, notice, terms)
    if invoice is None or not isinstance(snapshot, Invoice):
        return
    case = case_of(book, invoice)
    if case is not None and look_at_money(book, case, invoice, terms):
        return
    amount = notice.amount_minor if notice.amount_minor is not None else snapshot.remaining_minor
    if may_wait(book, invoice, snapshot, amount, terms):
        told = f"{CHANGE}{notice.event}"
        _read_live(book, notice, terms, ("invoice", invoice.invoice_id), told)
        count_failure(book, invoice, None, notice.occurred_at, amount, terms)
        return
    failed_invoice(book, invoice, notice.occurred_at, amount, terms)
    share_disputes(book, case_of(book, invoice), terms)


def _change_read(book: Book, notice: Notice, terms: Terms) -> None:
    """The refused invoice of a change, read live with its subscription: whether it is owed is
    known now, whatever became of it meanwhile. It failed when that was first reported."""
    invoice = _invoice(book, notice, terms)
    known = first_failure(book, invoice) if invoice is not None else None
    if invoice is None or known is None or case_of(book, invoice) is not None:
        READERS.get(notice.kind, _ignore)(book, notice, terms)
        return
    failed_invoice(book, invoice, known.failed_at, known.amount_minor, terms)
    share_disputes(book, case_of(book, invoice), terms)


def _invoice_paid(book: Book, notice: Notice, terms: Terms) -> None:
    invoice = _invoice(book, notice, terms)
    case = case_of(book, invoice) if invoice else None
    if invoice is not None and case is not None and not look_at_money(book, case, invoice, terms):
        _paid_case(book, case, invoice, terms)


def _paid_case(book: Book, case: Case, invoice: Invoice, terms: Terms) -> None:
    """The case is over at once; what paid it is read live, because a snapshot decides no money."""
    if was_no_debt(book, case) or not case.can_become(CaseState.RECOVERED):
        return
    if invoice.is_credited_away:
        end_credited(book, case, terms)
    elif not invoice.credited_minor:  # of what was paid and credited a look decides
        recover(book, case, invoice.paid_at or terms.now, None, terms)
    book.add(case_action(case, ActionKind.WATCH, terms.now, nth="paid"))


def _invoice_closed(book: Book, notice: Notice, terms: Terms) -> None:
    invoice = _invoice(book, notice, terms)
    case = case_of(book, invoice) if invoice else None
    if invoice is None or case is None or invoice.status is InvoiceStatus.PAID:
        return
    _closed(book, case, invoice, CLOSED_WORDS[notice.kind], terms)


def _closed(book: Book, case: Case, invoice: Invoice, words: str, terms: Terms) -> None:
    close_case(book, case, *how_closed(invoice, words), terms)


CLOSED_WORDS = {
    K.INVOICE_VOIDED: CLOSED_BY[InvoiceStatus.VOID],
    K.INVOICE_UNCOLLECTIBLE: CLOSED_BY[InvoiceStatus.UNCOLLECTIBLE],
    K.INVOICE_DELETED: CLOSED_BY[InvoiceStatus.DELETED],
}


def _subscription(book: Book, notice: Notice, terms: Terms) -> None:
    snapshot = notice.snapshot
    if not isinstance(snapshot, Subscription) or not snapshot.subscription_id:
        return
    before = book.get(Subscription, terms.account.account_id, snapshot.subscription_id)
    after = forward(book, snapshot, terms)
    pending_update_seen(book, notice, terms)
    keep_ledgers(book, before, after, notice, terms)
    look_where_in_doubt(book, snapshot, after, notice, terms)
    if after is before and not notice.is_live:  # a look decides, also where it shows nothing new
        return
    _look_at_discounts(book, after, notice, terms)
    departure_seen(book, before, after, notice, terms)
    plan_renewals(book, before, after, terms)
    if after.status in {"canceled", "incomplete_expired"}:
        _subscription_ended(book, after, terms)
    elif after.status == "unpaid" or after.pause_reason == PAUSED_AT_THE_END:
        _given_up(book, after, terms)
    elif before is not None and after.default_method_id != before.default_method_id:
        new_method(book, notice, after.customer_id, after.default_method_id, terms)


def _look_at_discounts(
    book: Book, subscription: Subscription, notice: Notice, terms: Terms
) -> None:
    """Reports only name discounts since 2025-03-31: what they take off is read, once for each."""
    is_that = notice.event.endswith(DISCOUNTS)
    if subscription.discounts_hidden and subscription.status not in ENDED and not is_that:
        told = f"{notice.event}{DISCOUNTS}"
        _read_live(book, notice, terms, ("subscription", subscription.subscription_id), told)


def _given_up(book: Book, subscription: Subscription, terms: Terms) -> None:
    """The provider's own end, short of cancelling: it ends what the provider worked."""
    for case in book.all(Case, subscription_id=subscription.subscription_id):
        if not case.driven:
            words = f"the provider gave up: the subscription is {subscription.status}"
            close_case(book, case, CaseState.EXHAUSTED, words, terms)


def _subscription_ended(book: Book, subscription: Subscription, terms: Terms) -> None:
    if ended_by_us(book, subscription, subscription.ended_at or terms.now):
        return
    involuntary = subscription.cancellation_reason in {"payment_failed", "payment_disputed"}
    for case in book.all(Case, subscription_id=subscription.subscription_id):
        if involuntary:
            close_case(
                book, case, CaseState.EXHAUSTED, "the provider ended the subscription", terms
            )
            tell_of_the_end(book, case, terms)
        elif terms.policy_of(case).after_cancel == "forgive":
            close_case(book, case, CaseState.STOPPED, CANCELLED, terms)


def _upcoming(book: Book, notice: Notice, terms: Terms) -> None:
    """A renewal is announced: whatever reminders it still needs are planned."""
    known = book.get(Subscription, terms.account.account_id, notice.subscription)
    if known is not None:
        plan_renewals(book, None, known, terms)


def _customer(book: Book, notice: Notice, terms: Terms) -> None:
    snapshot = notice.snapshot
    if not isinstance(snapshot, Customer) or not snapshot.customer_id:
        return
    before = book.get(Customer, terms.account.account_id, snapshot.customer_id)
    after = forward(book, snapshot, terms)
    if before is not None and after.default_method_id != before.default_method_id:
        method, replaces = after.default_method_id, before.default_method_id is not None
        new_method(book, notice, after.customer_id, method, terms, replaces=replaces)
    _agreed_now(book, before, after, terms)


def _agreed_now(book: Book, before: Customer | None, after: Customer, terms: Terms) -> None:
    """A customer agrees that other cards of theirs may be charged: what is open is decided anew."""
    for case in cases_of(book, after.customer_id):
        policy = terms.policy_of(case)
        new = has_agreed(after, policy) and not has_agreed(before, policy)
        if new and case.state is CaseState.ACTIVE:
            nth = f"agreed:{(after.seen_at or terms.now).isoformat()}"
            book.add(case_action(case, ActionKind.ASSESS, terms.now, nth=nth))


def _customer_deleted(book: Book, notice: Notice, terms: Terms) -> None:
    _customer(book, notice, terms)
    known = book.get(Customer, terms.account.account_id, notice.customer or notice.object)
    if known is not None:
        book.put(replace(known, deleted=True))
    for case in cases_of(book, notice.customer or notice.object):
        close_case(book, case, CaseState.STOPPED, "the customer was deleted", terms)


def _read(book: Book, notice: Notice, terms: Terms) -> None:
    """A thin event, or one that tells too little: read live what it points to."""
    _read_live(book, notice, terms, _pointed_at(notice), notice.event)


def _read_live(book: Book, notice: Notice, terms: Terms, what: tuple[str, str], event: str) -> None:
    """Plan to read an object, which will be absorbed as told by `event`."""
    kind, subject = what
    book.add(
        action_for(
            ActionKind.READ,
            subject=subject,
            merchant_id=terms.merchant.merchant_id,
            account_id=terms.account.account_id,
            due_at=terms.now,
            customer_id=notice.customer,
            nth=event,
            data={"type": kind, "event": event, "at": notice.occurred_at.isoformat()},
        )
    )


def _pointed_at(notice: Notice) -> tuple[str, str]:
    """The object of the notice and what it is; of a refund that failed not the charge it names.
    A bare event that names nothing may say more when it is read itself."""
    if notice.object is None:
        return "event", notice.event
    for kind in ("invoice", "subscription", "customer", "charge", "payment", "method"):
        if getattr(notice, kind) == notice.object:
            return kind, notice.object
    return "object", notice.object


READERS: dict[NoticeKind, Reader] = {
    K.INVOICE_CREATED: _invoice_seen,
    K.INVOICE_UPCOMING: _upcoming,
    K.INVOICE_FINALIZED: _invoice_seen,
    K.INVOICE_UPDATED: _invoice_seen,
    K.INVOICE_OVERDUE: _invoice_overdue,
    K.INVOICE_FAILED: _invoice_failed,
    K.INVOICE_ACTION_REQUIRED: _invoice_failed,
    K.INVOICE_PAID: _invoice_paid,
    K.INVOICE_VOIDED: _invoice_closed,
    K.INVOICE_UNCOLLECTIBLE: _invoice_closed,
    K.INVOICE_DELETED: _invoice_closed,
    K.PAYMENT_FAILED: payment_seen,
    K.PAYMENT_SUCCEEDED: payment_seen,
    K.PAYMENT_ACTION_REQUIRED: payment_seen,
    K.PAYMENT_CANCELLED: payment_seen,
    K.PAYMENT_REFUNDED: refunded,
    K.REFUND_FAILED: refund_failed,
    K.DISPUTE_OPENED: disputed,
    K.DISPUTE_UPDATED: disputed,
    K.DISPUTE_WON: disputed,
    K.DISPUTE_LOST: disputed,
    K.CREDIT_NOTED: credit_noted,
    K.SUBSCRIPTION_STARTED: _subscription,
    K.SUBSCRIPTION_CHANGED: _subscription,
    K.SUBSCRIPTION_ENDED: _subscription,
    K.SUBSCRIPTION_PAUSED: _subscription,
    K.SUBSCRIPTION_RESUMED: _subscription,
    K.CUSTOMER_CHANGED: _customer,
    K.CUSTOMER_DELETED: _customer_deleted,
    K.METHOD_ADDED: method_seen,
    K.METHOD_CHANGED: method_seen,
    K.METHOD_UPDATED_BY_NETWORK: method_by_network,
    K.METHOD_REMOVED: method_seen,
    K.CARD_COLLECTED: card_collected,
    K.READ: _read,
}
OPENERS = frozenset({_invoice_failed, _invoice_overdue})


def may_open(notice: Notice) -> bool:
    """Whether it may open a case, which a dispute of its customer then holds."""
    return notice.event.startswith(CHANGE) or READERS.get(notice.kind) in OPENERS
