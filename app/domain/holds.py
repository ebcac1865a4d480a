"""Holds: reasons to wait. While one stands nothing is charged, nobody is urged, nothing ends."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from app.domain.actions import ActionKind
from app.domain.dunning import Case, CaseState, Waits
from app.domain.messages import Message, MessageState
from app.domain.mirror import Dispute
from app.domain.movements import is_ending
from app.domain.old_debts import is_held
from app.domain.openings import case_action
from app.domain.records import Book
from app.domain.sequence import FINAL_NOTICE_AHEAD, send_action
from app.domain.terms import Terms, note


class HoldReason(StrEnum):
    """Why nothing is charged and nobody is urged for a while."""

    OPERATOR = "operator"
    PROMISE_TO_PAY = "promise_to_pay"
    DISPUTE = "dispute"


WORDS = {
    HoldReason.OPERATOR: "held by an operator",
    HoldReason.PROMISE_TO_PAY: "the customer promised to pay",
    HoldReason.DISPUTE: "a payment of this customer is disputed",
}
RELEASED = "released by an operator"
# Of a parked case holds are kept for when it is taken up again.
MAY_BE_HELD = frozenset({CaseState.ACTIVE, CaseState.PARKED})


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """One reason to wait. `name` tells it from others of the case: the reason of one that a
    person set, the provider's id of a dispute. At `until` (aware UTC) it ends by itself; None
    leaves it open."""

    name: str
    reason: HoldReason
    until: datetime | None = None
    note: str | None = None

    @classmethod
    def of(cls, stored: Mapping[str, Any]) -> "Hold":
        """A hold as it is stored in the case."""
        until = stored.get("until")
        return cls(
            name=stored["name"],
            reason=HoldReason(stored["reason"]),
            until=datetime.fromisoformat(until) if until else None,
            note=stored.get("note"),
        )

    def stored(self) -> dict[str, Any]:
        """The hold in JSON: only what is known."""
        until = self.until.isoformat() if self.until else None
        known = {
            "name": self.name,
            "reason": self.reason.value,
            "until": until,
            "note": self.note,
        }
        return {name: value for name, value in known.items() if value is not None}


def holds_of(case: Case) -> tuple[Hold, ...]:
    """The reasons to wait that are in force, in the order in which they began."""
    return tuple(Hold.of(stored) for stored in case.holds)


def is_barred(case: Case, *, by_link: bool) -> bool:
    """Whether a case on hold bars a charge. A card that the customer entered by way of our link
    is their own payment: a promise and an operator's hold let it through, a dispute does not, nor
    does an old debt that nobody has released."""
    if case.waits is not Waits.ON_HOLD:
        return False
    disputed = any(hold.reason is HoldReason.DISPUTE for hold in holds_of(case))
    return not by_link or disputed or not case.holds or is_held(case)


def must_rest(case: Case) -> bool:
    """Whether the provider must not collect this invoice by itself either: while the case is held
    for a reason of its own, and after it was stopped."""
    held = case.state in MAY_BE_HELD and bool(case.holds)
    return held or case.state is CaseState.STOPPED


def put_on_hold(book: Book, case: Case, hold: Hold, terms: Terms) -> Case:
    """Let an active case wait; the case as it is now, also put into the book.

    A hold of the same name is replaced, others stay beside it: the case goes on when the last
    has ended. The same hold twice is one, and a case that is over, or whose end is being carried
    out, is left as it is.
    """
    known = holds_of(case)
    if case.state not in MAY_BE_HELD or hold in known or is_ending(case):
        return case
    standing = [other for other in known if other.name != hold.name]
    held = replace(
        case,
        waits=Waits.ON_HOLD if case.state is CaseState.ACTIVE else case.waits,
        next_attempt_at=None,
        holds=tuple(one.stored() for one in (*standing, hold)),
    )
    until = f" until {hold.until.isoformat(timespec='minutes')}" if hold.until else ""
    words = f"{WORDS[hold.reason]}{until}" + (f": {hold.note}" if hold.note else "")
    note(book, held, terms.now, "on_hold", words)
    book.put(held)
    if hold.until is not None:
        nth = f"{hold.name}:{hold.until.isoformat()}"
        book.add(case_action(held, ActionKind.RELEASE, hold.until, nth=nth))
    look_at_collection(book, held, terms)
    return held


def lift(book: Book, case: Case, ends: Callable[[Hold], bool], why: str, terms: Terms) -> Case:
    """End the holds of which `ends` says so; the case as it is now, also put into the book.

    With the last of them the case goes on where it stood: its end and the letters counted back
    from it move by the time it was held, and what follows is decided after a look at the live
    invoice. Nothing ends within 72 hours of a release. An old debt waits on.
    """
    left = [hold for hold in holds_of(case) if not ends(hold)]
    if len(left) == len(case.holds) or case.state not in MAY_BE_HELD:
        return case
    note(book, case, terms.now, "hold_lifted", why)
    case = replace(case, holds=tuple(hold.stored() for hold in left))
    if not left and case.state is CaseState.ACTIVE and not is_held(case):
        case = _goes_on(book, case, terms)
    book.put(case)
    look_at_collection(book, case, terms)
    return case


def _goes_on(book: Book, case: Case, terms: Terms) -> Case:
    now = terms.now
    held_for = now - (case.hold_began or now)
    end = max(case.window_ends_at + held_for, now + FINAL_NOTICE_AHEAD)
    case = replace(case, waits=Waits.RETRYING, window_ends_at=end)
    _move_letters(book, case, terms)
    begin_again(book, case, now, end, nth=f"release:{now.isoformat()}")
    return case


def begin_again(book: Book, case: Case, due: datetime, end: datetime, *, nth: str) -> None:
    """A case goes on: looked at live at `due` and then decided upon, ended at `end`."""
    again: dict[str, str | None] = {"again": nth}
    book.add(case_action(case, ActionKind.ASSESS, due, nth=nth, data=again))
    book.add(case_action(case, ActionKind.END, end, nth=end.isoformat()))


def _move_letters(book: Book, case: Case, terms: Terms) -> None:
    """Letters that are counted back from the end move with it."""
    rows = terms.policy_of(case).messages
    back = {row.step: timedelta(days=row.before_end) for row in rows if row.before_end}
    for message in list(book.all(Message)):
        mine = message.case_id == case.case_id and message.state is MessageState.PLANNED
        if mine and message.step in back:
            due = case.window_ends_at - back[message.step]
            moved = replace(message, due_at=due, reason=None)
            book.put(moved)
            book.add(send_action(moved))


def release_old_debt(book: Book, case: Case, due: datetime) -> Case:
    """An old debt is collected from `due` on, with as long a window as if it had failed then. One
    that is held for another reason too stays held."""
    ends_at = due + (case.window_ends_at - case.opened_at)
    waits = Waits.ON_HOLD if case.holds else Waits.RETRYING
    begun = replace(case, waits=waits, reason=None, window_ends_at=ends_at)
    book.put(begun)
    begin_again(book, begun, due, ends_at, nth="released")
    return begun


def look_at_collection(book: Book, case: Case, terms: Terms) -> None:
    """Where the provider collects the invoice, it rests when we do, and goes on with us."""
    if not case.driven:
        nth = f"{case.state}:{len(case.holds)}:{terms.now.isoformat()}"
        book.add(case_action(case, ActionKind.COLLECTION, terms.now, nth=nth))


def share_disputes(book: Book, case: Case | None, terms: Terms) -> None:
    """A new case of a customer who disputes a payment is held by that as well, whether or not
    another of theirs is."""
    if case is None or case.customer_id is None or case.state is not CaseState.ACTIVE:
        return
    if not book.is_new(case):
        return
    for dispute in list(book.all(Dispute, customer_id=case.customer_id)):
        if dispute.is_open:
            hold = Hold(name=dispute.dispute_id, reason=HoldReason.DISPUTE)
            case = put_on_hold(book, case, hold, terms)
    for other in list(book.all(Case, customer_id=case.customer_id)):
        for hold in holds_of(other):
            if hold.reason is HoldReason.DISPUTE and other.case_id != case.case_id:
                case = put_on_hold(book, case, hold, terms)
