"""What people may expect: letters that are true, by day and not too many, tries of their own that
spend none of ours, and nobody else's data."""

from datetime import datetime, timedelta
from typing import Any, Protocol

from app.domain.dunning import Attempt, AttemptState, Case, CaseEvent, CaseState, Trigger
from app.domain.messages import Mail, Message, MessageState
from app.domain.sequence import DUNNING_TEMPLATES
from tests.simulation.house import House
from tests.simulation.ledger import Written

# Said here once more, so that a fault in the product's own tables cannot hide itself.
SAYS = {"ended": "subscription_ended", "recovered": "payment_recovered", "final": "final_notice"}
TRUE_WHILE = {"subscription_ended": CaseState.EXHAUSTED, "payment_recovered": CaseState.RECOVERED}
LOOK_IS_GOOD_FOR = timedelta(hours=1)  # a mail may leave so long after the look that allowed it
DAY_BEGINS, DAY_ENDS = 8, 21  # the merchant's zone is UTC; a look is good for an hour after 20
CLOCKS_APART = timedelta(minutes=1)  # as far as clocks of workers may be off
APART = timedelta(hours=19)  # 20 by what is written down, an hour of which the look may be old
# What stopped may be told in more words later: forgiven, and then that the provider knows it.
TOLD_ONCE = frozenset({CaseState.RECOVERED, CaseState.EXHAUSTED, CaseState.PARKED})


class Requires(Protocol):
    """`rules.Rules`, as far as it is needed here."""

    house: House

    def require(self, holds: bool, name: str, why: object) -> None:
        """End the history where it does not hold."""


class Posting(Requires, Protocol):
    """`rules.Rules`, as far as letters are concerned. `begun` says of each how its case was when it
    was last on its way to be sent, and when that was."""

    begun: dict[str, tuple[CaseState, datetime]]


def was_true(
    told: str, state: CaseState, begun: tuple[CaseState, datetime] | None, now: datetime
) -> bool:
    """Whether a letter said what was so: of the case as it is, or as it was not long ago when the
    letter was begun, because nothing that comes after that can call it back."""
    means = TRUE_WHILE.get(told, state)
    as_begun = begun is not None and begun[0] is means and now - begun[1] <= LOOK_IS_GOOD_FOR
    return state is means or as_begun


def is_fair(rules: Posting, mail: Mail, message: Message) -> None:
    """A letter of a case as it leaves."""
    if message.case_id is None:
        return
    house, now = rules.house, rules.house.machine.now()
    told = mail.body.subject
    meant = SAYS.get(message.step, told)
    rules.require(told == meant, "I9", f"{message.step} was told in the words of {told}")
    case: Case = house.ledger.row(Case, message.case_id)
    true = was_true(told, case.state, rules.begun.get(message.message_id), now)
    rules.require(true, "I9", f"{told} of a case that is {case.state}")
    by_day = (now + CLOCKS_APART).hour >= DAY_BEGINS and (now - CLOCKS_APART).hour < DAY_ENDS
    rules.require(by_day, "I9", f"{message.step} at {now:%H:%M}")
    if told in DUNNING_TEMPLATES:
        _is_apart(rules, message)


def _is_apart(rules: Requires, message: Message) -> None:
    """No second letter about a failure within a day to the same person, over all their cases."""
    now = rules.house.machine.now()
    for other in rules.house.ledger.rows(Message):
        theirs = (other.merchant_id, other.recipient) == (message.merchant_id, message.recipient)
        mine = theirs and other.message_id != message.message_id
        left = other.state is MessageState.SENT and other.template in DUNNING_TEMPLATES
        if mine and left and other.sent_at is not None:
            apart = now - other.sent_at
            rules.require(apart >= APART, "I9", f"{message.step} {apart} after {other.step}")


def counts_ours_alone(rules: Requires, case: Case) -> None:
    """What the policy limits are the tries that we began by ourselves."""
    own = [
        one
        for one in rules.house.ledger.rows(Attempt)
        if one.case_id == case.case_id and one.trigger is Trigger.HOLDFAST
    ]
    made = sum(one.state is not AttemptState.NOT_EXECUTED for one in own)
    rules.require(case.attempts_used == made, "I7", f"{case.attempts_used} counted of {made} tries")


def is_told_once(rules: Requires, line: CaseEvent, written: Written) -> None:
    """An end stands in the timeline when it comes, and never again."""
    if line.type not in TOLD_ONCE:
        return
    moved = any(
        isinstance(row, Case) and row.case_id == line.case_id and row.state == line.type
        and (before is None or before.state is not row.state)  # some cases are born over
        for before, row in written
    )  # fmt: skip
    rules.require(moved, "I14", f"{line.type} is told of a case that did not move")


def is_theirs(rules: Requires, customer: str, row: Any, what: str) -> None:
    """What a person is shown is about themselves."""
    # what their own provider does not know is another's
    shown = row["customer"] if isinstance(row, dict) else getattr(row, "customer_id", None)
    rules.require(shown == customer, "I13", f"{what} of somebody else")
