"""What could not be carried out of a cancellation waits for a person, who is told, as is whoever
left; once its cause is put right it goes on where it stood."""

from dataclasses import replace
from typing import Any

import pytest

from app.domain.actions import Action, ActionKind, ActionState
from app.domain.operations import Alert, AuditEntry
from app.domain.sessions import CancelSession, SessionState
from app.ports.payments import ProviderRefused
from app.services import actions, parking
from tests.stories.cards import APPROVES, REFUSED
from tests.stories.leaving import Door, Leaver
from tests.stories.looks import Person
from tests.stories.stage import PRICE, Stage

pytestmark = pytest.mark.anyio


async def withdrawing(door: Door, *, days: float = 3) -> tuple[Person, Leaver]:
    """Somebody in Berlin who has withdrawn, and whose money is not back yet."""
    berlin: dict[str, Any] = {"address[country]": "DE"}
    person = await door.stage.subscriber(APPROVES, **berlin)
    await door.stage.passes(days=days)
    leaver = await door.opens(person)
    answer = await leaver.asks("withdrawal", {}, **{"Idempotency-Key": "k"})
    assert answer.status_code == 200, answer.text
    return person, leaver


async def fails(stage: Stage, kind: ActionKind) -> Action:
    """An action goes wrong as often as it is tried."""
    (due,) = [row for row in await stage.find(Action) if row.kind is kind]
    for _ in range(actions.AT_MOST_FAULTS):
        await actions.failed(stage.world, due, ProviderRefused("no such charge"))
    (parked,) = [row for row in await stage.find(Action) if row.kind is kind]
    return parked


async def again(stage: Stage) -> int:
    begun = await parking.begin_again(stage.world, stage.account, actor="test")
    await stage.passes(hours=1)
    return begun


def refunded(stage: Stage, person: Person) -> list[int]:
    charges = stage.there("charges", customer=person.customer)["data"]
    return [charge["amount_refunded"] for charge in charges]


async def test_a_refund_that_cannot_be_made_is_told_to_the_customer_and_to_a_person(
    door: Door,
) -> None:
    stage = door.stage
    person, leaver = await withdrawing(door)

    parked = await fails(stage, ActionKind.REFUND)
    await stage.passes(days=1)

    shown = await leaver.looks()
    assert (parked.state, refunded(stage, person)) == (ActionState.PARKED, [0])
    assert shown["state"] == "failed"
    assert "carries it out by hand" in " ".join(shown["screen"]["says"])
    assert await stage.alerts() == ["action_parked"]
    assert stage.there(f"subscriptions/{person.subscription}")["status"] == "canceled"


async def test_what_was_parked_goes_on_when_a_person_says_so_and_the_session_is_over(
    door: Door,
) -> None:
    stage = door.stage
    person, leaver = await withdrawing(door)
    await fails(stage, ActionKind.REFUND)

    begun, repeated = await again(stage), await again(stage)

    (alert,) = await stage.find(Alert)
    assert (begun, repeated) == (1, 0)
    assert refunded(stage, person) == [PRICE]
    assert (await leaver.looks())["state"] == "cancelled"
    assert alert.resolved_at is not None
    assert "action.begun_again" in [line.action for line in await stage.find(AuditEntry)]


async def test_an_alert_of_what_is_parked_again_opens_again(door: Door) -> None:
    stage = door.stage
    await withdrawing(door)
    await fails(stage, ActionKind.REFUND)
    await parking.begin_again(stage.world, stage.account, actor="test")

    await fails(stage, ActionKind.REFUND)

    (alert,) = await stage.find(Alert)
    assert alert.resolved_at is None


async def test_a_settlement_that_is_parked_last_ends_the_session_too(door: Door) -> None:
    # given somebody with an open invoice who left while the provider was away
    stage = door.stage
    person = await stage.subscriber(REFUSED)
    case = await stage.fails(person)
    leaver = await door.opens(person)

    async def goes() -> None:
        stage.fuse.away = True

    stage.fuse.arm(8, goes)
    await leaver.leaves("now")
    stage.fuse.away = False

    # when the cancellation is through and the invoice is not
    await fails(stage, ActionKind.SETTLE)
    await stage.passes(hours=1)
    (waits,) = await stage.find(CancelSession)
    await again(stage)

    # then they were told the truth both times
    (session,) = await stage.find(CancelSession)
    assert waits.state is SessionState.FAILED
    assert session.state is SessionState.CANCELLED
    assert stage.there(f"invoices/{case.invoice_id}")["status"] == "uncollectible"


def once_a_day(stage: Stage, times: int = 1) -> None:
    """The deployment's policy lets so many refunds a day go out unseen."""
    bounds = replace(stage.world.policy.bounds, refunds_per_day=times)
    stage.world = replace(stage.world, policy=replace(stage.world.policy, bounds=bounds))


async def test_more_refunds_than_a_day_bears_wait_for_a_person(door: Door) -> None:
    # given an account that gives back once a day, and two who withdraw within one
    stage = door.stage
    once_a_day(stage)
    first, _ = await withdrawing(door)
    await stage.passes(hours=1)
    second, leaver = await withdrawing(door, days=0.5)

    # when both are carried out
    await stage.passes(days=3)

    # then the second waits, nothing else of the account does, and whoever waits is told
    assert (refunded(stage, first), refunded(stage, second)) == ([PRICE], [0])
    assert stage.there(f"subscriptions/{second.subscription}")["status"] == "canceled"
    assert (await leaver.looks())["state"] == "failed"
    assert await stage.alerts() == ["refund_volume"]
    assert await stage.paused() is None


async def test_a_refund_that_a_person_lets_go_on_is_kept_by_no_fuse(door: Door) -> None:
    stage = door.stage
    once_a_day(stage)
    await withdrawing(door)
    await stage.passes(hours=1)
    second, leaver = await withdrawing(door, days=0.5)
    await stage.passes(hours=1)

    await again(stage)

    assert refunded(stage, second) == [PRICE]
    assert (await leaver.looks())["state"] == "cancelled"


async def test_on_another_day_refunds_go_on_unseen(door: Door) -> None:
    stage = door.stage
    once_a_day(stage)
    first, _ = await withdrawing(door)
    await stage.passes(hours=1)
    second, _ = await withdrawing(door, days=2)
    await stage.passes(hours=1)

    assert (refunded(stage, first), refunded(stage, second)) == ([PRICE], [PRICE])
    assert await stage.alerts() == []


async def test_money_that_came_after_the_word_is_bounded_the_same(door: Door) -> None:
    # given a renewal that its customer had ruled out, and an account that may give nothing back
    stage = door.stage
    once_a_day(stage, 0)
    person = await stage.subscriber(APPROVES)
    await stage.passes(days=29)
    leaver = await door.opens(person)

    async def goes() -> None:
        stage.fuse.away = True

    stage.fuse.arm(8, goes)
    await leaver.leaves()
    await stage.passes(days=3)
    stage.fuse.away = False
    await stage.passes(days=2)

    # when a person lets it go on
    waiting = await stage.alerts()
    kept = refunded(stage, person)
    await again(stage)

    assert "refund_volume" in waiting
    assert kept == [0, 0]
    assert sorted(refunded(stage, person)) == [0, PRICE]
    assert (await leaver.looks())["state"] == "cancelled"
