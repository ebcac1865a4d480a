"""Which moves of which rows are told, and which are not."""

import ast
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from app.domain.actions import ActionKind
from app.domain.dunning import Attempt, AttemptState, Case, CaseState
from app.domain.events_catalogue import CATALOGUE, FIELDS, EventType
from app.domain.events_payloads import outgoing
from app.domain.events_telling import Move
from app.domain.mirror import Invoice
from app.domain.openings import case_action
from app.domain.records import Book
from tests.domain.builders import MONDAY, a_subscription, an_invoice, on_day
from tests.domain.events_examples import (
    ATTEMPT,
    CASE,
    ENTRY,
    HELD,
    LINK,
    MESSAGE,
    PARKED,
    WENT,
    ended,
    examples,
    told,
)

UNKNOWN = "somebody@example.com"


def types(*moves: Move) -> list[str]:
    return [event.type for event in told(*moves)]


def test_every_type_has_a_row_and_an_example() -> None:
    assert set(CATALOGUE) == set(EventType)
    assert set(examples()) == set(EventType)


@pytest.mark.parametrize("kind", EventType)
def test_a_payload_has_the_fields_of_its_row_in_their_order(kind: EventType) -> None:
    event = examples()[kind]

    assert tuple(event.data) == CATALOGUE[kind].fields
    assert event.version == CATALOGUE[kind].version
    assert all(value is None or type(value) in (str, int, bool) for value in event.data.values())


def test_every_field_is_explained_and_none_that_is_not_told() -> None:
    assert set(FIELDS) == {name for row in CATALOGUE.values() for name in row.fields}


@pytest.mark.parametrize("secret", ["one@example.com", "whsec_", "0" * 64])
def test_no_payload_has_an_address_or_a_secret(secret: str) -> None:
    assert not [kind for kind, event in examples().items() if secret in repr(event.data)]


def test_a_payload_with_other_fields_is_no_payload() -> None:
    with pytest.raises(ValueError, match="is told with"):
        outgoing(
            EventType.ACCOUNT_RESUMED,
            CASE,
            subject="acc_1",
            key="1",
            at=MONDAY,
            now=MONDAY,
            data={"account": "acc_1", "email": UNKNOWN},
        )


@pytest.mark.parametrize(
    "move",
    [
        pytest.param(Move(CASE, replace(CASE, due_minor=1)), id="another amount"),
        pytest.param(Move(PARKED, replace(PARKED, due_minor=1)), id="a parked case stays parked"),
        pytest.param(Move(HELD, replace(HELD, due_minor=1)), id="a held case stays held"),
        pytest.param(Move(ATTEMPT, replace(ATTEMPT, reads=1)), id="in doubt"),
        pytest.param(
            Move(ATTEMPT, replace(ATTEMPT, state=AttemptState.UNKNOWN)),
            id="no answer is no refusal",
        ),
        pytest.param(Move(MESSAGE, replace(MESSAGE, reason="later")), id="a letter put off"),
        pytest.param(Move(None, replace(WENT, kind="sent"), new=True), id="a link that was sent"),
        pytest.param(Move(None, replace(WENT, link_id="lnk_x"), new=True), id="an unknown link"),
        pytest.param(Move(None, replace(ENTRY, case_id="case_x"), new=True), id="an unknown case"),
        pytest.param(Move(None, a_subscription(status="canceled")), id="an end of long ago"),
        pytest.param(
            Move(a_subscription(status="canceled"), a_subscription(status="canceled", plan="x")),
            id="ended already",
        ),
        pytest.param(Move(None, an_invoice()), id="an invoice"),
        pytest.param(Move(None, case_action(CASE, ActionKind.RETRY, MONDAY), new=True), id="plan"),
    ],
)
def test_what_is_not_told(move: Move) -> None:
    assert types(move) == []


def test_an_attempt_is_told_once_however_it_is_moved_afterwards() -> None:
    declined = replace(ATTEMPT, state=AttemptState.DECLINED, resolved_at=on_day(5))

    assert types(Move(declined, replace(declined, fingerprint="fp"))) == []


def test_money_after_the_end_recovers_but_closes_nothing_a_second_time() -> None:
    exhausted = CASE.moved(CaseState.EXHAUSTED, at=on_day(3), reason="the window is over")

    late = exhausted.moved(CaseState.RECOVERED, at=on_day(5), reason="paid")

    assert types(Move(exhausted, late)) == ["dunning.case.recovered"]


def test_a_case_that_is_paid_when_it_opens_is_opened_first() -> None:
    paid = CASE.moved(CaseState.RECOVERED, at=on_day(0), reason="paid")

    events = told(Move(None, paid, new=True))

    assert [event.type for event in events] == [
        "dunning.case.opened",
        "dunning.case.recovered",
        "dunning.case.closed",
    ]
    assert events[0].data["state"] == "active"


def test_a_use_case_is_told_in_the_order_in_which_things_follow() -> None:
    approved = replace(ATTEMPT, state=AttemptState.APPROVED, resolved_at=on_day(5))

    told_types = types(
        ended(CaseState.RECOVERED, "paid"),
        Move(None, ENTRY, new=True),
        Move(ATTEMPT, approved),
        Move(None, WENT, new=True),
    )

    assert told_types == [
        "dunning.message.clicked",
        "dunning.attempt.succeeded",
        "recovered_revenue.entered",
        "dunning.case.recovered",
        "dunning.case.closed",
    ]


def test_the_same_fact_is_the_same_event_and_another_is_another() -> None:
    first, again = (told(Move(None, ENTRY, new=True))[0] for _ in range(2))
    other = told(Move(None, replace(ENTRY, entry_id="rec_x"), new=True))[0]

    assert first == again
    assert first.event_id != other.event_id


def test_a_book_remembers_what_a_row_was_before_its_first_change() -> None:
    book = Book()
    book.know([CASE])
    book.put(replace(CASE, due_minor=2))
    book.put(replace(CASE, due_minor=1))
    book.put(an_invoice())

    changed = {kind: [book.before(row) for row in book.changed(kind)] for kind in book.kinds()}

    assert changed == {Case: [CASE], Invoice: [None]}


def test_what_is_added_and_then_changed_is_new() -> None:
    book = Book()
    book.add(ATTEMPT)
    book.put(replace(ATTEMPT, state=AttemptState.APPROVED))

    assert [row.state for row in book.added(Attempt)] == [AttemptState.APPROVED]
    assert book.changed(Attempt) == []


def test_no_field_of_a_row_is_told_whole() -> None:
    """Payloads are written out by name: no `asdict`, which would tell of a new field unseen."""
    names = {
        node.id
        for path in Path("app/domain").glob("events*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Name)
    }

    assert not names & {"asdict", "vars", "fields_of"}


def _rows() -> list[Any]:
    return [CASE, ATTEMPT, MESSAGE, LINK, ENTRY]


def test_the_examples_are_of_one_case() -> None:
    assert {row.case_id for row in _rows()} == {CASE.case_id}
    assert isinstance(ATTEMPT, Attempt)
