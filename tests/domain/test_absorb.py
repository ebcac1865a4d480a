"""Reports in any order, doubled and late: what becomes of mirror, case and ledger."""

from dataclasses import replace
from itertools import permutations

import pytest

from app.domain.absorb import absorb
from app.domain.actions import CASE_ACTIONS, Action, ActionKind, ActionState
from app.domain.declines import Decline, DeclineKind
from app.domain.dunning import Attempt, AttemptState, Case, CaseState, Trigger
from app.domain.experiments import Assignment
from app.domain.mirror import Invoice, InvoiceStatus, Payment, Subscription
from app.domain.movements import ENDING
from app.domain.mrr import MovementKind, MrrMovement
from app.domain.notices import Notice, NoticeKind
from app.domain.policies import Policy
from app.domain.records import Book
from app.domain.recovery import Cause, EntryKind, Failure, RecoveryEntry
from app.domain.settlement import dispute_closed, take_reading
from app.domain.terms import decline_json
from tests.domain.builders import (
    LOST_MONEY,
    MONDAY,
    a_book,
    a_payment,
    a_subscription,
    an_invoice,
    notice,
    on_day,
    paid,
    terms,
)

K = NoticeKind


def only_case(book: Book) -> Case:
    (case,) = book.all(Case)
    return case


def hear(book: Book, *notices: Notice) -> None:
    for one in notices:
        absorb(book, one, terms(one.occurred_at))


def failed(at=MONDAY, **invoice) -> Notice:
    return notice(K.INVOICE_FAILED, at, snapshot=an_invoice(seen_at=at, **invoice))


def test_a_failed_renewal_opens_a_case_with_a_next_action() -> None:
    book = a_book()

    hear(book, failed())

    case = only_case(book)
    assert (case.state, case.amount_minor, case.opened_at) == (CaseState.ACTIVE, 3000, MONDAY)
    assert {a.kind for a in book.all(Action)} >= {ActionKind.ASSESS, ActionKind.END}
    assert [f.amount_minor for f in book.all(Failure)] == [3000]
    assert [a.arm for a in book.all(Assignment)] == ["treated"]


def test_the_same_report_twice_is_one_case_and_one_failure() -> None:
    book = a_book()

    hear(book, failed(), failed())

    assert len(list(book.all(Case))) == 1
    assert len(list(book.all(Failure))) == 1


PENDING = {"pending_update": True, "billing_reason": "subscription_update"}


@pytest.mark.parametrize(
    ("invoice", "exclusion"),
    [
        pytest.param({"billing_reason": "subscription_create"}, "first_invoice", id="first"),
        pytest.param({"billing_reason": "manual"}, "manual_invoice", id="manual"),
        pytest.param({"subscription_id": None}, "manual_invoice", id="no subscription"),
        pytest.param(PENDING, "pending_update", id="pending update"),
        pytest.param({"own_offer": True}, "own_offer", id="our own offer"),
        pytest.param({"collection_method": "send_invoice"}, "send_invoice", id="sent invoice"),
        pytest.param({"remaining_minor": 0}, "zero_amount", id="nothing owed"),
    ],
)
def test_what_gets_no_case_is_counted_with_its_reason(invoice: dict, exclusion: str) -> None:
    book = a_book()

    hear(book, failed(**invoice))

    assert not list(book.all(Case))
    assert [f.exclusion for f in book.all(Failure)] == [exclusion]


def test_an_invoice_of_a_subscription_that_ended_by_request_is_forgiven() -> None:
    book = a_book()
    book.put(a_subscription(status="canceled"))

    hear(book, failed())

    assert [f.exclusion for f in book.all(Failure)] == ["ended_by_request"]


def test_a_failure_heard_after_the_payment_is_a_case_born_recovered() -> None:
    book = a_book()

    hear(book, notice(K.INVOICE_PAID, on_day(2), snapshot=paid(on_day(2))), failed())

    case = only_case(book)
    assert case.state is CaseState.RECOVERED
    assert {a.kind for a in book.all(Action)} == {ActionKind.WATCH}


STORY = (
    failed(),
    notice(K.INVOICE_UPDATED, on_day(1), snapshot=an_invoice(seen_at=on_day(1), attempt_count=1)),
    notice(K.INVOICE_PAID, on_day(2), snapshot=paid(on_day(2), attempt_count=1)),
    notice(
        K.SUBSCRIPTION_CHANGED,
        on_day(2),
        snapshot=a_subscription(status="active", seen_at=on_day(2)),
        subscription="sub_1",
    ),
)


@pytest.mark.parametrize("order", list(permutations(STORY)))
def test_any_order_ends_in_the_same_state(order: tuple[Notice, ...]) -> None:
    book = a_book()

    hear(book, *order, *order)

    invoice = book.get(Invoice, "acc_1", "in_1")
    subscription = book.get(Subscription, "acc_1", "sub_1")
    assert only_case(book).state is CaseState.RECOVERED
    assert invoice is not None
    assert invoice.status is InvoiceStatus.PAID
    assert subscription is not None
    assert subscription.status == "active"
    assert [f.failed_at for f in book.all(Failure)] == [MONDAY]


