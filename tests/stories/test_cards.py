"""New cards: what they pay, how often they may try, and cards that must be left alone."""

import pytest

from app.domain.dunning import AttemptState, CaseState, Trigger, Waits
from app.domain.recovery import Cause
from tests.stories.cards import APPROVES, EXPIRED, REFUSED, STOLEN
from tests.stories.looks import Person
from tests.stories.stage import PRICE, Stage

pytestmark = pytest.mark.anyio
BAD = {"base": "visa", "behaviour": REFUSED}


async def with_two_open_invoices(stage: Stage, behaviour: dict[str, str]) -> Person:
    """Somebody with two subscriptions whose renewals were both refused."""
    person = await stage.subscriber(APPROVES)
    stage.subscribes(person)
    stage.program(person.method, behaviour)
    await stage.passes(days=30, hours=1)
    return person


async def test_one_new_card_pays_everything_open_oldest_first(stage: Stage) -> None:
    person = await with_two_open_invoices(stage, EXPIRED)

    stage.act(person, "new_card", card={"base": "visa"})
    await stage.plays()

    cases = await stage.cases(person)
    assert [case.state for case in cases] == [CaseState.RECOVERED] * 2
    assert [len(stage.captures(case)) for case in cases] == [1, 1]
    assert stage.fuse.keys() == [f"{case.case_id}:2" for case in cases]


async def test_a_new_card_is_the_subscriptions_own_from_then_on(stage: Stage) -> None:
    person = await stage.subscriber(EXPIRED)
    await stage.fails(person)
    card = stage.act(person, "new_card", card={"base": "visa"})["payment_method"]
    await stage.passes(days=31)

    shown = stage.there(f"subscriptions/{person.subscription}")
    assert shown["default_payment_method"] == card
    assert len(await stage.cases(person)) == 1


async def test_a_fourth_new_card_within_a_day_waits_for_the_next(stage: Stage) -> None:
    person = await stage.subscriber(EXPIRED)
    case = await stage.fails(person)
    for _ in range(3):
        stage.act(person, "new_card", card=BAD)
        await stage.passes(hours=1)

    stage.act(person, "new_card", card={"base": "visa"})
    await stage.passes(hours=12)
    meanwhile = await stage.states(case, Trigger.NEW_CARD)
    await stage.passes(days=1)

    case = await stage.case(person)
    assert meanwhile == [AttemptState.DECLINED] * 3
    assert (case.state, case.cause) == (CaseState.RECOVERED, Cause.CUSTOMER_NEW_CARD)


async def test_tries_of_the_customer_do_not_spend_our_attempts(stage: Stage) -> None:
    person = await stage.subscriber(REFUSED)
    case = await stage.fails(person)
    for _ in range(3):
        stage.act(person, "new_card", card=BAD)
        await stage.passes(hours=1)

    case = await stage.case(person)
    assert (case.failures, case.attempts_used) == (4, 0)
    assert case.next_attempt_at is not None


async def test_a_stolen_card_is_tried_by_nobody_again(stage: Stage) -> None:
    person = await stage.subscriber(STOLEN)
    case = await stage.fails(person)
    await stage.passes(days=27)

    assert stage.fuse.keys() == []
    assert (await stage.case(person)).waits is Waits.CUSTOMER
    assert len(stage.charges(case)) == 1


async def test_a_card_that_must_be_left_alone_is_so_for_other_invoices_too(stage: Stage) -> None:
    # given a card refused for good on one invoice, and softly on another a week later
    person = await stage.subscriber(STOLEN)
    await stage.fails(person)
    stage.program(person.method, APPROVES)
    await stage.passes(days=1)
    stage.subscribes(person)
    stage.program(person.method, REFUSED)

    # when that one is refused as well, a month on
    await stage.passes(days=31, hours=2)

    later = (await stage.cases(person))[-1]
    assert later.decline is not None
    assert later.decline["code"] == "do_not_honor"
    assert await stage.states(later) == []
    assert any("must not be tried again" in line for line in await stage.timeline(later))


async def test_with_no_card_at_all_the_customer_is_asked(stage: Stage) -> None:
    person = await stage.subscriber(REFUSED)
    case = await stage.fails(person)
    stage.call(f"payment_methods/{person.method}/detach")
    await stage.passes(days=5)

    case = await stage.case(person)
    assert case.waits is Waits.CUSTOMER
    assert stage.captures(case) == []
    assert case.attempts_used == 0


async def test_a_card_added_without_our_link_pays_nothing_until_it_is_a_default(
    stage: Stage,
) -> None:
    person = await stage.subscriber(EXPIRED)
    case = await stage.fails(person)

    stage.act(person, "new_card", card={"base": "visa"}, default=False)
    await stage.passes(days=1)

    assert stage.fuse.keys() == []
    assert (await stage.case(person)).due_minor == PRICE
    assert stage.captures(case) == []
