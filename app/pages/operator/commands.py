"""What a person may do with a case: a row each, which is a button on its page.

Each row is the command of the API of the same name, with the same scope, audit and refusals.
"""

import re
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import date

from app.domain import case_commands as orders
from app.domain.dunning import Case, CaseKind, CaseState, IllegalMove, Waits
from app.domain.holds import HoldReason
from app.ports.world import World
from app.services import case_commands, policies, policy_moves
from app.services.api_keys import Caller
from app.services.case_commands import Order
from app.services.cases import UnknownCase
from app.words.plain import one_line

Form = Mapping[str, str]
ONCE = re.compile(r"[A-Za-z0-9_\-]{8,100}")
DAY = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
WORDS_AT_MOST = 500
LABEL = r"[a-z][a-z0-9_\-]{0,39}@[1-9][0-9]{0,6}"


class CommandRefused(ValueError):
    """The command was understood and not carried out; says why, and nothing was changed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """A question of a command: a text, a day (`kind` date) or one of `choices`."""

    name: str
    label: str
    kind: str = "text"
    hint: str = ""
    pattern: str = ""
    choices: tuple[tuple[str, str], ...] = ()
    needed: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """A row. `says` tells what will happen before it is pressed, `done` what did; `run` raises
    `CommandRefused`. Pressed twice it does nothing more: `once` in the form is the same for every
    press of one page. `grave`: it cannot be taken back."""

    name: str
    label: str
    says: str
    done: str
    offered: Callable[[Case], bool]
    run: Callable[[World, Caller, str, Form], Awaitable[None]]
    fields: tuple[Field, ...] = ()
    grave: bool = False


async def _move(world: World, caller: Caller, case_id: str, form: Form) -> None:
    label, actor = form.get("policy", "").strip(), caller.key_id
    try:
        await policy_moves.move(world, caller.merchant_id, case_id, label, actor=actor)
    except policies.UnknownPolicy as unknown:
        raise CommandRefused(f"there is no policy version {label!r}") from unknown
    except (policies.PolicyRefused, UnknownCase, IllegalMove) as refused:
        raise CommandRefused(str(refused)) from refused


def _order(caller: Caller, case_id: str, form: Form) -> Order:
    """The mark of the page is the command's key: pressed twice it is one command."""
    once = form.get("once", "")
    if not ONCE.fullmatch(once):
        raise CommandRefused("the form is incomplete; load the page again")
    key = f"desk:{once}"
    return Order(merchant_id=caller.merchant_id, case_id=case_id, key=key, actor=caller.key_id)


async def _retry(world: World, caller: Caller, case_id: str, form: Form) -> None:
    with _told():
        await case_commands.retry(world, _order(caller, case_id, form))


async def _hold(world: World, caller: Caller, case_id: str, form: Form) -> None:
    reason, until = _reason(form), _day(form)
    text = _words(form, "note")
    order = _order(caller, case_id, form)
    if reason is None:
        raise CommandRefused("a hold needs a reason")
    with _told():
        await case_commands.hold(world, order, reason=reason, until=until, text=text)


async def _release(world: World, caller: Caller, case_id: str, form: Form) -> None:
    with _told():
        order = _order(caller, case_id, form)
        await case_commands.release(world, order, reason=_reason(form))


async def _stop(world: World, caller: Caller, case_id: str, form: Form) -> None:
    text = _words(form, "reason")
    if text is None:
        raise CommandRefused("it needs a reason")
    with _told():
        await case_commands.stop(world, _order(caller, case_id, form), text=text)


async def _forgive(world: World, caller: Caller, case_id: str, form: Form) -> None:
    with _told():
        order = _order(caller, case_id, form)
        await case_commands.forgive(world, order, text=_words(form, "reason"))


@contextmanager
def _told() -> Iterator[None]:
    """Let what a command does not allow be told on the page."""
    try:
        yield
    except (orders.CommandRefused, UnknownCase) as refused:
        raise CommandRefused(str(refused)) from refused
    except case_commands.KeyReused as reused:
        raise CommandRefused("this page was used for another command before") from reused


def _reason(form: Form) -> HoldReason | None:
    asked = form.get("reason", "")
    if asked and asked not in list(HoldReason):
        raise CommandRefused("there is no such reason")
    return HoldReason(asked) if asked else None


