"""What a customer may use from the first refusal on: recorded once, told once, given back."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from app.domain.access import AccessState, Level
from app.domain.actions import Action, ActionKind, ActionState
from app.domain.dunning import CaseState, Waits
from app.domain.records import Book
from app.services import access, actions
from app.services.books import write
from tests.stories.looks import Person
from tests.stories.stage import Stage
from tests.stories.told import EXPIRED, Told

pytestmark = pytest.mark.anyio


async def now_of(stage: Stage, person: Person) -> Level:
    seen = await access.of_customer(stage.world, stage.merchant.merchant_id, person.customer)
    return seen[0].access.level


def changes(told: Told) -> list[tuple[str, str]]:
    events = [got.event for got in told.receiver.got if got.event["type"] == "access.changed"]
    return [(event["data"]["was"], event["data"]["access"]) for event in events]


async def test_access_goes_stage_by_stage_and_each_change_is_told_once(told: Told) -> None:
    stage = told.stage
    person = await stage.subscriber(EXPIRED)
    case = await stage.fails(person)

    await stage.passes(days=33)

    assert (await stage.case(person)).state is CaseState.EXHAUSTED
    assert changes(told)[:2] == [("full", "grace"), ("grace", "restricted")]
    assert changes(told)[-1][1] == "ended"
    lines = [line for line in await stage.timeline(case) if line.startswith("access")]
    assert len(lines) == len(set(lines)) == len(changes(told))


async def test_the_day_the_money_comes_all_is_full_again(told: Told) -> None:
    stage = told.stage
    person = await stage.subscriber(EXPIRED)
    await stage.fails(person)
    await stage.passes(days=15)
    assert await now_of(stage, person) is Level.RESTRICTED

    stage.act(person, "new_card", card={"base": "visa"})
    await stage.passes(hours=3)

    assert (await stage.case(person)).state is CaseState.RECOVERED
    assert await now_of(stage, person) is Level.FULL
    await stage.passes(days=20)
    assert changes(told)[-1] == ("restricted", "full")
    assert len(changes(told)) == 3


async def test_a_look_that_comes_twice_or_late_tells_nothing_twice(told: Told) -> None:
    stage = told.stage
    person = await stage.subscriber(EXPIRED)
    await stage.fails(person)
    await stage.passes(days=8)
    done = await stage.find(Action, state=ActionState.DONE)
    looks = [action for action in done if action.kind is ActionKind.ACCESS_CHANGE]

    for action in looks:
        await actions.carry_out(stage.world, action)
        again = replace(action, state=ActionState.PENDING)
        async with stage.world.store.transaction(action.merchant_id) as tx:
            await tx.save([again])
        await actions.carry_out(stage.world, again)
    await stage.plays()

    assert looks
    assert changes(told) == [("full", "grace")]
    assert [row.level for row in await stage.find(AccessState)] == [Level.GRACE]


async def test_on_hold_access_stays_where_it_is(told: Told) -> None:
    stage = told.stage
    person = await stage.subscriber(EXPIRED)
    await stage.fails(person)
    await stage.passes(days=8)

    await is_now(stage, person, waits=Waits.ON_HOLD)
    await stage.passes(days=10)
    held = await now_of(stage, person)
    await is_now(stage, person, waits=Waits.CUSTOMER)
    await stage.passes(days=5)
    still = await now_of(stage, person)
    await stage.passes(days=2)

    assert (held, still) == (Level.GRACE, Level.GRACE)
    assert await now_of(stage, person) is Level.RESTRICTED
    assert changes(told) == [("full", "grace"), ("grace", "restricted")]


async def test_the_level_is_right_while_no_worker_runs(stage: Stage) -> None:
    person = await stage.subscriber(EXPIRED)
    case = await stage.fails(person)

    stage.turns_to(case.opened_at + timedelta(days=15))

    assert await now_of(stage, person) is Level.RESTRICTED
    assert await stage.find(AccessState) == []


async def test_where_the_provider_retries_access_goes_the_same_way(watching: Stage) -> None:
    person = await watching.subscriber(EXPIRED)
    await watching.fails(person)

    await watching.passes(days=8)

    assert [row.level for row in await watching.find(AccessState)] == [Level.GRACE]


async def is_now(stage: Stage, person: Person, **changed: Any) -> None:
    """The case becomes this, as a command would have it."""
    case = await stage.case(person)
    async with stage.world.store.transaction(case.merchant_id) as tx:
        book = Book()
        book.know([case])
        book.put(replace(case, **changed))
        await write(tx, book, at=stage.world.clock.now())
