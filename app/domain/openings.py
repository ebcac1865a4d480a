"""When a case opens, and when it does not: every first failure is counted either way."""

from collections.abc import Mapping
from datetime import datetime, timedelta

from app.domain.access import access_action, first_change
from app.domain.actions import Action, ActionKind, action_for
from app.domain.choosing import Failing, segment_of
from app.domain.departures import is_let_go
from app.domain.dunning import Attempt, Case, CaseKind, CaseState, Waits
from app.domain.experiments import Assignment, arm_of
from app.domain.first_payments import BY_HAND
from app.domain.ids import derive_id
from app.domain.merchants import CollectionMode, Merchant
from app.domain.mirror import Customer, Invoice, InvoiceStatus, Subscription
from app.domain.offers.common import ELSEWHERE
from app.domain.old_debts import HELD_FOR, OLD_DEBT, is_old_debt
from app.domain.policies import Policy
from app.domain.records import Book, changed, quick
from app.domain.recovery import Failure
from app.domain.redemptions import Redemption
from app.domain.terms import Terms, note

# Billing reasons of recurring invoices. `subscription` and a missing reason are what events
# before 2018-10 say; with a subscription on it such an invoice is a renewal.
RECURRING = frozenset(
    {"subscription_cycle", "subscription_update", "subscription_threshold", "subscription", None}
)
INTERVAL_DAYS = {"day": 1, "week": 7, "month": 28}
OPENED = {
    CaseKind.PAYMENT: "an automatic payment of {minor} {currency} was refused",
    CaseKind.INVOICE: "an invoice of {minor} {currency} was not paid in time",
}
# What may be said against a case of each kind, and it is opened all the same.
ALLOWED: Mapping[CaseKind, frozenset[str | None]] = {
    CaseKind.PAYMENT: frozenset({None}),
    CaseKind.INVOICE: frozenset({BY_HAND}),
}
UPDATE = "subscription_update"
SLACK = timedelta(minutes=5)  # the provider's clock beside ours
RETRY_EXPERIMENT = "dunning"
PENDING_UPDATE, OWN_OFFER = "pending_update", "own_offer"
CREDITED = "credited"  # why a case ended that credit notes brought to zero
ECHO = timedelta(minutes=10)
GIVEN_UP = "the provider gave the invoice up"
CLOSED_BY = {
    InvoiceStatus.VOID: "the invoice was voided",
    InvoiceStatus.UNCOLLECTIBLE: "the invoice was marked uncollectible",
    InvoiceStatus.DELETED: "the invoice was deleted",
}
make_failing, make_case = quick(Failing), quick(Case)
make_assignment, make_failure = quick(Assignment), quick(Failure)


def why_no_case(
    book: Book,
    invoice: Invoice,
    subscription: Subscription | None,
    customer: Customer | None,
    policy: Policy,
) -> str | None:
    """The reason a failed invoice gets no case, or None where it gets one."""
    ended = subscription is not None and subscription.status in {"canceled", "incomplete_expired"}
    checks = (
        (customer is not None and (customer.erased or customer.deleted), "erased_customer"),
        (invoice.billing_reason == "subscription_create", "first_invoice"),
        (invoice.subscription_id is None, "manual_invoice"),
        (invoice.billing_reason not in RECURRING, "manual_invoice"),
        (invoice.is_of_pending_update, PENDING_UPDATE),
        (invoice.own_offer or is_of_our_offer(book, invoice), OWN_OFFER),
        (ended and policy.after_cancel == "forgive", "ended_by_request"),
        (is_let_go(book, invoice), "ended_by_request"),
        (invoice.remaining_minor <= 0 and not is_over(invoice), "zero_amount"),
        (invoice.collection_method == BY_HAND, BY_HAND),
    )
    return next((reason for holds, reason in checks if holds), None)


def is_over(invoice: Invoice) -> bool:
    """Whether nobody collects it any more."""
    return invoice.status is InvoiceStatus.PAID or invoice.status in CLOSED_BY


