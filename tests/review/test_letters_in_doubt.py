"""Letters beside a charge in doubt, and letters of which nobody knows whether they left."""

from dataclasses import replace

import pytest

from app.domain.actions import Action
from app.domain.messages import Message, MessageState
from app.domain.outcomes import Outcome, PayAnswer
from app.domain.sequence import send_action
from app.ports.payments import ProviderUnavailable
from tests.review.stage import Stage, a_payment_notice

pytestmark = pytest.mark.anyio
NO_ANSWER = PayAnswer(outcome=Outcome.UNKNOWN, reason="timeout")


async def is_due_now(stage: Stage, step: str, state: MessageState = MessageState.PLANNED) -> None:
    """A letter is at its instant, in this state."""
    (letter,) = await stage.find(Message, step=step)
    due = replace(letter, due_at=stage.clock.now(), state=state)
    async with stage.store.transaction("mer_1") as tx:
        await tx.save([due])
        await tx.save([send_action(due)])


async def test_nobody_is_urged_to_pay_while_a_charge_is_in_doubt(stage: Stage) -> None:
    # given a charge that nobody answered
    due = (await stage.case()).next_attempt_at
    assert due is not None
    stage.bank.answers = [NO_ANSWER] * 9
    await stage.passes(seconds=(due - stage.clock.now()).total_seconds())
    mails = len(stage.post.mails)

    # when a letter is due beside it, and the charge turns out to have brought the money
    await is_due_now(stage, "final")
    await stage.works()
    beside = (await stage.letters())["final"]
    stage.is_paid("ch_ours")
    await stage.passes(hours=2)

    assert (beside, (await stage.letters())["final"]) == ("planned", "dropped")
    assert len(stage.post.mails) - mails == 1, "that it is settled"


async def test_a_letter_beside_a_doubt_is_not_put_off_every_minute_of_an_outage(
    stage: Stage,
) -> None:
    # given a charge that nobody answered, and a letter due beside it
    due = (await stage.case()).next_attempt_at
    assert due is not None
    stage.bank.answers = [NO_ANSWER] * 9
    await stage.passes(seconds=(due - stage.clock.now()).total_seconds())
    await is_due_now(stage, "final")

    # when the provider is away for half a day
    stage.bank.fault = ProviderUnavailable("away")
    (letter,) = await stage.find(Message, step="final")
    before = len(await stage.find(Action, subject=letter.message_id))
    await stage.passes(hours=12)
    planned = len(await stage.find(Action, subject=letter.message_id)) - before

    # and comes back with the money
    stage.bank.fault = None
    stage.is_paid("ch_ours")
    await stage.passes(hours=2)

    assert 1 < planned < 2 * 12 + 4
    assert (await stage.letters())["final"] == "dropped"


async def test_whoever_may_have_read_of_a_failure_hears_how_it_was_settled(stage: Stage) -> None:
    # given a process that died before it wrote down that the first letter had left
    await stage.changes(wrote=False)
    await is_due_now(stage, "failed", MessageState.SENDING)
    await stage.works()
    unsure = (await stage.letters())["failed"]

    # when the invoice is paid
    stage.is_paid()
    await stage.hears(a_payment_notice(stage.clock.now()))
    await stage.passes(hours=2)

    assert unsure == "unknown"
    assert (await stage.letters())["recovered"] == "sent"
