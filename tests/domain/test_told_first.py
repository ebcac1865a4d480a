"""What was told first of a refusal stays, whatever becomes of the attempt."""

from dataclasses import replace

from app.domain.declines import DeclineKind
from app.domain.dunning import Attempt
from tests.domain.builders import MONDAY, an_invoice, on_day
from tests.domain.test_absorb import refused, take, with_case


def test_a_refusal_is_dated_by_when_it_was_told_and_keeps_its_kind_and_network() -> None:
    book = with_case()

    take(book, an_invoice(), replace(refused(MONDAY), brand="visa"), at=on_day(3))

    (attempt,) = book.all(Attempt)
    assert attempt.refused_at == on_day(3)
    assert attempt.refused_as is DeclineKind.INSUFFICIENT_FUNDS
    assert attempt.refused_brand == "visa"


def test_what_is_told_later_of_a_refusal_changes_nothing_of_it() -> None:
    book = with_case()
    take(book, an_invoice(), refused(MONDAY), at=MONDAY)
    (attempt,) = book.all(Attempt)

    again = attempt.refused(DeclineKind.NEVER, at=on_day(9))
    paid = replace(refused(MONDAY), status="succeeded", decline=None)
    take(book, an_invoice(), paid, at=on_day(9))

    (now,) = book.all(Attempt)
    assert again == attempt
    assert now.decline_kind is None
    assert (now.refused_at, now.refused_as) == (MONDAY, DeclineKind.INSUFFICIENT_FUNDS)