def how_closed(invoice: Invoice, words: str) -> tuple[CaseState, str]:
    """In which state the case of an invoice ends that was closed unpaid, and why."""
    if invoice.closed_reason == "max_payment_attempts":
        return CaseState.EXHAUSTED, GIVEN_UP
    return CaseState.STOPPED, words


def is_of_our_offer(book: Book, invoice: Invoice) -> bool:
    """Whether it was made while an offer of ours was being applied to its subscription: refused,
    nothing has changed and nothing is owed. What is reported to us is billed by others."""
    at = invoice.created_at
    if at is None or invoice.billing_reason != UPDATE:
        return False
    mine = book.all(
        Redemption, account_id=invoice.account_id, subscription_id=invoice.subscription_id
    )
    return any(
        row.claimed_at - SLACK <= at and (row.settled_at is None or at <= row.settled_at)
        for row in mine
        if row.kind not in ELSEWHERE
    )


def failed_invoice(book: Book, invoice: Invoice, at: datetime, amount: int, terms: Terms) -> None:
    """Report: an automatic payment of this invoice was refused at `at`, `amount` then owed.

    Opens the case where one is due; repeated, late and early reports add nothing twice.
    """
    case = case_of(book, invoice)
    if case is None:
        case = _opened(book, invoice, at, amount, terms)
    elif case.state is CaseState.ACTIVE:
        _again(book, case, invoice, at, terms)
    count_failure(book, invoice, case, at, amount, terms)


def overdue_invoice(book: Book, invoice: Invoice, at: datetime, terms: Terms) -> None:
    """Report: an invoice that the customer is to pay by themselves was not paid in time. No
    automatic payment failed, so no failure is counted; what is owed is reminded of."""
    by_hand = invoice.collection_method == BY_HAND and invoice.status is InvoiceStatus.OPEN
    if by_hand and case_of(book, invoice) is None:
        _opened(book, invoice, at, invoice.remaining_minor, terms, CaseKind.INVOICE)


def case_of(book: Book, invoice: Invoice) -> Case | None:
    """The case of an invoice, if it has one."""
    cases = book.all(Case, account_id=invoice.account_id, invoice_id=invoice.invoice_id)
    return next(cases, None)


def _again(book: Book, case: Case, invoice: Invoice, at: datetime, terms: Terms) -> None:
    """Another failure of a known case: by us it is known already, by others it must be read."""
    if at < case.opened_at:
        case = changed(case, opened_at=at)
    book.put(changed(case, due_minor=invoice.remaining_minor))
    if any(_is_near(attempt, at) for attempt in book.all(Attempt, case_id=case.case_id)):
        return
    book.add(case_action(case, ActionKind.WATCH, terms.now, nth=f"failed:{at.isoformat()}"))


def _is_near(attempt: Attempt, at: datetime) -> bool:
    """Whether this report is the echo of an attempt we know: ours comes back as a webhook."""
    return abs(at - attempt.intent_at) <= ECHO


def _opened(
    book: Book,
    invoice: Invoice,
    at: datetime,
    amount: int,
    terms: Terms,
    kind: CaseKind = CaseKind.PAYMENT,
) -> Case | None:
    subscription = book.get(Subscription, invoice.account_id, invoice.subscription_id)
    customer = book.get(Customer, invoice.account_id, invoice.customer_id)
    policy = _policy_for(invoice, subscription, customer, amount, terms)
    if why_no_case(book, invoice, subscription, customer, policy) not in ALLOWED[kind]:
        return None
    case = _new_case(invoice, subscription, at, amount, policy, terms)
    if kind is CaseKind.INVOICE:
        case = changed(case, kind=kind, mode=CollectionMode.OBSERVE, waits=Waits.CUSTOMER)
    book.add(case)
    book.add(_assignment(case, terms))
    text = OPENED[kind].format(minor=case.amount_minor, currency=case.currency)
    note(book, case, at, "opened", text, {"policy": case.policy, "mode": case.mode})
    if is_over(invoice):
        return _born_over(book, case, invoice, terms)
    if is_old_debt(invoice, terms.account):
        return _held(book, case, terms)
    book.add(case_action(case, ActionKind.ASSESS, terms.now))
    book.add(case_action(case, ActionKind.END, case.window_ends_at))
    _plan_access(book, case, policy)
    return case


