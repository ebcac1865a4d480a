"""What the provider reports after somebody has left: what they were told counts."""

from datetime import timedelta
from typing import Any

import pytest

from app.domain.absorb import absorb
from app.domain.actions import Action, ActionKind
from app.domain.cancellations import (
    FORGIVEN,
    STILL_DUE,
    CancelRequest,
    Choice,
    RequestState,
    Source,
)
from app.domain.dunning import Case
from app.domain.notices import Notice, NoticeKind
from app.domain.records import Book
from app.domain.recovery import Failure
from tests.domain.builders import MONDAY, a_book, an_invoice, notice, terms

K = NoticeKind
SOON = MONDAY + timedelta(hours=1)


def who_left(*named: tuple[str, str], **told: Any) -> Book:
    """A book with somebody who left at once on the Monday, and was told of these invoices."""
    book = a_book()
    rows = tuple(
        {"invoice": one, "number": None, "currency": "usd", "amount_minor": 3000, "outcome": how}
        for one, how in named
    )
    given: dict[str, Any] = {
        "choice": Choice.NOW,
        "source": Source.SESSION,
        "state": RequestState.ENDED,
        "ends_at": MONDAY,
    }
    request = CancelRequest(
        request_id="cxr_1",
        merchant_id="mer_1",
        account_id="acc_1",
        customer_id="cus_1",
        subscription_id="sub_1",
        requested_at=MONDAY,
        invoices=rows,
        **(given | told),
    )
    book.know([request])
    return book


def hear(book: Book, *notices: Notice) -> None:
    for one in notices:
        absorb(book, one, terms(one.occurred_at))


def settled(book: Book) -> bool:
    return any(action.kind is ActionKind.SETTLE for action in book.all(Action))


@pytest.mark.parametrize("state", [RequestState.ENDED, RequestState.ASKED, RequestState.REFUSED])
def test_a_failure_heard_late_of_a_forgiven_invoice_opens_no_case(state: RequestState) -> None:
    book = who_left(("in_1", FORGIVEN), state=state)

    hear(book, notice(K.INVOICE_FAILED, SOON))

    assert list(book.all(Case)) == []
    assert [failure.exclusion for failure in book.all(Failure)] == ["ended_by_request"]


@pytest.mark.parametrize(
    "told",
    [
        pytest.param({"named": (("in_1", STILL_DUE),)}, id="still due"),
        pytest.param({"named": (("in_2", FORGIVEN),)}, id="another is forgiven"),
        pytest.param(
            {"named": (("in_1", FORGIVEN),), "state": RequestState.UNDONE}, id="taken back"
        ),
    ],
)
def test_a_failure_of_what_is_owed_opens_one(told: dict[str, Any]) -> None:
    # given somebody who leaves with the period, or took it back
    end = {"choice": Choice.PERIOD_END, "ends_at": MONDAY + timedelta(days=20)}
    named = told.pop("named")
    book = who_left(*named, **({"state": RequestState.STANDING} | end | told))

    hear(book, notice(K.INVOICE_FAILED, SOON))

    assert len(list(book.all(Case))) == 1


def test_a_renewal_that_nobody_was_told_of_fails_without_a_case() -> None:
    book = who_left()
    renewal = an_invoice(created_at=SOON, seen_at=SOON)

    hear(book, notice(K.INVOICE_FAILED, SOON, snapshot=renewal))

    assert list(book.all(Case)) == []
    assert settled(book)


@pytest.mark.parametrize(
    ("before", "source", "is_settled"),
    [
        pytest.param(timedelta(0), Source.SESSION, True, id="in the same second"),
        pytest.param(timedelta(minutes=1), Source.SESSION, True, id="while the word was written"),
        pytest.param(timedelta(minutes=5), Source.SESSION, False, id="known, and paid by then"),
        pytest.param(timedelta(minutes=1), Source.PROVIDER, False, id="cancelled over there"),
    ],
)
def test_a_renewal_made_while_the_word_was_written_is_let_be(
    before: timedelta, source: Source, is_settled: bool
) -> None:
    book = who_left(source=source)
    made = an_invoice(created_at=MONDAY - before, seen_at=SOON)

    hear(book, notice(K.INVOICE_UPDATED, SOON, snapshot=made))

    assert settled(book) is is_settled


@pytest.mark.parametrize(
    ("after", "told", "is_settled"),
    [
        pytest.param(0, {}, True, id="after the word"),
        pytest.param(-1, {}, False, id="a change that was paid for before it"),
        pytest.param(0, {"source": Source.PROVIDER}, False, id="cancelled over there"),
        pytest.param(
            0,
            {"choice": Choice.PERIOD_END, "ends_at": MONDAY + timedelta(days=20)},
            False,
            id="until the end it may be changed",
        ),
    ],
)
def test_a_period_that_began_as_a_pause_ended_is_let_be_after_the_word(
    after: int, told: dict[str, Any], is_settled: bool
) -> None:
    book = who_left(**told)
    at = MONDAY + timedelta(seconds=after)
    made = an_invoice(billing_reason="subscription_update", created_at=at, seen_at=SOON)

    hear(book, notice(K.INVOICE_UPDATED, SOON, snapshot=made))

    assert settled(book) is is_settled
