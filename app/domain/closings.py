"""How a report ends a case, what its end makes needless, and whose cases reports concern."""

from collections.abc import Iterator
from datetime import datetime

from app.domain.actions import Action, ActionKind, ActionState
from app.domain.dunning import Case, CaseState
from app.domain.messages import Message, MessageState
from app.domain.movements import is_ending
from app.domain.old_debts import is_held
from app.domain.records import Book, changed
from app.domain.sequence import is_true_of, letters_on, plan_letter, send_action
from app.domain.terms import Terms, note

CANCELLED = "the customer cancelled"  # why a case is stopped
# What is over for good: such a case is never worked again.
OVER = frozenset({CaseState.RECOVERED, CaseState.EXHAUSTED})
# What is done about an active case alone.
OF_THE_ACTIVE = frozenset({ActionKind.ASSESS, ActionKind.RETRY, ActionKind.END})


def close_case(book: Book, case: Case, state: CaseState, reason: str, terms: Terms) -> None:
    """End a case because of a report; an end of our own making is not taken for another's."""
    if case.state not in {CaseState.ACTIVE, CaseState.PARKED} or is_ending(case):
        return
    moved = case.moved(state, at=terms.now, reason=reason)
    note(book, moved, terms.now, state, reason)
    book.put(moved)


def tell_of_the_end(book: Book, case: Case, terms: Terms) -> None:
    """Plan the letter about an end that was not carried out by us. `case` is as it was before."""
    if is_held(case):
        return
    now = book.get(Case, case.case_id)
    if now is None or now.state is not CaseState.EXHAUSTED or now.silent:
        return
    for row in letters_on("ended", terms.policy_of(now)):
        plan_letter(book, now, row, terms.now, terms)


def just_ended(book: Book) -> list[Case]:
    """The cases of the book that have come to an end for good since they were loaded, among them
    such as were opened meanwhile."""
    over = [case for case in [*book.changed(Case), *book.added(Case)] if case.state in OVER]
    return [c for c in over if (was := book.before(c)) is None or was.state is not c.state]


def clear_away(book: Book, case: Case, now: datetime) -> None:
    """Drop what was planned about a case that is over: letters that are not true any more and
    what would be done about an active one. The book knows its letters and pending actions.

    A letter on its way is left to its action, and so is any doubt about a charge.
    """
    why = f"the case is {case.state}"
    for letter in list(book.all(Message, case_id=case.case_id)):
        if letter.state is MessageState.PLANNED and not is_true_of(letter, case):
            dropped = changed(letter, state=MessageState.DROPPED, reason=why)
            settle_letter(book, case, dropped, now)
    needless = [
        action
        for action in book.all(Action, case_id=case.case_id)
        if action.state is ActionState.PENDING and _is_needless(book, action)
    ]
    if book.is_new(case):
        _forget(book, case, needless)
        return
    for action in needless:
        over = changed(action, state=ActionState.DROPPED, leased_until=None, note=why)
        book.put(over)


def _forget(book: Book, case: Case, needless: list[Action]) -> None:
    """What began and ended with the same reports was never planned: no row of it is written. With
    a recovered case goes the look at what its customer may use."""
    looks = book.all(Action, kind=ActionKind.ACCESS_CHANGE, subject=case.subscription_id)
    if case.state is CaseState.RECOVERED:
        needless += [action for action in looks if f":{case.case_id}:" in action.key]
    for action in needless:
        book.forget(action)


def settle_letter(book: Book, case: Case, letter: Message, now: datetime) -> None:
    """Put what became of a letter, and say so in its case's timeline."""
    book.put(letter)
    words = f"letter {letter.step}: {letter.state}"
    words += f" ({letter.reason})" if letter.reason else ""
    note(book, case, now, "message", words, {"template": letter.template})


def _is_needless(book: Book, action: Action) -> bool:
    if action.kind is not ActionKind.SEND:
        return action.kind in OF_THE_ACTIVE
    letter = book.get(Message, action.subject)
    if letter is None or letter.state is MessageState.SENDING:
        return False
    return letter.state is not MessageState.PLANNED or action.key != send_action(letter).key


def cases_of(book: Book, customer: str | None) -> Iterator[Case]:
    """The known cases of a customer, whatever their state; none where nobody is named."""
    return book.all(Case, customer_id=customer) if customer else iter(())
