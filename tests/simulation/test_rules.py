"""Rules of the simulation in a story: they ask no more than can be kept, and no less."""

import asyncio
from contextlib import AbstractContextManager
from typing import Any

import pytest

from app.domain.actions import Action, ActionKind
from app.domain.dunning import Attempt, Case
from app.domain.messages import Mail, Message, MessageState
from app.domain.operations import InboxEvent
from app.domain.records import key_of
from app.services import actions
from tests.simulation.crashes import EXPIRED, RENEWS
from tests.simulation.machine import BEGINNING, CALM, CLAIM, Machine, Violation
from tests.simulation.planted import setting
from tests.simulation.rules import LEFT_AT_MOST
from tests.simulation.stage import Person, Stage
from tests.simulation.swaps import entry, member

ENDED, RECOVERED = "subscription_ended", "payment_recovered"
DAYS = 32.0
HOUR_S = 3600.0
LOOK = ActionKind.ASSESS
DEATHS = LEFT_AT_MOST + 10


def a_stage() -> tuple[Stage, Person]:
    """A customer whose card has expired, and nothing else goes wrong."""
    stage = Stage(Machine(1, CALM, swift=True), reconciles=False)
    person = stage.signs_up(dict(EXPIRED), RENEWS)
    stage.begins()
    return stage, person


def slow(stage: Stage, wait_s: float) -> AbstractContextManager[None]:
    """The letter about the end takes so long to leave."""
    send = stage.house.post.send

    async def sends(mail: Mail) -> None:
        if mail.body.subject == ENDED:
            await asyncio.sleep(wait_s)
        await send(mail)

    return member(stage.house.post, "send", sends)


async def pays_too_late(stage: Stage, person: Person) -> None:
    """On the provider's page, once the letter about the end is on its way."""
    estate, rows = person.estate, stage.house.ledger.rows
    while (ENDED, MessageState.SENDING) not in [(m.template, m.state) for m in rows(Message)]:
        await stage.rules.next_moment("letter", estate.account_id, person.customer).wait()
    (case,) = rows(Case)
    told = {"invoice": case.invoice_id, "card": {"base": "visa"}}
    assert estate.bank.acts(person.customer, "pay_hosted_invoice", **told)


def test_who_pays_while_the_letter_about_the_end_is_on_its_way_hears_of_both() -> None:
    # as in seed 528047: what is on its way cannot be called back
    stage, person = a_stage()
    stage.machine.runs(None, pays_too_late(stage, person))

    with slow(stage, 20.0):
        stage.plays(DAYS)
        stage.rests(1.0)

    assert [mail.body.subject for mail in stage.house.post.mails][-2:] == [ENDED, RECOVERED]


def test_a_letter_about_the_end_does_not_leave_hours_after_it_was_paid() -> None:
    stage, person = a_stage()
    stage.machine.runs(None, pays_too_late(stage, person))

    with slow(stage, 2 * HOUR_S), pytest.raises(Violation, match=f"{ENDED} of a case that is"):
        stage.plays(DAYS)


def test_a_letter_that_was_never_true_may_not_leave_at_all() -> None:
    stage, _ = a_stage()

    untrue = pytest.raises(Violation, match=f"{RECOVERED} of a case that is exhausted")
    with setting("an end is told as a recovery")(stage), untrue:
        stage.plays(DAYS)


def test_work_whose_workers_die_time_and_again_is_taken_up_until_it_is_done() -> None:
    # as in seed 544562: no worker that lived left it lying
    stage, _ = a_stage()
    machine = stage.machine

    def dies(_: int) -> bool:
        claim = CLAIM.get()
        return machine.crashes < DEATHS and claim is not None and claim.action.kind is LOOK

    machine.dies = dies
    stage.plays(1.0)

    assert machine.crashes == DEATHS
    assert len(stage.house.ledger.rows(Attempt)) == 1, "the refusal was read"


def test_work_that_living_workers_leave_lying_is_found() -> None:
    async def leaves_it(world: Any, action: Action) -> None:
        """Neither done nor put off."""

    stage, _ = a_stage()

    found = pytest.raises(Violation, match=f"{LOOK} was claimed {LEFT_AT_MOST + 1} times")
    with entry(actions.HANDLERS, LOOK, leaves_it), found:
        stage.plays(1.0)


def test_a_webhook_that_nobody_handles_is_found() -> None:
    stage, person = a_stage()
    stage.plays(1.0)
    event = InboxEvent(
        merchant_id=person.estate.merchant_id,
        account_id=person.estate.account_id,
        event_id="evt_lost",
        type="invoice.updated",
        body="{}",
        created_at=BEGINNING,
        received_at=BEGINNING,
    )
    stage.house.ledger.memory.publish(InboxEvent, key_of(event), event)

    with pytest.raises(Violation, match="an event is pending"):
        stage.rests(1.0)
