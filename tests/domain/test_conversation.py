"""When a letter may leave: local hours over clock changes, caps, and the final notice's rank."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.actions import Action
from app.domain.calendar import in_daytime, zone
from app.domain.dunning import Case, Waits
from app.domain.messages import Message, MessageState
from app.domain.mirror import Customer
from app.domain.policies import MessageRow
from app.domain.records import Book
from app.domain.sequence import (
    AT_MOST_IN_30_DAYS,
    PAUSE_BETWEEN,
    due_together,
    plan_letter,
    sendable_at,
)
from tests.domain.builders import terms

NOON = datetime(2026, 11, 16, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
ZONES = ["Pacific/Apia", "America/New_York", "Europe/Berlin", "Asia/Kolkata", "Australia/Lord_Howe"]


def a_message(template: str = "payment_reminder", **more: Any) -> Message:
    given: dict[str, Any] = {
        "message_id": "msg_mine",
        "merchant_id": "mer_1",
        "account_id": "acc_1",
        "case_id": "case_1",
        "step": "s",
        "template": template,
        "due_at": NOON,
    }
    return Message(**(given | more))


def sent(at: datetime, n: int = 0, **more: Any) -> Message:
    state = {"state": MessageState.SENT, "sent_at": at, "message_id": f"msg_{n}_{at.timestamp()}"}
    return a_message("payment_failed", **(state | more))


def full_month(before: datetime) -> list[Message]:
    """As many mails as the cap allows, the latest a day ago."""
    return [sent(before - timedelta(days=n + 1), n) for n in range(AT_MOST_IN_30_DAYS)]


@given(
    seconds=st.integers(0, 5 * 366 * 86_400),
    name=st.sampled_from(ZONES),
)
def test_local_daytime_is_daytime_whatever_the_clocks_do(seconds: int, name: str) -> None:
    at = NOON + timedelta(seconds=seconds)
    moved = in_daytime(at, zone(name))

    assert 8 <= moved.astimezone(zone(name)).hour < 20
    assert at <= moved <= at + timedelta(hours=14)


NIGHTS = pytest.mark.parametrize(
    ("name", "at", "leaves"),
    [
        pytest.param(
            "Europe/Berlin",
            datetime(2027, 3, 28, 1, 30, tzinfo=UTC),
            datetime(2027, 3, 28, 6, tzinfo=UTC),
            id="the night without the hour from two to three",
        ),
        pytest.param(
            "Europe/Berlin",
            datetime(2026, 10, 25, 0, 30, tzinfo=UTC),
            datetime(2026, 10, 25, 7, tzinfo=UTC),
            id="the night that has it twice",
        ),
        pytest.param(
            "America/New_York",
            datetime(2026, 11, 1, 4, tzinfo=UTC),
            datetime(2026, 11, 1, 13, tzinfo=UTC),
            id="overseas",
        ),
    ],
)


@NIGHTS
def test_a_letter_waits_for_eight_in_the_customers_morning(
    name: str, at: datetime, leaves: datetime
) -> None:
    customer = Customer(merchant_id="m", account_id="a", customer_id="c", time_zone=name)

    when, why = sendable_at(a_message(), [], customer, terms(at))

    assert (when, why) == (leaves, "local daytime")


@NIGHTS
def test_a_letter_is_planned_for_that_morning_at_once(
    name: str, at: datetime, leaves: datetime
) -> None:
    book, its_terms = Book(), terms(at)
    book.know([Customer(merchant_id="m", account_id="a", customer_id="c", time_zone=name)])
    ends = at + timedelta(days=28)
    case = Case(
        case_id="case_1", merchant_id="m", account_id="a", customer_id="c", invoice_id="in_1",
        opened_at=at, window_ends_at=ends,
    )  # fmt: skip

    plan_letter(book, case, MessageRow(step="s", template="payment_failed"), at, its_terms)

    assert [letter.due_at for letter in book.all(Message)] == [leaves]
    assert [action.due_at for action in book.all(Action)] == [leaves]


def test_a_letter_that_was_put_off_is_not_brought_forward_to_a_time_that_is_over() -> None:
    # given a letter for noon that was put off by two minutes: its action for noon is done
    book, row = Book(), MessageRow(step="s", template="payment_failed")
    book.know([Customer(merchant_id="m", account_id="a", customer_id="c", time_zone="UTC")])
    case = Case(
        case_id="case_1", merchant_id="m", account_id="a", customer_id="c", invoice_id="in_1",
        opened_at=NOON, window_ends_at=NOON + timedelta(days=28),
    )  # fmt: skip
    plan_letter(book, case, row, NOON, terms(NOON))
    (letter,) = book.all(Message)
    book.put(replace(letter, due_at=NOON + timedelta(minutes=2)))

    # when it is planned for noon again a moment later
    later = NOON + timedelta(seconds=1)
    plan_letter(book, case, row, NOON, terms(later))

    assert [letter.due_at for letter in book.all(Message)] == [later]
    assert [action.due_at for action in book.all(Action)] == [NOON, later]


@pytest.mark.parametrize(
    ("template", "others", "expected"),
    [
        pytest.param("payment_reminder", [sent(NOON - HOUR)], None, id="a reminder is dropped"),
        pytest.param(
            "payment_failed",
            [sent(NOON - 10 * HOUR)],
            NOON - 10 * HOUR + PAUSE_BETWEEN + 10 * HOUR,
            id="news wait",
        ),
        pytest.param(
            "final_notice",
            [sent(NOON - 19 * HOUR)],
            NOON + HOUR,
            id="a final notice waits as well",
        ),
        pytest.param("payment_recovered", [sent(NOON - HOUR)], NOON, id="thanks need not wait"),
        pytest.param("payment_reminder", full_month(NOON), None, id="twelve are enough"),
        pytest.param(
            "final_notice",
            full_month(NOON),
            NOON + timedelta(days=18),
            id="a final notice waits for the first place free",
        ),
        pytest.param(
            "payment_reminder",
            [replace(sent(NOON - HOUR), carried_by="msg_x")],
            NOON,
            id="what went with another is no mail of its own",
        ),
        pytest.param(
            "payment_reminder",
            [a_message("final_notice", message_id="msg_f", due_at=NOON + 5 * HOUR)],
            None,
            id="a reminder yields to a final notice that follows",
        ),
        pytest.param(
            "payment_failed",
            [a_message("final_notice", message_id="msg_f", due_at=NOON + 5 * HOUR)],
            NOON + 5 * HOUR,
            id="news go with it",
        ),
        pytest.param(
            "payment_reminder",
            [sent(NOON - HOUR, state=MessageState.UNKNOWN, sent_at=None, due_at=NOON - HOUR)],
            None,
            id="what may have left counts",
        ),
    ],
)
def test_caps_over_all_cases(
    template: str, others: list[Message], expected: datetime | None
) -> None:
    when, _ = sendable_at(a_message(template), others, None, terms(NOON))

    assert when == expected


@pytest.mark.parametrize(("waits", "together"), [(Waits.RETRYING, 1), (Waits.ON_HOLD, 0)])
def test_the_letter_of_a_held_case_travels_with_no_other(waits: Waits, together: int) -> None:
    given: dict[str, Any] = {"merchant_id": "mer_1", "account_id": "acc_1", "customer_id": "cus_1"}
    when: dict[str, Any] = {"opened_at": NOON, "window_ends_at": NOON}
    mine = Case(case_id="case_1", invoice_id="in_1", **given, **when)
    other = Case(case_id="case_2", invoice_id="in_2", waits=waits, **given, **when)
    letter = a_message(recipient="a@example.com")
    book = Book()
    book.know([mine, other, letter, replace(letter, message_id="msg_2", case_id="case_2")])

    found = due_together(book, letter, mine, NOON)

    assert len(found) == together
