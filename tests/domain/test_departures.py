"""What the provider reports after somebody has left: what they were told counts."""

from dataclasses import replace
from datetime import datetime, timedelta
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
from app.domain.departures import to_give_back
from app.domain.dunning import Case
from app.domain.mirror import Payment
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
    terms,
)

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
        "invoices": rows,
    }
    request = CancelRequest(
        request_id="cxr_1",
        merchant_id="mer_1",
        account_id="acc_1",
        customer_id="cus_1",
        subscription_id="sub_1",
        requested_at=MONDAY,
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


@pytest.mark.parametrize(
    ("ends", "state"),
    [
        pytest.param(MONDAY + timedelta(days=20), RequestState.STANDING, id="it stands"),
        pytest.param(None, RequestState.UNDONE, id="it was taken back"),
    ],
)
def test_an_event_that_shows_no_end_is_not_believed_before_a_look(
    ends: datetime | None, state: RequestState
) -> None:
    # given an end that is planned, and an event of the same second that does not show it yet
    end = MONDAY + timedelta(days=20)
    book = who_left(choice=Choice.PERIOD_END, ends_at=end, state=RequestState.STANDING)
    hear(book, a_plan(MONDAY, end), a_plan(MONDAY, None))
    (request,), looks = book.all(CancelRequest), list(book.all(Action, kind=ActionKind.READ))
    assert (request.state, len(looks)) == (RequestState.STANDING, 1)

    # when what is live is read
    live = (looks[0].data or {})["event"]
    hear(book, replace(a_plan(SOON, ends), event=live))

    (request,) = book.all(CancelRequest)
    assert request.state is state


def test_a_look_by_a_clock_that_is_behind_takes_back_no_end_that_it_shows() -> None:
    # given an end that the provider has, and a row by a clock ahead that does not know it yet
    end = MONDAY + timedelta(days=20)
    book = who_left(choice=Choice.PERIOD_END, ends_at=end, state=RequestState.STANDING)
    book.put(a_subscription(seen_at=MONDAY + timedelta(seconds=9)))

    # when it is read by a clock that is behind
    hear(book, replace(a_plan(MONDAY, end), event="end:cancel"))

    # then it stands
    (request,) = book.all(CancelRequest)
    assert request.state is RequestState.STANDING


@pytest.mark.parametrize("choice", [Choice.NOW, Choice.WITHDRAWAL])
@pytest.mark.parametrize(
    ("reason", "metered"),
    [
        pytest.param("subscription_cycle", False, id="a renewal"),
        pytest.param("subscription_cycle", True, id="what was used"),
        pytest.param("subscription_update", False, id="a change"),
    ],
)
def test_of_an_end_at_once_no_invoice_was_told_whatever_it_is_for(
    choice: Choice, reason: str, metered: bool
) -> None:
    book = who_left(choice=choice)
    book.put(a_subscription(items=({"id": "si_1", "metered": metered},)))
    made = an_invoice(billing_reason=reason, created_at=SOON, seen_at=SOON)

    hear(book, notice(K.INVOICE_UPDATED, SOON, snapshot=made))

    assert settled(book)


def test_an_end_that_is_moved_over_there_lets_what_is_renewed_until_then_be_paid() -> None:
    # given an end with the period, planned at the provider, that the merchant moves by a month
    first, second = MONDAY + timedelta(days=20), MONDAY + timedelta(days=50)
    book = who_left(choice=Choice.PERIOD_END, ends_at=first, state=RequestState.STANDING)
    hear(book, a_plan(MONDAY, first), a_plan(SOON, second))

    # when the periods are over
    renewal = an_invoice(created_at=first, seen_at=first)
    hear(book, notice(K.INVOICE_UPDATED, first, snapshot=renewal))
    of_the_first = settled(book)
    beyond = an_invoice(invoice_id="in_2", created_at=second, seen_at=second)
    hear(book, notice(K.INVOICE_UPDATED, second, snapshot=beyond))

    (request,) = book.all(CancelRequest)
    assert request.ends_at == second
    assert (of_the_first, settled(book)) == (False, True)


def test_an_end_that_the_provider_first_hears_of_in_the_next_period_is_as_it_was_told() -> None:
    # given a word just before the end, and a provider that planned it for the next one
    end, late = MONDAY + timedelta(hours=1), MONDAY + timedelta(days=30)
    told = {"choice": Choice.PERIOD_END, "ends_at": end}
    book = who_left(**told, state=RequestState.ASKED)
    hear(book, a_plan(end, late))
    (request,) = book.all(CancelRequest)
    book.put(request.moved(RequestState.STANDING, at=end))
    hear(book, a_plan(end + timedelta(seconds=5), late))

    renewal = an_invoice(created_at=end, seen_at=end)
    hear(book, notice(K.INVOICE_UPDATED, end, snapshot=renewal))

    assert settled(book)


def a_plan(at: datetime, end: datetime | None) -> Notice:
    """The subscription as it is to end then, or not at all."""
    flagged = end is not None
    shown = a_subscription(cancel_at=end, cancel_at_period_end=flagged, seen_at=at)
    return notice(K.SUBSCRIPTION_CHANGED, at, snapshot=shown, subscription="sub_1")


def paid_by(*parts: tuple[int, int]) -> list[Payment]:
    """Payments of so much each, newest first, of which so much went back."""
    return [
        a_payment(SOON, payment_id=f"pi_{n}", amount_minor=paid, refunded_minor=refunded)
        for n, (paid, refunded) in enumerate(parts)
    ]


@pytest.mark.parametrize(
    ("payments", "told", "back"),
    [
        pytest.param([(3000, 0)], 3000, ["pi_0"], id="all at once"),
        pytest.param([(2000, 0), (1000, 0)], 2000, ["pi_0"], id="a part was paid before"),
        pytest.param([(2000, 2000), (1000, 0)], 2000, [], id="it went back already"),
        pytest.param([(3000, 500)], 3000, ["pi_0"], id="a part of it went back"),
        pytest.param([(2000, 0), (1000, 0)], None, ["pi_0", "pi_1"], id="it was not to come"),
    ],
)
def test_what_was_paid_before_the_word_stays_paid(
    payments: list[tuple[int, int]], told: int | None, back: list[str]
) -> None:
    row = {"invoice": "in_1", "amount_minor": told, "outcome": FORGIVEN}
    book = who_left(invoices=(row,) if told else ())
    (request,) = book.all(CancelRequest)

    found = to_give_back(request, "in_1", paid_by(*payments))

    assert [payment.payment_id for payment in found] == back


@pytest.mark.parametrize(("choice", "is_settled"), [(Choice.NOW, True), (Choice.PERIOD_END, False)])
def test_with_metered_items_the_last_invoice_stands_where_it_was_told(
    choice: Choice, is_settled: bool
) -> None:
    book = who_left(choice=choice)
    book.put(a_subscription(items=({"id": "si_1", "metered": True},)))
    made = an_invoice(created_at=SOON, seen_at=SOON)

    hear(book, notice(K.INVOICE_UPDATED, SOON, snapshot=made))

    assert settled(book) is is_settled
