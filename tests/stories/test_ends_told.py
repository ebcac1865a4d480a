"""A letter and its page threaten with no end that will not come: what is told is what will be
done."""

from dataclasses import replace
from datetime import timedelta

import pytest

from app.domain.dunning import Case, CaseState
from app.domain.holds import HoldReason
from app.services import case_commands, payment_links
from app.services.case_commands import Order
from tests.stories.cards import APPROVES, EXPIRED
from tests.stories.looks import Person
from tests.stories.stage import Stage

pytestmark = pytest.mark.anyio
CANCELLED = "your subscription will be cancelled"
GIVEN_UP = "we will stop trying to collect this payment"


async def is_held(stage: Stage, case: Case, *, days: int) -> None:
    """The customer promised to pay: the end moves."""
    order = Order(
        merchant_id=stage.merchant.merchant_id, case_id=case.case_id, key="k", actor="test"
    )
    until = (stage.now + timedelta(days=days)).date()
    promise = HoldReason.PROMISE_TO_PAY
    await case_commands.hold(stage.world, order, reason=promise, until=until, text=None)


async def told(stage: Stage) -> str:
    """What the latest letter says."""
    return (await stage.mails())[-1].text


async def shown(stage: Stage) -> str | None:
    """The end that the page of the latest letter tells of."""
    view = await payment_links.look(stage.world, await stage.token())
    assert view is not None
    return view.end_action


async def owes(stage: Stage) -> tuple[Person, Case]:
    person = await stage.subscriber(EXPIRED)
    case = await stage.fails(person)
    await stage.passes(days=1)
    return person, case


async def test_who_has_paid_a_later_period_is_not_threatened_with_the_end(stage: Stage) -> None:
    # given an invoice whose end was moved beyond the next renewal, which is paid
    person, case = await owes(stage)
    first = await told(stage), await shown(stage)
    await is_held(stage, case, days=10)
    await stage.passes(days=20)
    stage.program(person.method, APPROVES)
    await stage.passes(days=19)

    # then the last letters say what is done: nothing to the subscription
    last = [mail.text for mail in await stage.mails() if "Last reminder" in mail.subject]
    (case,) = await stage.cases(person)
    assert CANCELLED in first[0]
    assert first[1] == "cancel_now"
    assert len(last) == 1
    assert CANCELLED not in last[0]
    assert GIVEN_UP in last[0]
    assert case.state is CaseState.EXHAUSTED
    assert stage.there(f"subscriptions/{person.subscription}")["status"] == "active"


async def test_what_has_ended_is_not_threatened_with_its_end(stage: Stage) -> None:
    # given a merchant who collects on from those who cancelled
    stage.world = replace(stage.world, policy=replace(stage.world.policy, after_cancel="collect"))
    person, _ = await owes(stage)
    stage.act(person, "cancel_subscription")
    await stage.plays()

    seen = await shown(stage)
    await stage.passes(days=3)

    assert seen == "leave"
    assert CANCELLED not in await told(stage)
    assert GIVEN_UP in await told(stage)


async def test_who_leaves_before_the_end_is_told_their_own_last_day(stage: Stage) -> None:
    # given an end that lies behind the end of the period, and somebody who is to leave with that
    person, case = await owes(stage)
    await is_held(stage, case, days=10)
    path = f"subscriptions/{person.subscription}"
    ends = stage.call(path, cancel_at_period_end="true")["cancel_at"]
    await stage.passes(days=16)

    view = await payment_links.look(stage.world, await stage.token())

    assert view is not None
    assert view.last_day is not None
    assert (view.last_day.timestamp(), view.end_action) == (ends, "leave")
    assert CANCELLED not in await told(stage)


async def test_a_try_that_an_outage_put_off_is_not_promised_for_the_past(stage: Stage) -> None:
    person = await stage.subscriber({"kind": "decline", "code": "insufficient_funds"})
    case = await stage.fails(person)
    await stage.passes(days=12)
    case = await stage.case(person)
    assert case.next_attempt_at is not None
    token = await stage.token()
    stage.turns_to(case.next_attempt_at + timedelta(hours=2))

    view = await payment_links.look(stage.world, token)

    assert view is not None
    assert (view.status, view.next_retry_at) == ("open", None)


async def test_ends_of_different_kinds_are_not_told_in_one_mail(stage: Stage) -> None:
    # given two subscriptions that are owed for, one of which has ended, with its debt collected on
    policy = replace(stage.world.policy, after_cancel="collect")
    stage.world = replace(stage.world, policy=policy)
    person = await stage.subscriber(EXPIRED)
    stage.program(person.method, APPROVES)
    other = stage.subscribes(person)
    stage.program(person.method, EXPIRED)
    await stage.passes(days=30, hours=2)
    stage.act(person, "cancel_subscription", subscription=other)

    await stage.passes(days=31)

    last = [mail.text for mail in await stage.mails() if "Last reminder" in mail.subject]
    (lives,) = [text for text in last if "$30.00" in text]
    (ended,) = [text for text in last if "$20.00" in text]
    assert CANCELLED in lives
    assert GIVEN_UP not in lives
    assert GIVEN_UP in ended
    assert CANCELLED not in ended