def test_an_earlier_failure_learned_of_later_corrects_the_cohort() -> None:
    book = a_book()

    hear(book, failed(on_day(3)), failed(MONDAY))

    versions = sorted((f.version, f.failed_at) for f in book.all(Failure))
    assert versions == [(1, on_day(3)), (2, MONDAY)]


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        (K.INVOICE_VOIDED, InvoiceStatus.VOID),
        (K.INVOICE_UNCOLLECTIBLE, InvoiceStatus.UNCOLLECTIBLE),
        (K.INVOICE_DELETED, InvoiceStatus.DELETED),
    ],
)
def test_an_invoice_closed_by_others_stops_its_case(kind: K, status: InvoiceStatus) -> None:
    book = a_book()

    hear(
        book,
        failed(),
        notice(kind, on_day(1), snapshot=an_invoice(status=status, seen_at=on_day(1))),
    )

    assert only_case(book).state is CaseState.STOPPED


def test_money_that_comes_after_the_end_still_recovers() -> None:
    book = a_book()
    closed = an_invoice(status=InvoiceStatus.UNCOLLECTIBLE, seen_at=on_day(1))

    hear(book, failed(), notice(K.INVOICE_UNCOLLECTIBLE, on_day(1), snapshot=closed))
    hear(book, notice(K.INVOICE_PAID, on_day(9), snapshot=paid(on_day(9))))

    assert only_case(book).state is CaseState.RECOVERED


def ended(**more) -> Notice:
    snapshot = a_subscription(status="canceled", seen_at=on_day(5), **more)
    return notice(K.SUBSCRIPTION_ENDED, on_day(5), snapshot=snapshot, subscription="sub_1")


def test_a_customer_who_leaves_is_left_alone() -> None:
    book = a_book()

    hear(book, failed(), ended(cancellation_reason="cancellation_requested"))

    assert only_case(book).state is CaseState.STOPPED
    assert [m.kind for m in book.all(MrrMovement)] == [MovementKind.CHURN_VOLUNTARY]


def test_the_end_we_carried_out_is_involuntary_whatever_the_provider_says() -> None:
    book = a_book()
    hear(book, failed())
    book.put(replace(only_case(book), reason=ENDING))

    hear(book, ended(cancellation_reason="cancellation_requested"))

    assert only_case(book).state is CaseState.ACTIVE
    assert [m.kind for m in book.all(MrrMovement)] == [MovementKind.CHURN_INVOLUNTARY]


def test_the_end_the_provider_carried_out_exhausts_the_case() -> None:
    book = a_book()

    hear(book, failed(), ended(cancellation_reason="payment_failed"))

    assert only_case(book).state is CaseState.EXHAUSTED
    assert [m.kind for m in book.all(MrrMovement)] == [MovementKind.CHURN_INVOLUNTARY]


def with_case(**case) -> Book:
    book = a_book()
    hear(book, failed())
    book.put(replace(only_case(book), **case))
    return book


def take(book: Book, invoice: Invoice, *payments, at=MONDAY) -> Case:
    known = replace(invoice, merchant_id="mer_1", account_id="acc_1")
    return take_reading(book, only_case(book), known, payments, terms(at))


def refused(at=MONDAY, kind=DeclineKind.INSUFFICIENT_FUNDS, **more):
    decline = decline_json(Decline(kind=kind))
    return a_payment(at, "failed", decline=decline, fingerprint="fp_1", **more)


def test_the_providers_refusal_is_an_attempt_of_the_provider() -> None:
    book = with_case()

    case = take(book, an_invoice(), refused())

    (attempt,) = book.all(Attempt)
    assert (attempt.trigger, attempt.state) == (Trigger.PROVIDER, AttemptState.DECLINED)
    assert (case.failures, case.attempts_used) == (1, 0)
    assert case.decline_kind is DeclineKind.INSUFFICIENT_FUNDS


def test_a_reading_taken_twice_counts_once() -> None:
    book = with_case()

    for _ in range(3):
        take(book, paid(on_day(2)), refused(), a_payment(on_day(2)), at=on_day(2))

    entries = list(book.all(RecoveryEntry))
    assert len(list(book.all(Attempt))) == 2
    assert [(e.kind, e.amount_minor) for e in entries] == [(EntryKind.RECOVERED, 3000)]
    assert only_case(book).recovered_minor == 3000


def test_money_taken_back_reverses_the_ledger_by_lines_of_its_own() -> None:
    book = with_case()
    payment = a_payment(on_day(2))
    take(book, paid(on_day(2)), payment, at=on_day(2))

    take(book, paid(on_day(2)), replace(payment, refunded_minor=500), at=on_day(3))
    take(book, paid(on_day(2)), replace(payment, refunded_minor=1200), at=on_day(4))
    take(book, paid(on_day(2)), replace(payment, refunded_minor=500), at=on_day(5))

    lines = [e.amount_minor for e in book.all(RecoveryEntry)]
    assert lines == [3000, -500, -700]


def given_back(total: int, at=MONDAY) -> Notice:
    """All refunds of the charge together, as a charge or a live read tells it."""
    snapshot = a_payment(on_day(2), refunded_minor=total, seen_at=at)
    return notice(K.PAYMENT_REFUNDED, at, snapshot=snapshot, invoice="in_1", customer="cus_1")


