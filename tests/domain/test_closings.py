"""What a case's end makes needless is dropped with it; what may still matter is left."""

from dataclasses import replace
from datetime import timedelta

import pytest

from app.domain.access import access_action
from app.domain.actions import Action, ActionKind, ActionState, action_for
from app.domain.closings import clear_away, just_ended
from app.domain.dunning import Case, CaseEvent, CaseState
from app.domain.messages import Message, MessageState
from app.domain.records import Book
from app.domain.sequence import send_action
from tests.domain.builders import MONDAY

LATER = MONDAY + timedelta(days=3)


def a_case() -> Case:
    return Case(
        case_id="case_1",
        merchant_id="mer_1",
        account_id="acc_1",
        invoice_id="in_1",
        opened_at=MONDAY,
        window_ends_at=MONDAY + timedelta(days=28),
    )


def a_letter(template: str, state: MessageState = MessageState.PLANNED) -> Message:
    return Message(
        message_id=f"msg_{template}",
        merchant_id="mer_1",
        account_id="acc_1",
        case_id="case_1",
        step=template,
        template=template,
        state=state,
        due_at=LATER,
    )


def an_action(kind: ActionKind) -> Action:
    return action_for(
        kind,
        subject="case_1",
        merchant_id="mer_1",
        account_id="acc_1",
        due_at=LATER,
        case_id="case_1",
    )


def ended(state: CaseState, *rows: object) -> Book:
    """The book of a case that has just come to this state and been cleared away behind."""
    book, case = Book(), a_case()
    book.know([case, *rows])
    book.put(case.moved(state, at=MONDAY, reason="so it was"))
    for over in just_ended(book):
        clear_away(book, over, MONDAY)
    return book


@pytest.mark.parametrize(
    ("state", "template", "then"),
    [
        (CaseState.RECOVERED, "payment_reminder", MessageState.DROPPED),
        (CaseState.RECOVERED, "subscription_ended", MessageState.DROPPED),
        (CaseState.RECOVERED, "payment_recovered", MessageState.PLANNED),
        (CaseState.EXHAUSTED, "final_notice", MessageState.DROPPED),
        (CaseState.EXHAUSTED, "subscription_ended", MessageState.PLANNED),
        (CaseState.STOPPED, "payment_reminder", MessageState.PLANNED),
        (CaseState.PARKED, "payment_reminder", MessageState.PLANNED),
    ],
)
def test_a_letter_goes_with_the_end_that_makes_it_untrue(
    state: CaseState, template: str, then: MessageState
) -> None:
    letter = a_letter(template)

    book = ended(state, letter, send_action(letter))

    action = {MessageState.PLANNED: ActionState.PENDING}.get(then, ActionState.DROPPED)
    assert [one.state for one in book.all(Message)] == [then]
    assert [one.state for one in book.all(Action)] == [action]


def test_money_that_comes_after_the_end_makes_the_letter_about_the_end_untrue() -> None:
    letter = a_letter("subscription_ended")
    book = Book()
    exhausted = a_case().moved(CaseState.EXHAUSTED, at=MONDAY, reason="the window is over")
    book.know([exhausted, letter])
    book.put(exhausted.moved(CaseState.RECOVERED, at=LATER, reason="paid"))

    for over in just_ended(book):
        clear_away(book, over, LATER)

    assert [one.state for one in book.all(Message)] == [MessageState.DROPPED]


def test_what_ends_with_the_report_that_opened_it_is_cleared_as_well() -> None:
    book, case = Book(), a_case()
    book.add(case)
    book.add(an_action(ActionKind.ASSESS))
    book.put(case.moved(CaseState.RECOVERED, at=MONDAY, reason="paid"))

    assert [over.case_id for over in just_ended(book)] == ["case_1"]


def test_of_what_ends_with_the_report_that_opened_it_nothing_stays_planned() -> None:
    book, case = Book(), replace(a_case(), subscription_id="sub_1")
    look = access_action(case, LATER, nth=f"{case.case_id}:{LATER.isoformat()}")
    other = access_action(case, LATER, nth=f"case_2:{LATER.isoformat()}")
    assert look is not None
    assert other is not None
    for row in (case, an_action(ActionKind.ASSESS), look, other, an_action(ActionKind.WATCH)):
        book.add(row)
    book.put(case.moved(CaseState.RECOVERED, at=MONDAY, reason="paid"))

    for over in just_ended(book):
        clear_away(book, over, MONDAY)

    assert book.added(Action) == [other, an_action(ActionKind.WATCH)]
    assert list(book.all(Action, case_id="case_1")) == [an_action(ActionKind.WATCH)]


def test_the_timeline_says_why_a_letter_is_not_sent() -> None:
    book = ended(CaseState.RECOVERED, a_letter("final_notice"))

    assert [line.text for line in book.all(CaseEvent)] == [
        "letter final_notice: dropped (the case is recovered)"
    ]


def test_a_letter_that_was_moved_leaves_no_second_action_behind() -> None:
    letter = a_letter("payment_recovered")
    former = send_action(letter)
    moved = replace(letter, due_at=LATER + timedelta(days=1))

    book = ended(CaseState.RECOVERED, moved, former, send_action(moved))

    states = {one.due_at: one.state for one in book.all(Action)}
    assert states == {former.due_at: ActionState.DROPPED, moved.due_at: ActionState.PENDING}


def test_a_letter_on_its_way_keeps_the_action_that_finds_out_about_it() -> None:
    letter = a_letter("payment_reminder", MessageState.SENDING)

    book = ended(CaseState.RECOVERED, letter, send_action(letter))

    assert [one.state for one in book.all(Message)] == [MessageState.SENDING]
    assert [one.state for one in book.all(Action)] == [ActionState.PENDING]


@pytest.mark.parametrize(
    ("kind", "then"),
    [
        (ActionKind.RETRY, ActionState.DROPPED),
        (ActionKind.END, ActionState.DROPPED),
        (ActionKind.ASSESS, ActionState.DROPPED),
        (ActionKind.RESOLVE, ActionState.PENDING),
        (ActionKind.WATCH, ActionState.PENDING),
        (ActionKind.GIVE_BACK, ActionState.PENDING),
    ],
)
def test_what_is_done_about_an_active_case_alone_goes_and_a_doubt_stays(
    kind: ActionKind, then: ActionState
) -> None:
    book = ended(CaseState.RECOVERED, an_action(kind))

    assert [one.state for one in book.all(Action)] == [then]
