"""New cards, heard of again, late, or of somebody who is gone: nothing is tried with them."""

from datetime import datetime

from app.domain.absorb import absorb
from app.domain.actions import Action, ActionKind
from app.domain.dunning import Case
from app.domain.methods import new_method
from app.domain.mirror import Customer
from app.domain.notices import NoticeKind
from app.domain.records import Book
from tests.domain.builders import MONDAY, a_book, an_invoice, notice, on_day, paid, terms

K = NoticeKind


def fails(book: Book, at: datetime) -> None:
    absorb(book, notice(K.INVOICE_FAILED, at, snapshot=an_invoice(seen_at=at)), terms(at))


def brings_a_card(book: Book, at: datetime, *, heard: datetime) -> None:
    report = notice(K.CUSTOMER_CHANGED, at)
    new_method(book, report, "cus_1", "pm_new", terms(heard), replaces=True)


def shown(book: Book, seen: datetime, method: str, *, deleted: bool = False) -> None:
    """The customer as a report shows them; nobody knows an address of theirs."""
    customer = Customer(
        merchant_id="",
        account_id="",
        customer_id="cus_1",
        name="Vesper Quill",
        default_method_id=method,
        deleted=deleted,
        seen_at=seen,
    )
    kind = K.CUSTOMER_DELETED if deleted else K.CUSTOMER_CHANGED
    absorb(book, notice(kind, seen, snapshot=customer, customer="cus_1"), terms(seen))


def billed(book: Book, at: datetime) -> None:
    """A report of an invoice, which says whose it is and not how they are otherwise."""
    invoice = an_invoice(seen_at=at, customer_name="Vesper Quill")
    absorb(book, notice(K.INVOICE_UPDATED, at, snapshot=invoice), terms(at))


def to_try(book: Book) -> set[str]:
    """By key, of which the store keeps one."""
    return {one.key for one in book.all(Action) if one.kind is ActionKind.NEW_CARD}


def test_a_card_that_was_there_before_the_failure_is_not_new_in_its_case() -> None:
    # given a card that replaced another while nothing was open, and a failure since
    book = a_book()
    brings_a_card(book, MONDAY, heard=MONDAY)
    planned = to_try(book)
    fails(book, on_day(3))

    brings_a_card(book, MONDAY, heard=on_day(4))

    assert len(planned) == 1
    assert to_try(book) == planned


def test_a_card_that_was_tried_in_a_case_is_heard_of_again_when_that_is_over() -> None:
    book = a_book()
    fails(book, MONDAY)
    brings_a_card(book, on_day(1), heard=on_day(1))
    planned = to_try(book)
    absorb(book, notice(K.INVOICE_PAID, on_day(2), snapshot=paid(on_day(2))), terms(on_day(2)))

    brings_a_card(book, on_day(1), heard=on_day(4))

    (case,) = book.all(Case)
    assert case.closed_at == on_day(2)
    assert to_try(book) == planned


def test_a_card_that_comes_after_the_failure_is_tried() -> None:
    book = a_book()
    fails(book, MONDAY)

    brings_a_card(book, on_day(1), heard=on_day(1))

    assert len(to_try(book)) == 1


def test_a_card_that_was_replaced_is_not_new_because_an_invoice_names_its_customer() -> None:
    # given a case, a card that took the place of another in it, and a report of the invoice since
    book = Book()
    fails(book, MONDAY)
    shown(book, on_day(1), "pm_old")
    shown(book, on_day(3), "pm_new")
    planned = to_try(book)
    billed(book, on_day(4))

    # when the report of the former card comes once more, days late (seed 513912)
    shown(book, on_day(2), "pm_old")

    (customer,) = book.all(Customer)
    assert customer.default_method_id == "pm_new"
    assert len(planned) == 1
    assert to_try(book) == planned


def test_who_was_deleted_stays_so_though_an_invoice_of_theirs_is_heard_of_later() -> None:
    book = Book()
    shown(book, MONDAY, "pm_old")
    shown(book, on_day(1), "pm_old", deleted=True)

    billed(book, on_day(2))
    shown(book, on_day(1), "pm_old")  # another report of the second in which they were deleted

    (customer,) = book.all(Customer)
    assert customer.deleted


def test_nothing_is_tried_with_the_card_of_somebody_who_was_deleted() -> None:
    # given a case, and a new card that only the report of the deletion tells of
    book = Book()
    fails(book, MONDAY)
    shown(book, on_day(1), "pm_old")

    shown(book, on_day(2), "pm_new", deleted=True)

    assert to_try(book) == set()