def _born_over(book: Book, case: Case, invoice: Invoice, terms: Terms) -> Case:
    """A failure heard of after the invoice was settled or closed: nobody is written to."""
    state, reason = _how_over(invoice)
    at = invoice.paid_at or terms.now
    case = case.moved(state, at=at, reason=reason)
    case = case if invoice.status in CLOSED_BY else changed(case, due_minor=0)
    note(book, case, terms.now, state, f"its failure was heard of afterwards: {reason}")
    book.put(case)
    book.add(case_action(case, ActionKind.WATCH, terms.now, nth="paid"))
    return case


def _how_over(invoice: Invoice) -> tuple[CaseState, str]:
    if invoice.is_credited_away:
        return CaseState.STOPPED, CREDITED
    if invoice.status in CLOSED_BY:
        return how_closed(invoice, CLOSED_BY[invoice.status])
    return CaseState.RECOVERED, "paid"


def _plan_access(book: Book, case: Case, policy: Policy) -> None:
    """What the customer may use changes on the first day that the policy names, retries or not."""
    at = first_change(case, policy.access)
    action = access_action(case, at, nth=f"{case.case_id}:{at.isoformat()}") if at else None
    if action is not None:
        book.add(action)


def _policy_for(
    invoice: Invoice,
    subscription: Subscription | None,
    customer: Customer | None,
    amount: int,
    terms: Terms,
) -> Policy:
    if not terms.shelf.published:  # nothing to choose from, so nothing to look up
        return terms.policy
    names = {invoice.label, *(subscription.plan_names if subscription else ())}
    failing = make_failing(
        plans=frozenset(name for name in names if name),
        interval=subscription.interval if subscription else None,
        currency=invoice.currency,
        amount_minor=amount,
        trial_conversion=is_trial_conversion(invoice, subscription),
        segment=segment_of(subscription, customer),
    )
    return terms.policy_for(failing)


def window_of(policy: Policy, interval: str | None) -> timedelta:
    """How long a case may take: the policy's window, at most one billing interval."""
    return timedelta(days=min(policy.retry.window_days, INTERVAL_DAYS.get(interval or "", 10_000)))


def _held(book: Book, case: Case, terms: Terms) -> Case:
    """A case of an old debt is looked at, and otherwise left alone until it is released."""
    case = changed(case, waits=Waits.ON_HOLD, reason=OLD_DEBT)
    book.put(case)
    note(book, case, terms.now, "on_hold", OLD_DEBT)
    book.add(case_action(case, ActionKind.WATCH, terms.now, nth="held"))
    book.add(case_action(case, ActionKind.END, terms.now + HELD_FOR))
    return case


def _new_case(
    invoice: Invoice,
    subscription: Subscription | None,
    at: datetime,
    amount: int,
    policy: Policy,
    terms: Terms,
) -> Case:
    interval = subscription.interval if subscription else None
    return make_case(
        case_id=derive_id("case", at, invoice.account_id, invoice.invoice_id),
        merchant_id=terms.merchant.merchant_id,
        account_id=invoice.account_id,
        invoice_id=invoice.invoice_id,
        customer_id=invoice.customer_id,
        subscription_id=invoice.subscription_id,
        waits=Waits.RETRYING,
        currency=invoice.currency,
        amount_minor=amount,
        due_minor=invoice.remaining_minor,
        plan=(subscription.plan if subscription else None) or invoice.label,
        interval=interval,
        mode=policy.mode_in(terms.account.mode),
        silent=not policy.is_material(amount, invoice.currency),
        trial_conversion=is_trial_conversion(invoice, subscription),
        policy=policy.label,
        arm=_arm(invoice, terms.merchant),
        opened_at=at,
        window_ends_at=at + window_of(policy, interval),
    )


