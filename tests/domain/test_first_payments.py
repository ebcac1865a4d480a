"""What was paid at once is written once, and never beside a refusal."""

from typing import Any

from app.domain.absorb import absorb
from app.domain.first_payments import FirstPayment
from app.domain.mirror import Customer, Invoice, InvoiceStatus
from app.domain.notices import NoticeKind
from app.domain.records import Book
from app.domain.recovery import Failure
from tests.domain.builders import a_subscription, notice, on_day, terms

PAID: dict[str, Any] = {"status": InvoiceStatus.PAID, "paid_minor": 2_900, "currency": "eur"}


def heard(*invoices: tuple[float, dict[str, Any]]) -> Book:
    """A book that was told of an invoice, on these days, as it stood then."""
    book = Book()
    book.know(
        [Customer(merchant_id="mer_1", account_id="acc_1", customer_id="cus_1", country="DE")]
    )
    book.know([a_subscription(subscription_id="sub_1", plan="pro", interval="year")])
    for day, facts in invoices:
        snapshot = Invoice(
            merchant_id="",
            account_id="",
            invoice_id="in_1",
            customer_id="cus_1",
            subscription_id="sub_1",
            collection_method="charge_automatically",
            seen_at=on_day(day),
            **facts,
        )
        kind = NoticeKind.INVOICE_PAID
        if facts["status"] is not InvoiceStatus.PAID:
            kind = NoticeKind.INVOICE_FAILED
        one = notice(kind, on_day(day), snapshot=snapshot, invoice="in_1", customer="cus_1")
        absorb(book, one, terms(on_day(day)))
    return book


def lines(book: Book) -> list[FirstPayment]:
    return list(book.all(FirstPayment))


def test_what_was_paid_at_once_is_a_line_with_where_it_was_paid() -> None:
    (line,) = lines(heard((2, PAID | {"paid_at": on_day(1)})))

    assert (line.amount_minor, line.currency, line.paid_at) == (2_900, "eur", on_day(1))
    assert (line.plan, line.interval, line.country) == ("pro", "year", "DE")
    assert line.recorded_at == on_day(2)


def test_told_twice_it_is_one_line_of_the_first_time() -> None:
    paid = PAID | {"paid_at": on_day(1)}

    (line,) = lines(heard((2, paid), (5, paid)))

    assert line.recorded_at == on_day(2)


def test_what_was_refused_first_was_not_paid_at_once() -> None:
    refused = {"status": InvoiceStatus.OPEN, "remaining_minor": 2_900, "currency": "eur"}

    book = heard((1, refused), (5, PAID | {"paid_at": on_day(4)}))

    assert lines(book) == []
    assert len(list(book.all(Failure))) == 1


def test_nothing_and_what_was_sent_by_mail_are_no_automatic_payments() -> None:
    at = {"paid_at": on_day(1)}

    assert lines(heard((2, PAID | at | {"paid_minor": 0}))) == []
    assert lines(heard((2, PAID))) == []
