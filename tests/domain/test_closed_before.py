"""Failures of invoices that were closed before, or may be nobody's debt, and disputes that end in
another word."""

from dataclasses import replace

import pytest

from app.domain.absorb import absorb
from app.domain.actions import Action, ActionKind
from app.domain.dunning import Case, CaseState
from app.domain.messages import Message
from app.domain.mirror import Dispute, Invoice, InvoiceStatus, Subscription
from app.domain.notices import Notice, NoticeKind
from app.domain.records import Book
from app.domain.recovery import Failure
from tests.domain.builders import (
    MONDAY,
    a_book,
    a_payment,
    a_subscription,
    an_invoice,
    notice,
    on_day,
    terms,
)

K = NoticeKind
CLOSINGS = [
    pytest.param(K.INVOICE_VOIDED, {"status": InvoiceStatus.VOID}, CaseState.STOPPED, id="void"),
    pytest.param(
        K.INVOICE_UNCOLLECTIBLE,
        {"status": InvoiceStatus.UNCOLLECTIBLE},
        CaseState.STOPPED,
        id="written off",
    ),
    pytest.param(
        K.INVOICE_UNCOLLECTIBLE,
        {"status": InvoiceStatus.UNCOLLECTIBLE, "closed_reason": "max_payment_attempts"},
        CaseState.EXHAUSTED,
        id="given up by the provider",
    ),
    pytest.param(
        K.INVOICE_DELETED,
        {"status": InvoiceStatus.DELETED, "remaining_minor": 0},
        CaseState.STOPPED,
        id="deleted",
    ),
]


def hear(book: Book, *notices: Notice, late: bool = False) -> Book:
    """The book after these reports; heard on the fifth day where they come late."""
    for one in notices:
        absorb(book, one, terms(on_day(5) if late else one.occurred_at))
    return book


def failed() -> Notice:
    return notice(K.INVOICE_FAILED, MONDAY, snapshot=an_invoice(seen_at=MONDAY))


def closed(kind: K, **invoice: object) -> Notice:
    return notice(kind, on_day(2), snapshot=an_invoice(seen_at=on_day(2), **invoice))


def only_case(book: Book) -> Case:
    (case,) = book.all(Case)
    return case


@pytest.mark.parametrize(("kind", "invoice", "state"), CLOSINGS)
def test_a_failure_heard_of_after_its_invoice_was_closed_is_a_case_born_closed(
    kind: K, invoice: dict, state: CaseState
) -> None:
    in_order = hear(a_book(), failed(), closed(kind, **invoice))
    turned = hear(a_book(), closed(kind, **invoice), failed(), late=True)

    case, known = only_case(turned), only_case(in_order)
    assert (case.state, case.reason) == (state, known.reason)
    assert (case.amount_minor, case.opened_at) == (known.amount_minor, known.opened_at)
    counted = [(f.amount_minor, f.exclusion, f.failed_at) for f in turned.all(Failure)]
    assert counted == [(3000, None, MONDAY)]
    assert {action.kind for action in turned.all(Action)} == {ActionKind.WATCH}
    assert list(turned.all(Message)) == []


def disputed(kind: K, day: int, status: str) -> Notice:
    dispute = Dispute(dispute_id="dp_1", charge_id="ch_9", amount_minor=900, status=status)
    return notice(kind, on_day(day), snapshot=dispute, object="dp_1", charge="ch_9")


@pytest.mark.parametrize("status", ["charge_refunded", "closed", "warning_closed"])
def test_a_hold_ends_with_its_dispute_in_whatever_word_that_ends(status: str) -> None:
    book = a_book()
    book.know([a_payment(on_day(1), payment_id="pi_9", invoice_id="in_9", charge_id="ch_9")])
    began = "warning_needs_response" if status == "warning_closed" else "needs_response"
    hear(book, failed(), disputed(K.DISPUTE_OPENED, 1, began))
    held = only_case(book)

    hear(book, disputed(K.DISPUTE_UPDATED, 3, status))

    kept = book.get(Dispute, "acc_1", "dp_1")
    assert len(held.holds) == 1
    assert only_case(book).holds == ()
    assert kept is not None
    assert (kept.status, kept.is_open) == (status, False)
    assert book.get(Invoice, "acc_1", "in_1") is not None