def is_trial_conversion(invoice: Invoice, subscription: Subscription | None) -> bool:
    """Whether this is the first invoice after a trial (made within a day of the trial's end)."""
    if invoice.trial_conversion:
        return True
    if subscription is None or subscription.trial_end is None or invoice.created_at is None:
        return False
    return abs(invoice.created_at - subscription.trial_end) <= timedelta(days=1)


def _arm(invoice: Invoice, merchant: Merchant) -> str:
    return arm_of(
        key=merchant.assignment_key,
        experiment=RETRY_EXPERIMENT,
        customer=f"{invoice.account_id}:{invoice.customer_id or invoice.invoice_id}",
        holdout_percent=merchant.holdout_percent,
    )


def _assignment(case: Case, terms: Terms) -> Assignment:
    return make_assignment(
        merchant_id=case.merchant_id,
        experiment=RETRY_EXPERIMENT,
        unit=case.case_id,
        customer_id=case.customer_id,
        arm=case.arm,
        holdout_percent=terms.merchant.holdout_percent,
        drawn_at=terms.now,
    )


def first_failure(book: Book, invoice: Invoice) -> Failure | None:
    """The failure of an invoice as it counts now."""
    known = book.all(Failure, account_id=invoice.account_id, invoice_id=invoice.invoice_id)
    return max(known, key=lambda row: row.version, default=None)


def count_failure(
    book: Book, invoice: Invoice, case: Case | None, at: datetime, amount: int, terms: Terms
) -> None:
    """The cohort row; an earlier first failure learned of later is a new version of it, and so is
    the case, or the reason for having none, that was not known at first."""
    latest = first_failure(book, invoice)
    counts, exclusion = case is not None and case.kind is CaseKind.PAYMENT, None
    if not counts:
        exclusion = BY_HAND if invoice.collection_method == BY_HAND else None
        exclusion = exclusion or _why_none(book, invoice, amount, terms)
    case_id = case.case_id if case and counts else None
    if latest is not None and latest.failed_at <= at:
        if latest.case_id is None and latest.exclusion is None and (case_id or exclusion):
            again = changed(latest, version=latest.version + 1, recorded_at=terms.now)
            book.add(changed(again, case_id=case_id, exclusion=exclusion))
        return
    subscription = book.get(Subscription, invoice.account_id, invoice.subscription_id)
    customer = book.get(Customer, invoice.account_id, invoice.customer_id)
    book.add(
        make_failure(
            merchant_id=terms.merchant.merchant_id,
            account_id=invoice.account_id,
            invoice_id=invoice.invoice_id,
            version=latest.version + 1 if latest else 1,
            customer_id=invoice.customer_id,
            subscription_id=invoice.subscription_id,
            case_id=case_id,
            currency=invoice.currency,
            amount_minor=amount,
            plan=(subscription.plan if subscription else None) or invoice.label,
            interval=subscription.interval if subscription else None,
            trial_conversion=is_trial_conversion(invoice, subscription),
            exclusion=exclusion,
            failed_at=at,
            recorded_at=terms.now,
            country=customer.country if customer else None,
        )
    )


def gets_case(book: Book, invoice: Invoice, amount: int, terms: Terms) -> bool:
    """Whether nothing speaks against a case for a refused payment."""
    return _why_none(book, invoice, amount, terms) is None


def _why_none(book: Book, invoice: Invoice, amount: int, terms: Terms) -> str | None:
    subscription = book.get(Subscription, invoice.account_id, invoice.subscription_id)
    customer = book.get(Customer, invoice.account_id, invoice.customer_id)
    policy = _policy_for(invoice, subscription, customer, amount, terms)
    return why_no_case(book, invoice, subscription, customer, policy)


def case_action(
    case: Case,
    kind: ActionKind,
    due_at: datetime,
    *,
    nth: str = "0",
    data: dict[str, str | None] | None = None,
) -> Action:
    """An action about a case, its key derived from the kind, the case and `nth`."""
    return action_for(
        kind,
        subject=case.case_id,
        merchant_id=case.merchant_id,
        account_id=case.account_id,
        due_at=due_at,
        customer_id=case.customer_id,
        case_id=case.case_id,
        nth=nth,
        data=data,
    )
