"""What went wrong elsewhere and concerns dunning, told as it would happen here."""

from dataclasses import replace

import pytest

from app.domain.dunning import CaseState
from app.domain.policies import EndPolicy
from app.domain.recovery import Cause
from tests.stories.cards import EXPIRED, REFUSED
from tests.stories.stage import Stage
from tests.stories.told import Told, a_failure

pytestmark = pytest.mark.anyio


async def test_a_closing_invoice_that_the_provider_goes_on_charging_asks_nobody(
    watching: Stage,
) -> None:
    # given somebody who leaves while their renewal is unpaid
    person = await watching.subscriber(REFUSED)
    case = await watching.fails(person)
    await watching.passes(days=4)
    watching.act(person, "cancel_subscription")
    await watching.plays()
    before = await watching.letters(case)

    # when the provider charges the closing invoice again and again all the same
    for _ in range(3):
        watching.sandbox.raw("POST", f"/v1/invoices/{case.invoice_id}/pay")
        await watching.passes(days=5)
    await watching.passes(days=30)

    # then nobody is written to, and nothing begins anew
    case = await watching.case(person)
    assert case.state is CaseState.STOPPED
    assert await watching.letters(case) == before
    assert [c["status"] for c in watching.charges(case)].count("failed") >= 4


async def test_who_leaves_right_before_the_final_notice_does_not_get_it(stage: Stage) -> None:
    person = await stage.subscriber(REFUSED)
    case = await stage.fails(person)
    await stage.reaches(case.window_ends_at, hours=-80)
    stage.hears = False  # the cancel is seen by the last look alone

    stage.act(person, "cancel_subscription")
    await stage.passes(days=10)

    letters, charges = await stage.letters(case), len(stage.charges(case))
    assert "final" not in letters
    assert "ended" not in letters
    await stage.passes(days=20)
    assert (await stage.letters(case), len(stage.charges(case))) == (letters, charges)


async def test_as_many_tries_of_the_customer_as_there_may_be_end_nothing_early(
    stage: Stage,
) -> None:
    # given a policy of two attempts, and a customer who tries more often than that
    few = replace(stage.world.policy.retry, max_attempts=2)
    stage.world = replace(stage.world, policy=replace(stage.world.policy, retry=few))
    person = await stage.subscriber(REFUSED)
    case = await stage.fails(person)
    for _ in range(3):
        stage.act(
            person, "pay_hosted_invoice", invoice=case.invoice_id, card="pm_card_chargeDeclined"
        )
        await stage.passes(hours=8)

    # when time goes on
    early = await stage.case(person)
    await stage.passes(days=20)

    # then both attempts are still ours to make, and the case waits for its window
    case = await stage.case(person)
    assert (early.attempts_used, early.next_attempt_at is not None) == (0, True)
    assert (case.state, case.attempts_used) == (CaseState.ACTIVE, 2)


async def test_after_a_recovery_each_period_was_billed_once_and_none_is_made_up_for(
    stage: Stage,
) -> None:
    # given two months of which the second renewal was refused as well
    keeps = replace(stage.world.policy, end=EndPolicy(subscription="leave", invoice="leave"))
    stage.world = replace(stage.world, policy=keeps)
    person = await stage.subscriber(EXPIRED)
    await stage.passes(days=61, hours=12)
    unpaid = await stage.cases(person)

    # when a new card pays what is open
    stage.act(person, "new_card", card={"base": "visa"})
    await stage.passes(days=2)

    # then each invoice was charged once, and the next one comes when its month begins
    invoices = stage.there("invoices", customer=person.customer, limit=100)["data"]
    assert len(unpaid) == 2
    assert len(invoices) == 3
    assert all(len(stage.captures(case)) <= 1 for case in await stage.cases(person))
    assert (await stage.cases(person))[-1].cause == Cause.CUSTOMER_NEW_CARD


async def test_the_end_of_a_case_is_announced_once_and_never_again(told: Told) -> None:
    await a_failure(told.stage, EXPIRED)
    await told.stage.passes(days=32)
    once = [t for t in told.receiver.types if t.startswith(("dunning.case", "subscription"))]

    await told.stage.passes(days=60)

    later = [t for t in told.receiver.types if t.startswith(("dunning.case", "subscription"))]
    assert once.count("dunning.case.exhausted") == 1
    assert once.count("dunning.case.closed") == 1
    assert later == once
