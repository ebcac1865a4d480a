"""An invoice is charged once at a time and counted once, whoever is faster or dies."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from app.domain.actions import Action, ActionKind, ActionState, action_for
from app.domain.declines import Decline, DeclineKind
from app.domain.dunning import IN_DOUBT, Attempt, AttemptState, CaseState, Trigger, Waits
from app.domain.merchants import ProviderAccount
from app.domain.mirror import Payment
from app.domain.openings import case_action
from app.domain.operations import Alert
from app.domain.outcomes import Outcome, PayAnswer
from app.ports.payments import ProviderRefused
from app.services import actions, case_commands, reads
from app.services.case_commands import Order
from app.services.parking import begin_again
from app.wiring import NoWake
from tests.domain.builders import a_payment, paid
from tests.review.stage import (
    OWN,
    Clock,
    Stage,
    a_payment_notice,
    approved,
    declined,
    refused_charge,
)

pytestmark = pytest.mark.anyio
NO_ANSWER = PayAnswer(outcome=Outcome.UNKNOWN, reason="timeout")
SLOW_DOWN = PayAnswer(outcome=Outcome.NOT_EXECUTED, reason="429", code="lock_timeout")


async def to_the_retry(stage: Stage) -> None:
    case = await stage.case()
    assert case.next_attempt_at is not None
    stage.clock.instant = case.next_attempt_at


def a_debit(stage: Stage) -> Payment:
    return a_payment(stage.clock.now(), "processing", charge_id="ch_debit", payment_id="pi_2")


async def test_a_claim_taken_over_meanwhile_charges_nothing_more(stage: Stage) -> None:
    # given a worker that reads so long that its lease runs out, and another that finishes first
    await to_the_retry(stage)
    (held,) = await actions.claim(stage.world, limit=10)

    async def another() -> None:
        stage.clock.instant += timedelta(seconds=61)
        (again,) = await actions.claim(stage.world, limit=10)
        stage.bank.answers = [declined("ch_2"), declined("ch_3")]
        await actions.carry_out(stage.world, again)

    stage.bank.on_read = another

    await actions.carry_out(stage.world, held)

    assert len([call for call in stage.bank.calls if call[0] == "pay"]) == 1
    assert (await stage.case()).attempts_used == 1


async def test_a_reading_overtaken_by_the_payment_enters_no_money_of_its_own(stage: Stage) -> None:
    # given a customer who pays while the last look of a retry is under way
    await to_the_retry(stage)

    async def pays() -> None:
        stage.is_paid()
        await stage.hears(a_payment_notice(stage.clock.now()))

    stage.bank.on_read = pays

    await stage.works()

    assert stage.bank.calls == []
    assert [line[:2] for line in await stage.ledger()] == [("recovered", 3000)]


async def test_our_refusal_after_somebody_elses_payment_enters_no_money(stage: Stage) -> None:
    # given a customer who pays while our own charge is on its way and is refused
    await to_the_retry(stage)

    async def pays() -> None:
        stage.is_paid()
        await stage.hears(a_payment_notice(stage.clock.now()))

    stage.bank.on_pay = pays
    stage.bank.answers = [declined("ch_ours")]

    await stage.works()

    assert (await stage.case()).state is CaseState.RECOVERED
    assert [line[:2] for line in await stage.ledger()] == [("recovered", 3000)]


async def test_a_repeated_request_that_is_refused_unread_leaves_the_first_in_doubt(
    stage: Stage,
) -> None:
    # given a charge without an answer, and a provider too busy when the same request is repeated
    await to_the_retry(stage)
    stage.bank.answers = [NO_ANSWER, SLOW_DOWN]
    await stage.passes(minutes=2)

    # when the first request was carried out after all
    stage.is_paid("ch_late")
    await stage.passes(hours=2)

    (ours,) = [a for a in await stage.attempts() if a.trigger is Trigger.HOLDFAST]
    assert ours.state is AttemptState.APPROVED
    assert await stage.ledger() == [("recovered", 3000, "holdfast_retry")]


async def test_a_debit_under_way_whose_answer_was_lost_is_not_charged_again(stage: Stage) -> None:
    await to_the_retry(stage)
    stage.bank.answers = [NO_ANSWER] * 5

    async def takes_it() -> None:
        stage.bank.payments.append(a_debit(stage))

    stage.bank.on_pay = takes_it

    await stage.passes(days=20)

    (ours,) = [a for a in await stage.attempts() if a.trigger is Trigger.HOLDFAST]
    assert ours.state is AttemptState.PROCESSING
    assert {call[1] for call in stage.bank.calls} == {"2"}


async def test_a_mandates_debit_whose_answer_was_lost_is_ours_when_it_comes_through(
    stage: Stage,
) -> None:
    # given a debit that is announced for a day, and no charge until then
    await to_the_retry(stage)
    stage.bank.answers = [NO_ANSWER]
    await stage.works()
    announced = replace(a_debit(stage), payment_id="pi_1", charge_id=None, occurred_at=None)
    stage.bank.payments.append(announced)

    await stage.passes(hours=26)
    stage.bank.payments.remove(announced)
    stage.is_paid("ch_debit")
    await stage.passes(days=1)

    assert await stage.ledger() == [("recovered", 3000, "holdfast_retry")]


async def test_a_lost_charge_is_not_taken_for_somebody_elses_debit(stage: Stage) -> None:
    # given a request that never arrived, and a debit that the customer ordered beside it
    await to_the_retry(stage)
    stage.bank.answers = [NO_ANSWER]
    await stage.works()
    stage.bank.payments.append(replace(a_debit(stage), method_id="pm_debit"))

    await stage.passes(days=3)

    (ours,) = [a for a in await stage.attempts() if a.trigger is Trigger.HOLDFAST]
    assert ours.state is AttemptState.NOT_EXECUTED
    assert len(stage.bank.calls) == 1
    assert await stage.pending(ActionKind.RETRY)


async def test_while_somebody_elses_debit_is_under_way_nothing_is_charged(stage: Stage) -> None:
    await to_the_retry(stage)
    stage.bank.payments.append(a_debit(stage))

    await stage.passes(days=2)

    assert stage.bank.calls == []
    assert await stage.pending(ActionKind.RETRY)


async def test_a_call_for_the_customer_is_counted_once_by_answer_and_reading(stage: Stage) -> None:
    await to_the_retry(stage)
    wants = declined("ch_auth", decline=Decline(kind=DeclineKind.CUSTOMER_AUTHENTICATE))
    stage.bank.answers = [replace(wants, outcome=Outcome.ACTION_REQUIRED)]
    await stage.works()
    stage.bank.payments.append(refused_charge(stage.clock.now(), "ch_auth"))

    await stage.passes(days=27)

    assert (await stage.case()).failures == 2


async def test_two_refusals_without_a_charge_on_one_payment_are_two_attempts(stage: Stage) -> None:
    await to_the_retry(stage)
    stage.bank.answers = [declined(None), declined(None), approved(stage.clock.now())]
    await stage.works()
    await to_the_retry(stage)

    await stage.works()

    states = [attempt.state for attempt in await stage.attempts()]
    assert states == [AttemptState.DECLINED] * 3
    assert (await stage.case()).failures == 3


@pytest.mark.parametrize("outcome", [Outcome.DECLINED, Outcome.ACTION_REQUIRED])
async def test_a_refusal_before_there_is_a_charge_is_not_taken_for_the_try_before_it(
    stage: Stage, outcome: Outcome
) -> None:
    # given an answer whose payment still shows the charge that was refused before
    await to_the_retry(stage)
    wants = Decline(kind=DeclineKind.CUSTOMER_AUTHENTICATE)
    stage.bank.answers = [replace(declined("ch_first", decline=wants), outcome=outcome)]

    await stage.works()

    case = await stage.case()
    assert [a.state for a in await stage.attempts()] == [AttemptState.DECLINED, outcome]
    assert (case.failures, case.waits) == (2, Waits.CUSTOMER)


async def test_a_charge_held_up_for_long_after_its_intent_is_not_begun(stage: Stage) -> None:
    # given a worker that is frozen for 20 minutes as soon as its intent is committed
    await to_the_retry(stage)
    sent = stage.store.rows[Attempt]

    class Frozen(Clock):
        def now(self) -> datetime:
            frozen = any(a.state is AttemptState.SENT for a in sent.values())
            return self.instant + timedelta(minutes=20 * frozen)

    world = replace(stage.world, clock=Frozen(stage.clock.instant))
    (held,) = await actions.claim(stage.world, limit=10)

    await actions.carry_out(world, held)

    assert stage.bank.calls == []


async def test_the_amount_left_of_a_paid_case_is_nothing(stage: Stage) -> None:
    stage.is_paid()
    stage.bank.invoice = paid(stage.clock.now())
    await stage.hears(a_payment_notice(stage.clock.now()))

    await stage.works()

    case = await stage.case()
    assert (case.state, case.due_minor, case.recovered_minor) == (CaseState.RECOVERED, 0, 3000)


async def test_a_read_whose_claim_ran_out_leaves_its_action_to_whoever_claimed_it(
    stage: Stage,
) -> None:
    # given a worker that is slow to read a dispute, and another that has claimed the action since
    told = {"type": "dispute", "event": "evt_1"}
    due = action_for(ActionKind.READ, subject="dp_1", due_at=stage.clock.now(), data=told, **OWN)
    async with stage.store.transaction("mer_1") as tx:
        await tx.insert([due])
    (slow,) = await actions.claim(stage.world, limit=10)
    stage.clock.instant += timedelta(minutes=2)
    (again,) = await actions.claim(stage.world, limit=10)

    # when the first is through
    await reads.read(stage.world, slow)
    (left,) = await stage.find(Action, kind=ActionKind.READ)
    await actions.carry_out(stage.world, again)

    (done,) = await stage.find(Action, kind=ActionKind.READ)
    assert (left.state, left.claims) == (ActionState.PENDING, again.claims)
    assert done.state is ActionState.DONE


async def test_a_doubt_whose_look_was_set_aside_is_looked_into_once_its_case_is_taken_up(
    stage: Stage,
) -> None:
    # given a charge without an answer, and a provider that refuses to show its invoice
    await to_the_retry(stage)
    stage.bank.answers = [NO_ANSWER]
    await stage.works()
    stage.bank.fault = ProviderRefused("not to be seen", "odd")
    await stage.passes(hours=5)
    parked = await stage.case()

    # when a person takes the case up again
    stage.bank.fault = None
    told = Order(merchant_id="mer_1", case_id=parked.case_id, key="release", actor="k")
    await case_commands.release(stage.world, told, reason=None)
    await stage.passes(days=40)

    assert parked.state is CaseState.PARKED
    assert (await stage.attempts())[1].state is AttemptState.DECLINED
    assert (await stage.case()).state is CaseState.EXHAUSTED


async def test_what_was_set_aside_with_a_case_is_over_once_the_case_is_taken_up(
    stage: Stage,
) -> None:
    # given a case that is left to a person
    await to_the_retry(stage)
    stage.bank.fault = ProviderRefused("not to be seen", "odd")
    await stage.passes(hours=5)
    parked = await stage.find(Action, state=ActionState.PARKED)
    alerts = await stage.find(Alert)

    # when they take it up again
    stage.bank.fault = None
    told = Order(merchant_id="mer_1", case_id="", key="release", actor="k")
    told = replace(told, case_id=(await stage.case()).case_id)
    await case_commands.release(stage.world, told, reason=None)

    # then nothing of it waits for anybody
    assert len(parked) == len(alerts) == 1
    assert await stage.find(Action, state=ActionState.PARKED) == []
    assert [one.resolved_at for one in await stage.find(Alert)] == [stage.clock.now()]


async def test_a_doubt_whose_look_was_set_aside_is_looked_into_once_its_case_is_over(
    stage: Stage,
) -> None:
    # given a stopped case with a charge without an answer, whose look was set aside
    await to_the_retry(stage)
    stage.bank.answers = [NO_ANSWER]
    await stage.works()
    order = Order(merchant_id="mer_1", case_id=(await stage.case()).case_id, key="s", actor="k")
    await case_commands.stop(stage.world, order, text="they called")
    stage.bank.fault = ProviderRefused("not to be seen", "odd")
    await stage.passes(hours=5)
    parked = await stage.find(Action, state=ActionState.PARKED)

    # when its cause is put right and a person says so
    stage.bank.fault = None
    (account,) = await stage.find(ProviderAccount)
    begun = await begin_again(replace(stage.world, wake=NoWake()), account, actor="k")
    await stage.passes(days=2)

    assert [one.kind for one in parked] == [ActionKind.RESOLVE]
    assert begun == 1
    assert (await stage.attempts())[1].state not in IN_DOUBT
    assert [one.resolved_at is None for one in await stage.find(Alert)] == [False]


async def test_what_waits_for_a_doubt_that_cannot_be_looked_into_is_not_tried_every_minute(
    stage: Stage,
) -> None:
    # given a charge without an answer, whose look was put off because the provider gave none, and
    # a new card (seed 700170)
    await to_the_retry(stage)
    stage.bank.answers = [NO_ANSWER]
    await stage.works()
    (look,) = await stage.pending(ActionKind.RESOLVE)
    data: dict[str, str | None] = {"trigger": Trigger.NEW_CARD, "method": "pm_2"}
    now = stage.clock.now()
    tried = case_action(await stage.case(), ActionKind.RETRY, now, nth="card:pm_2", data=data)
    async with stage.store.transaction("mer_1") as tx:
        await tx.save([replace(look, due_at=now + timedelta(hours=2)), tried])

    await stage.passes(hours=1.9)
    planned = await stage.find(Action, kind=ActionKind.RETRY)
    await stage.passes(hours=1)

    waited = [one for one in planned if (one.data or {}).get("method") == "pm_2"]
    assert 1 < len(waited) <= 6
    assert [a.trigger for a in await stage.attempts()][-1] is Trigger.NEW_CARD
