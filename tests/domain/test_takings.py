"""Each change of a payment is a line of what it brought; together they say how it stands."""

from dataclasses import replace
from typing import Any

from app.domain.mirror import Invoice, Payment
from app.domain.records import Book
from app.domain.takings import Taking, enter_takings
from tests.domain.builders import on_day

PAYMENT = Payment(
    merchant_id="mer_1",
    account_id="acc_1",
    payment_id="pi_1",
    invoice_id="in_1",
    status="succeeded",
    currency="eur",
    amount_minor=2_900,
    occurred_at=on_day(1),
)
INVOICE = Invoice(
    merchant_id="mer_1", account_id="acc_1", invoice_id="in_1", subscription_id="sub_1"
)


def told(known: list[Any], *news: Any) -> list[Taking]:
    """What is written when a book that knew these rows learns of others on day 5."""
    book = Book()
    book.know(known)
    for row in news:
        book.put(row)
    enter_takings(book, on_day(5))
    return list(book.all(Taking))


def sums(lines: list[Taking]) -> list[tuple[str | None, int, int]]:
    return [(line.subscription_id, line.paid_minor, line.refunded_minor) for line in lines]


def test_a_payment_that_went_through_is_a_line_of_its_invoices_subscription() -> None:
    (line,) = told([INVOICE], replace(PAYMENT, brand="visa"))

    assert sums([line]) == [("sub_1", 2_900, 0)]
    assert line.brand == "visa"
    assert (line.invoice_id, line.currency) == ("in_1", "eur")
    assert (line.occurred_at, line.recorded_at) == (on_day(1), on_day(5))


def test_what_is_given_back_is_a_line_of_its_own_however_often() -> None:
    once = replace(PAYMENT, refunded_minor=500)

    assert sums(told([INVOICE, PAYMENT], once)) == [("sub_1", 0, 500)]
    assert sums(told([INVOICE, once], replace(once, refunded_minor=800))) == [("sub_1", 0, 300)]
    assert told([INVOICE, once], replace(once, brand="visa")) == []


def test_what_was_refused_or_is_of_no_invoice_brought_nothing() -> None:
    assert told([INVOICE], replace(PAYMENT, status="failed")) == []
    assert told([INVOICE], replace(PAYMENT, invoice_id=None)) == []
    assert told([INVOICE], replace(PAYMENT, occurred_at=None)) == []


def test_a_payment_counts_once_it_is_joined_to_its_invoice() -> None:
    assert sums(told([INVOICE, replace(PAYMENT, invoice_id=None)], PAYMENT)) == [
        ("sub_1", 2_900, 0)
    ]


def test_a_payment_heard_of_before_its_invoice_is_moved_to_the_invoices_subscription() -> None:
    before = told([], PAYMENT)
    after = told([PAYMENT], INVOICE)

    assert sums(before) == [(None, 2_900, 0)]
    assert sums(after) == [(None, -2_900, 0), ("sub_1", 2_900, 0)]
    assert len({line.taking_id for line in (*before, *after)}) == 3


def test_a_payment_and_its_invoice_heard_of_together_are_one_line() -> None:
    assert sums(told([], PAYMENT, INVOICE)) == [("sub_1", 2_900, 0)]


def test_a_payment_that_turned_out_not_to_have_gone_through_is_taken_back() -> None:
    assert sums(told([INVOICE, PAYMENT], replace(PAYMENT, status="failed"))) == [
        ("sub_1", -2_900, 0)
    ]


def test_another_version_of_an_invoice_moves_nothing() -> None:
    assert told([INVOICE, PAYMENT], replace(INVOICE, paid_minor=2_900)) == []


def test_a_refund_that_failed_comes_back_once_and_no_more_than_went_out() -> None:
    # given 5.00 given back of which 3.00 is told to have failed, before the rest is heard of
    gone = replace(PAYMENT, refunded_minor=200)
    failed = replace(gone, refunds_failed={"re_1": 300})
    known = replace(failed, refunded_minor=500)

    early, late = told([INVOICE, gone], failed), told([INVOICE, failed], known)

    assert [line.came_back_minor for line in early] == [200]
    assert [(line.refunded_minor, line.came_back_minor) for line in late] == [(300, 100)]
    assert told([INVOICE, known], replace(known, refunds_failed={"re_1": 300})) == []