def _day(form: Form) -> date | None:
    asked = form.get("until", "").strip()
    if not asked:
        return None
    if not DAY.fullmatch(asked):
        raise CommandRefused("the day is written as 2026-12-31")
    try:
        day = date.fromisoformat(asked)
    except ValueError as wrong:
        raise CommandRefused("there is no such day") from wrong
    if day >= orders.NO_DAY:
        raise CommandRefused("nobody waits as long")
    return day


def _words(form: Form, name: str) -> str | None:
    return one_line(form.get(name, ""))[:WORDS_AT_MOST].strip() or None


def _is_held(case: Case) -> bool:
    return case.state is CaseState.ACTIVE and case.waits is Waits.ON_HOLD


def _may_be_charged(case: Case) -> bool:
    by_us = case.state is CaseState.ACTIVE and case.kind is CaseKind.PAYMENT
    return by_us and not _is_held(case)


NOTE = Field(name="note", label="Note", hint="It stands in the timeline.", needed=False)
WHY = Field(name="reason", label="Reason", hint="It stands in the timeline.")
OPEN = frozenset({CaseState.ACTIVE, CaseState.PARKED})
COMMANDS: tuple[Command, ...] = (
    Command(
        name="retry",
        label="Charge now",
        says="The card is charged once, right away, after a look at the live invoice. It does not "
        "count among the policy's attempts; the rules of the card's network hold.",
        done="An attempt is ordered. Load the page again in a moment to see its outcome.",
        offered=_may_be_charged,
        run=_retry,
    ),
    Command(
        name="hold",
        label="Put on hold",
        says="Nothing is charged, nobody is written to and nothing ends until the hold is over. "
        "Payment links go on working. The end of the case moves by the time it was held.",
        done="The case is on hold.",
        offered=lambda case: case.state is CaseState.ACTIVE,
        run=_hold,
        fields=(
            Field(
                name="reason",
                label="Reason",
                choices=(
                    (HoldReason.PROMISE_TO_PAY, "The customer promised to pay"),
                    (HoldReason.OPERATOR, "We want to wait"),
                    (HoldReason.DISPUTE, "A payment is disputed"),
                ),
            ),
            Field(
                name="until",
                label="Last day",
                kind="date",
                hint="The case goes on at eight on the next morning. Without a day it waits until "
                "it is released.",
                needed=False,
            ),
            NOTE,
        ),
    ),
    Command(
        name="release",
        label="Release",
        says="The case goes on: we look at the live invoice and decide anew at once. It ends no "
        "sooner than in 72 hours.",
        done="The case goes on.",
        offered=lambda case: _is_held(case) or case.state is CaseState.PARKED,
        run=_release,
        fields=(
            Field(
                name="reason",
                label="Which hold",
                choices=(
                    ("", "All that people set"),
                    (HoldReason.PROMISE_TO_PAY, "The promise to pay"),
                    (HoldReason.OPERATOR, "Our own"),
                    (HoldReason.DISPUTE, "That of a dispute"),
                ),
            ),
        ),
    ),
    Command(
        name="stop",
        label="Stop collecting",
        says="Nothing is charged or written any more, by us or by the provider. The invoice stays "
        "open: if the customer pays by themselves, it counts. This cannot be taken back.",
        done="The case is stopped.",
        offered=lambda case: case.state in OPEN,
        run=_stop,
        fields=(WHY,),
        grave=True,
    ),
    Command(
        name="forgive",
        label="Forgive the debt",
        says="The case is stopped and the invoice is closed at the provider, void or uncollectible "
        "as the policy says. The customer owes it no more. This cannot be taken back.",
        done="The debt is forgiven. The invoice is closed at the provider in a moment.",
        offered=lambda case: (
            case.state in OPEN or (case.state is CaseState.STOPPED and not orders.is_forgiven(case))
        ),
        run=_forgive,
        fields=(replace(WHY, needed=False),),
        grave=True,
    ),
    Command(
        name="policy",
        label="Move to another policy",
        says="The window is measured anew, the next attempt decided anew, and the letters follow "
        "the other policy.",
        done="The case goes on under the other policy.",
        offered=lambda case: case.state is CaseState.ACTIVE,
        run=_move,
        fields=(
            Field(
                name="policy",
                label="Policy version",
                hint="Its name and number, such as default@2.",
                pattern=LABEL,
            ),
        ),
    ),
)