CHANGE = {"billing_reason": "subscription_update"}


def of_change(day: int, event: str = "evt_1", kind: K = K.INVOICE_FAILED, **more: object) -> Notice:
    shown = an_invoice(**CHANGE, seen_at=on_day(day), **more)
    return replace(notice(kind, on_day(day), snapshot=shown), event=event)


def read_live(day: int, kind: K = K.INVOICE_FAILED, **more: object) -> Notice:
    """The same invoice as we read it ourselves."""
    return of_change(day, "change:evt_1", kind, merchant_id="mer_1", account_id="acc_1", **more)


def test_whether_the_invoice_of_a_change_is_owed_is_read_before_a_case_is_opened() -> None:
    book = hear(a_book(), of_change(0))

    (read,) = book.all(Action)
    (failure,) = book.all(Failure)
    assert list(book.all(Case)) == []
    assert (read.kind, read.subject) == (ActionKind.READ, "in_1")
    assert (read.data or {})["event"] == "change:evt_1"
    assert (failure.case_id, failure.exclusion, failure.failed_at) == (None, None, on_day(0))


@pytest.mark.parametrize(
    ("kind", "more", "state"),
    [
        pytest.param(K.INVOICE_FAILED, {}, CaseState.ACTIVE, id="still owed"),
        pytest.param(K.INVOICE_UPDATED, {}, CaseState.ACTIVE, id="tried once more"),
        pytest.param(
            K.INVOICE_PAID,
            {"status": InvoiceStatus.PAID, "paid_minor": 3000, "remaining_minor": 0},
            CaseState.RECOVERED,
            id="paid meanwhile",
        ),
        pytest.param(
            K.INVOICE_VOIDED, {"status": InvoiceStatus.VOID}, CaseState.STOPPED, id="void meanwhile"
        ),
    ],
)
def test_what_became_of_a_change_meanwhile_hides_no_failure(
    kind: K, more: dict, state: CaseState
) -> None:
    book = hear(a_book(), of_change(0), read_live(1, kind, **more), read_live(1, kind, **more))

    case, failure = only_case(book), max(book.all(Failure), key=lambda row: row.version)
    assert (case.state, case.amount_minor, case.opened_at) == (state, 3000, on_day(0))
    assert (failure.case_id, failure.version) == (case.case_id, 2)


def test_a_change_that_waits_is_no_debt_whoever_tells_it_first() -> None:
    subscription = notice(K.SUBSCRIPTION_CHANGED, on_day(1), snapshot=a_subscription())
    waits = replace(subscription, invoice="in_1")
    by_reading = hear(a_book(), of_change(0), read_live(1, pending_update=True))
    by_report = hear(a_book(), of_change(0), waits, read_live(2))

    for book in (by_reading, by_report):
        latest = max(book.all(Failure), key=lambda row: row.version)
        assert list(book.all(Case)) == []
        assert (latest.exclusion, latest.case_id, latest.version) == ("pending_update", None, 2)


def test_what_would_get_no_case_anyway_is_not_read() -> None:
    book = hear(a_book(), of_change(0, subscription_id=None))

    assert list(book.all(Action)) == []
    assert [failure.exclusion for failure in book.all(Failure)] == ["manual_invoice"]


def stands(day: int, status: str, kind: K = K.SUBSCRIPTION_CHANGED) -> Notice:
    shown = a_subscription(status=status, seen_at=on_day(day))
    return notice(kind, on_day(day), snapshot=shown)


@pytest.mark.parametrize("day", [0, 1])
def test_a_subscription_that_began_never_waits_for_its_first_payment_again(day: int) -> None:
    book = hear(a_book(), stands(0, "active"), stands(day, "incomplete", K.SUBSCRIPTION_STARTED))

    known = book.get(Subscription, "acc_1", "sub_1")
    assert known is not None
    assert (known.status, known.mrr_minor) == ("active", 3000)
