"""A charge that certainly did not happen is planned anew, unless a hold came meanwhile."""

from dataclasses import replace

import pytest

from app.domain.actions import Action, ActionKind
from app.domain.dunning import Attempt, AttemptState, Case, Trigger, Waits
from app.domain.outcomes import Outcome, PayAnswer, take_answer
from app.domain.records import Book
from tests.domain.builders import terms
from tests.domain.test_causes import a_case, an_attempt


def turned_away(case: Case) -> tuple[Case, list[ActionKind]]:
    """The case after the provider was too busy for its charge, and what was planned."""
    attempt = replace(an_attempt(Trigger.HOLDFAST), state=AttemptState.SENT)
    book = Book()
    book.know([case, attempt])
    after = take_answer(book, case, attempt, PayAnswer(outcome=Outcome.NOT_EXECUTED), terms())
    assert [one.state for one in book.all(Attempt)] == [AttemptState.NOT_EXECUTED]
    return after, [action.kind for action in book.added(Action)]


@pytest.mark.parametrize("waits", [Waits.RETRYING, Waits.ON_HOLD])
def test_no_try_is_announced_of_a_case_held_while_the_provider_was_asked(waits: Waits) -> None:
    after, planned = turned_away(replace(a_case(), waits=waits))

    held = waits is Waits.ON_HOLD
    assert (after.next_attempt_at is None) is held
    assert planned == ([] if held else [ActionKind.RETRY])
