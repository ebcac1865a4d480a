"""A process that dies, at every point at which it can: the work is done once all the same."""

from asyncio import gather
from typing import Any

import pytest

from app.domain.actions import ActionKind
from app.domain.dunning import AttemptState, Case, CaseState, Trigger
from app.domain.messages import Message, MessageState
from app.services import actions, intake
from tests.stories.breaking import Crash
from tests.stories.cards import EXPIRED, REFUSED, REFUSED_ONCE
from tests.stories.looks import Person
from tests.stories.stage import HOUR, Stage

pytestmark = pytest.mark.anyio


async def many(stage: Stage, behaviour: dict[str, Any], n: int = 16, **told: Any) -> list[Case]:
    """The cases of `n` people whose renewals fail at one instant."""
    people: list[Person] = [await stage.subscriber(behaviour, **told) for _ in range(n)]
    await stage.fails(people[0])
    return [await stage.case(person) for person in people]


async def dies_everywhere(stage: Stage, kind: ActionKind) -> None:
    """Each due action of a kind dies at another of its points; the last ones at none."""
    point = deaths = 0
    for action in await stage.claims():
        if action.kind is kind:
            point += 1
            stage.fuse.arm(point)
        try:
            await actions.carry_out(stage.world, action)
        except Crash:
            deaths += 1
        stage.fuse.armed = None
    assert 0 < deaths < point, "there was an action for every point and one more"


async def test_a_charge_is_made_once_wherever_its_process_dies(stage: Stage) -> None:
    cases = await many(stage, REFUSED_ONCE, address=None)
    await stage.reaches(cases[0].next_attempt_at, hours=-0.1)
    assert cases[0].next_attempt_at is not None
    stage.turns_to(cases[0].next_attempt_at)

    await dies_everywhere(stage, ActionKind.RETRY)
    await stage.passes(hours=2)

    for case in cases:
        assert len(stage.captures(case)) == 1
        assert await stage.states(case) == [AttemptState.APPROVED]
    assert set(stage.fuse.keys()) == {f"{case.case_id}:2" for case in cases}


async def test_a_refusal_is_counted_once_wherever_its_process_dies(stage: Stage) -> None:
    cases = await many(stage, REFUSED, address=None)
    await stage.reaches(cases[0].next_attempt_at, hours=-0.1)
    assert cases[0].next_attempt_at is not None
    stage.turns_to(cases[0].next_attempt_at)

    await dies_everywhere(stage, ActionKind.RETRY)
    await stage.passes(hours=2)

    for case in await stage.find(Case):
        assert (case.failures, case.attempts_used) == (2, 1)
        assert case.next_attempt_at is not None
        assert len(stage.charges(case)) == 2


async def test_a_case_is_taken_over_wherever_the_process_dies(stage: Stage) -> None:
    for _ in range(12):
        await stage.subscriber(REFUSED)
    await stage.passes(days=30, hours=0.5)
    stage.turns_to(stage.now + HOUR / 2)
    await stage.listens()
    await intake.drain(stage.world)

    await dies_everywhere(stage, ActionKind.ASSESS)
    await stage.plays()

    for case in await stage.find(Case):
        assert case.driven
        assert case.next_attempt_at is not None


async def test_a_letter_leaves_at_most_once_wherever_its_process_dies(stage: Stage) -> None:
    cases = await many(stage, EXPIRED)
    await stage.passes(hours=6.9)
    stage.turns_to(stage.now.replace(hour=8, minute=0))

    await dies_everywhere(stage, ActionKind.SEND)
    await stage.passes(days=1)

    mails = [mail.recipient for mail in await stage.mails()]
    states = {message.state for message in await stage.find(Message, step="failed")}
    assert len(mails) == len(set(mails)) >= len(cases) - 3
    assert states == {MessageState.SENT, MessageState.UNKNOWN}


async def test_a_new_card_pays_once_wherever_the_process_dies(stage: Stage) -> None:
    cases = await many(stage, EXPIRED, address=None)
    for case in cases:
        customer = Person(case.customer_id or "", "", "")
        stage.act(customer, "new_card", card={"base": "visa"})
    await stage.listens()
    await intake.drain(stage.world)

    await dies_everywhere(stage, ActionKind.NEW_CARD)
    await stage.passes(hours=2)

    for case in cases:
        assert len(stage.captures(case)) == 1
        assert await stage.states(case, Trigger.NEW_CARD) == [AttemptState.APPROVED]


async def test_a_case_ends_once_wherever_the_process_dies(stage: Stage) -> None:
    cases = await many(stage, EXPIRED, 15, address=None)
    await stage.reaches(cases[0].window_ends_at, hours=-0.1)
    stage.turns_to(cases[0].window_ends_at)

    await dies_everywhere(stage, ActionKind.END)
    await stage.plays()

    for case in await stage.find(Case):
        person = Person("", case.subscription_id or "", "")
        moved = await stage.movements(person)
        assert (case.state, moved[1:]) == (
            CaseState.EXHAUSTED,
            [("churn_involuntary", -case.amount_minor)],
        )
        assert case.reason == "the window is over: subscription cancel_now, invoice uncollectible"


async def test_two_workers_with_one_action_charge_once(stage: Stage) -> None:
    cases = await many(stage, REFUSED, 1)
    await stage.reaches(cases[0].next_attempt_at, hours=-0.1)
    assert cases[0].next_attempt_at is not None
    stage.turns_to(cases[0].next_attempt_at)
    (action,) = await stage.claims()

    await gather(*(actions.carry_out(stage.world, action) for _ in range(4)))
    await stage.plays()

    assert len(stage.charges(cases[0])) == 2
    assert await stage.states(cases[0]) == [AttemptState.DECLINED]


async def test_a_claim_that_others_took_over_charges_nothing(stage: Stage) -> None:
    cases = await many(stage, REFUSED_ONCE, 1)
    await stage.reaches(cases[0].next_attempt_at, hours=-0.1)
    assert cases[0].next_attempt_at is not None
    stage.turns_to(cases[0].next_attempt_at)
    (stale,) = await stage.claims()
    (current,) = await stage.claims()

    await actions.carry_out(stage.world, stale)
    nothing = stage.fuse.keys()
    await actions.carry_out(stage.world, current)

    assert nothing == []
    assert stage.fuse.keys() == [f"{cases[0].case_id}:2"]


async def test_a_worker_that_slept_before_the_call_does_not_make_it(stage: Stage) -> None:
    cases = await many(stage, REFUSED_ONCE, 1)
    await stage.reaches(cases[0].next_attempt_at, hours=-0.1)
    assert cases[0].next_attempt_at is not None
    stage.turns_to(cases[0].next_attempt_at)
    (action,) = await stage.claims()

    async def sleeps() -> None:
        stage.turns_to(stage.now.replace(minute=20))

    stage.fuse.arm(8, sleeps)  # the intent is committed
    await actions.carry_out(stage.world, action)
    late = stage.fuse.keys()
    await stage.passes(hours=1)

    assert late == []
    assert await stage.states(cases[0]) == [AttemptState.APPROVED]
