"""New cards that are heard of again: what failed only later is not tried with them once more."""

from datetime import datetime

from app.domain.absorb import absorb
from app.domain.actions import Action, ActionKind
from app.domain.dunning import Case
from app.domain.methods import new_method
from app.domain.notices import NoticeKind
from app.domain.records import Book
from tests.domain.builders import MONDAY, a_book, an_invoice, notice, on_day, paid, terms

K = NoticeKind


def fails(book: Book, at: datetime) -> None:
    absorb(book, notice(K.INVOICE_FAILED, at, snapshot=an_invoice(seen_at=at)), terms(at))


def brings_a_card(book: Book, at: datetime, *, heard: datetime) -> None:
    report = notice(K.CUSTOMER_CHANGED, at)
    new_method(book, report, "cus_1", "pm_new", terms(heard), replaces=True)


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