def undone(refund: str, minor: int, at=MONDAY) -> Notice:
    charge = a_payment(on_day(2)).charge_id
    about = {"payment": "pi_1", "charge": charge, "amount_minor": minor, "snapshot": None}
    return notice(K.REFUND_FAILED, at, object=refund, **about)


# First 10.00 went back, and failed; then 5.00 went back for good. A charge shows what is gone at
# the time, a live read what ever went.
REFUNDS = (
    (given_back(1000, on_day(3)),),
    (given_back(1000, on_day(4)), undone("re_1", 1000, on_day(4))),
    (given_back(1500, on_day(5)), undone("re_1", 1000, on_day(5))),
)


@pytest.mark.parametrize("order", list(permutations(range(3))), ids=str)
def test_a_failed_refund_is_reversed_once_in_any_order(order) -> None:
    book = with_case()
    take(book, paid(on_day(2)), a_payment(on_day(2)), at=on_day(2))

    for place in (*order, *order):
        hear(book, *REFUNDS[place])

    lines = list(book.all(RecoveryEntry))
    assert sum(line.amount_minor for line in lines) == 3000 - 500
    assert [e.amount_minor for e in lines if e.kind is EntryKind.REFUND_FAILED] == [1000]
    assert [p.given_back_minor - p.came_back_minor for p in book.all(Payment)] == [500]


def test_no_more_comes_back_than_the_ledger_says_went_out() -> None:
    book = with_case()
    take(book, paid(on_day(2)), a_payment(on_day(2)), at=on_day(2))

    hear(book, undone("re_0", 700), given_back(1000), undone("re_1", 1500), undone("re_2", 10))

    assert [e.amount_minor for e in book.all(RecoveryEntry)] == [3000, -1000, 1000]


def test_after_a_failed_refund_the_next_one_is_read_and_not_guessed() -> None:
    book = with_case()
    take(book, paid(on_day(2)), a_payment(on_day(2)), at=on_day(2))
    hear(book, given_back(1000), undone("re_1", 1000))

    hear(book, given_back(500, on_day(6)))

    (read,) = [a for a in book.all(Action) if a.kind is ActionKind.READ]
    assert (read.subject, (read.data or {})["type"]) == (a_payment(on_day(2)).charge_id, "charge")


def test_a_bare_notice_that_names_nothing_is_read_by_its_event() -> None:
    book = a_book()

    hear(book, *2 * [Notice(kind=K.READ, event="evt_7", occurred_at=MONDAY)])

    (read,) = book.all(Action)
    assert (read.kind, read.subject, (read.data or {})["type"]) == ("read", "evt_7", "event")


def test_a_lost_dispute_takes_back_and_a_later_win_returns() -> None:
    book = with_case()
    take(book, paid(on_day(2)), a_payment(on_day(2)), at=on_day(2))
    case = only_case(book)

    for won in (False, False, True, True):
        dispute_closed(book, case, LOST_MONEY, won, terms(on_day(9)))

    assert [e.amount_minor for e in book.all(RecoveryEntry)] == [3000, -3000, 3000]


def test_a_dispute_won_that_was_never_lost_moves_nothing() -> None:
    book = with_case()
    take(book, paid(on_day(2)), a_payment(on_day(2)), at=on_day(2))

    dispute_closed(book, only_case(book), LOST_MONEY, True, terms(on_day(9)))

    assert [e.amount_minor for e in book.all(RecoveryEntry)] == [3000]


def test_what_was_settled_outside_the_provider_is_no_recovered_cash() -> None:
    book = with_case()

    case = take(book, paid(on_day(2), off_provider_minor=3000), at=on_day(2))

    assert [(e.kind, e.amount_minor) for e in book.all(RecoveryEntry)] == [
        (EntryKind.SETTLED_OTHER, 3000)
    ]
    assert (case.state, case.cause) == (CaseState.RECOVERED, Cause.MANUAL_OR_EXTERNAL)


def test_a_payment_before_the_first_failure_was_never_failed_money() -> None:
    book = with_case()

    take(book, an_invoice(remaining_minor=2000), a_payment(on_day(-1), amount_minor=1000))

    assert not list(book.all(RecoveryEntry))


def test_an_active_case_always_has_a_pending_action() -> None:
    book = a_book()

    hear(book, *STORY[:2])

    pending = [
        a for a in book.all(Action) if a.state is ActionState.PENDING and a.kind in CASE_ACTIONS
    ]
    assert only_case(book).state is CaseState.ACTIVE
    assert pending


def test_below_the_materiality_a_case_is_silent() -> None:
    book = a_book()

    absorb(book, failed(), terms(MONDAY, Policy(materiality_minor={"usd": 5000})))

    assert only_case(book).silent


def test_the_materiality_of_one_currency_silences_no_other() -> None:
    book = a_book()

    policy = Policy(materiality_minor={"jpy": 5000})
    absorb(book, failed(currency="usd"), terms(MONDAY, policy))

    assert not only_case(book).silent
