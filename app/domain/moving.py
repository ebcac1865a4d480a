"""Moving a case to another policy version: a command, never a side effect of publishing."""

from dataclasses import replace
from datetime import datetime

from app.domain.actions import ActionKind
from app.domain.dunning import Case, CaseState, IllegalMove
from app.domain.messages import Message, MessageState
from app.domain.movements import is_ending
from app.domain.openings import case_action, window_of
from app.domain.policies import Policy
from app.domain.records import Book
from app.domain.sequence import message_class, planned_for, send_action
from app.domain.terms import Terms, note


def move_case(book: Book, case: Case, policy: Policy, terms: Terms) -> Case:
    """Let a case go on under another version; the case as it is now, also put into the book.

    The window is measured anew from the first failure, the next attempt is decided anew after a
    look at the live invoice, letters that have not left follow the new table. What was done is
    done: attempts and letters count on. Safe to repeat: a case that has the version stays.

    Raises `IllegalMove` for a case that is over or whose end was begun, and for one that we drive
    where the policy leaves it to the provider: give the account back first.
    """
    if case.policy == policy.label:
        return case
    if case.state is not CaseState.ACTIVE:
        raise IllegalMove(f"case {case.case_id} is {case.state}: only an active case is moved")
    if is_ending(case):
        raise IllegalMove(f"the end of case {case.case_id} is being carried out")
    if case.driven and not policy.drives(terms.account.mode):
        raise IllegalMove(f"case {case.case_id} is driven, and {policy.label} drives nothing")
    was = case.policy
    moved = replace(
        case,
        policy=policy.label,
        mode=policy.mode_in(terms.account.mode),
        window_ends_at=case.opened_at + window_of(policy, case.interval),
        silent=not policy.is_material(case.amount_minor, case.currency),
        next_attempt_at=None,
    )
    book.put(moved)
    end = max(moved.window_ends_at, terms.now)
    book.add(case_action(moved, ActionKind.END, end, nth=f"{policy.label}:{end.isoformat()}"))
    nth = f"{policy.label}:{terms.now.isoformat()}"
    book.add(case_action(moved, ActionKind.ASSESS, terms.now, nth=nth))
    _move_letters(book, moved, policy, terms)
    text = f"moved from {was} to {policy.label}"
    note(book, moved, terms.now, "policy", text, {"from": was, "to": policy.label})
    return moved


def _move_letters(book: Book, case: Case, policy: Policy, terms: Terms) -> None:
    """Letters that have not left go by the new table, or not at all."""
    for message in list(book.all(Message)):
        if message.case_id != case.case_id or message.state is not MessageState.PLANNED:
            continue
        due = None if case.silent else _due(message, case, policy, terms)
        if due is None:
            why = f"{policy.label} has no such letter"
            book.put(replace(message, state=MessageState.DROPPED, reason=why))
        elif due != message.due_at:
            moved = replace(message, due_at=due, reason=None)
            book.put(moved)
            book.add(send_action(moved))


def _due(message: Message, case: Case, policy: Policy, terms: Terms) -> datetime | None:
    for row in policy.messages:
        same = (row.step, row.template) == (message.step, message.template)
        if same and row.for_class in {"any", message_class(case)}:
            return planned_for(row, case, terms)
    return None
