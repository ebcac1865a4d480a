"""What crosses a leaving: an offer that waits, a pause that ends, a cancellation made elsewhere,
one taken back at the same moment. The customer's newest word counts, and nothing is lost."""

from datetime import timedelta
from typing import Any

import pytest

from app.domain.actions import Action, ActionKind, ActionState
from app.domain.cancellations import CancelRequest, RequestState
from app.domain.redemptions import Redemption, RedemptionState
from app.services import actions, cancel_telling, pauses
from app.services.alarms import pause_account
from tests.stories.cards import APPROVES
from tests.stories.leaving import Door, Leaver
from tests.stories.looks import Person
from tests.stories.stage import PRICE, Stage

pytestmark = pytest.mark.anyio
HALF = {"kind": "discount", "percent": 50, "months": 3}
REST = {"kind": "pause", "months": 1}


async def offering(door: Door, offer: dict[str, Any]) -> None:
    """The merchant's flow makes this offer."""
    steps = [
        {"id": "why", "kind": "survey"},
        {"id": "offer", "kind": "offer", "offer": offer},
        {"id": "confirm", "kind": "confirm"},
        {"id": "done", "kind": "success"},
    ]
    flow = {"place": "DE", "steps": steps, "immediately": True}
    path = "/v1/cancel-flows/default"
    put = await door.asks("PUT", path, door.backend(), flow)
    assert put.status_code == 200, put.text
    done = await door.asks("POST", f"{path}/publish", door.backend(), {"version": 1})
    assert done.status_code == 200, done.text


async def accepting(door: Door, person: Person, *, away: bool = False) -> Leaver:
    """Somebody who has accepted what was offered; `away`: the provider goes after the claim."""

    async def goes() -> None:
        door.stage.fuse.away = True

    leaver = await door.opens(person)
    await leaver.does("answer", step="why")
    if away:
        door.stage.fuse.arm(10, goes)
    answer = await leaver.asks("accept", {"step": "offer"}, **{"Idempotency-Key": "a"})
    assert answer.status_code in {200, 202}, answer.text
    leaver.seen |= answer.json()
    return leaver


async def test_who_does_not_pay_for_the_year_they_accepted_may_leave(door: Door) -> None:
    # given a year that was accepted, and waits for a card that refuses
    stage = door.stage
    person = await stage.subscriber(APPROVES)
    await offering(door, {"kind": "annual", "to": {_price(stage, person): _year(stage)}})
    stage.program(person.method, {"kind": "decline", "code": "insufficient_funds"})
    leaver = await accepting(door, person)
    assert leaver.seen["state"] == "applying"

    # when they leave all the same
    await leaver.does("close")
    receipt = await (await door.opens(person)).leaves("period_end")

    # then they have left, and nothing is left of the year that could be paid
    (redemption,) = await stage.find(Redemption)
    there = stage.there(f"subscriptions/{person.subscription}")
    assert redemption.state is RedemptionState.FAILED
    assert (receipt["state"], there["cancel_at_period_end"]) == ("standing", True)
    assert (there["pending_update"], _open_invoices(stage, person)) == (None, [])


async def test_an_offer_that_hangs_for_days_keeps_nobody_from_leaving(door: Door) -> None:
    # given an offer that was claimed, and a provider that went away before its part of it
    stage = door.stage
    person = await stage.subscriber(APPROVES)
    await offering(door, HALF)

    leaver = await accepting(door, person, away=True)
    assert leaver.seen["state"] == "applying"

    # when it is back after the session's day is over
    await stage.passes(hours=25)
    stage.fuse.away = False
    await stage.passes(hours=3)

    # then the offer was applied, and whoever wants to leave now may
    (redemption,) = await stage.find(Redemption)
    assert redemption.state is RedemptionState.APPLIED
    again = await door.opens(person)
    assert (await again.leaves("period_end"))["state"] == "standing"


async def test_a_longer_trial_that_hung_until_it_was_over_is_not_made_of_a_paid_month(
    door: Door,
) -> None:
    # given more days to try that were accepted, and a provider that is away until the trial is over
    stage = door.stage
    person = await stage.subscriber(APPROVES, trial_days=2)
    await offering(door, {"kind": "trial_extension", "days": 7})
    await accepting(door, person, away=True)
    await stage.passes(days=2, hours=3)

    # when it is there again
    stage.fuse.away = False
    await stage.passes(days=10)

    # then the month was charged once, and the offer came to nothing
    assert _paid(stage, person) == [PRICE]
    assert (await stage.find(Redemption))[0].state is RedemptionState.FAILED


@pytest.mark.parametrize("billing_mode", ["flexible", "classic"])
async def test_a_pause_that_hung_until_the_month_was_charged_is_not_begun(
    door: Door, billing_mode: str
) -> None:
    # given a month of rest that was accepted, and a provider that is away until it was charged
    stage = door.stage
    person = await stage.subscriber(APPROVES, billing_mode=billing_mode)
    await offering(door, REST)
    await stage.passes(days=28)
    await accepting(door, person, away=True)
    await stage.passes(days=3)

    # when it is there again
    stage.fuse.away = False
    await stage.passes(days=10)

    # then the offer came to nothing, and nobody is told of a month that costs nothing
    there = stage.there(f"subscriptions/{person.subscription}")
    assert (there["status"], there["pause_collection"]) == ("active", None)
    assert (await stage.find(Redemption))[0].state is RedemptionState.FAILED


async def test_an_offer_that_a_person_must_look_at_keeps_nobody_from_leaving(door: Door) -> None:
    stage = door.stage
    person = await stage.subscriber(APPROVES)
    await offering(door, HALF)

    leaver = await accepting(door, person, away=True)
    stage.fuse.away = False
    (redemption,) = await stage.find(Redemption)
    parked = redemption.moved(RedemptionState.PARKED, at=stage.now, reason="half done")
    async with stage.world.store.transaction(stage.merchant.merchant_id) as tx:
        await tx.save([parked])

    assert (await leaver.looks())["state"] == "open"
    assert (await leaver.leaves("period_end"))["state"] == "standing"


async def test_a_pause_of_somebody_who_left_is_not_ended_with_a_charge(door: Door) -> None:
    # given a pause, and its customer's word that no provider has heard yet
    stage = door.stage
    person = await stage.subscriber(APPROVES)
    await offering(door, REST)
    await accepting(door, person)
    leaver = await door.opens(person)

    async def goes() -> None:
        stage.fuse.away = True

    stage.fuse.arm(8, goes)
    assert (await leaver.leaves("now"))["state"] == "asked"
    stage.fuse.away = False

    # when the day comes on which it would have gone on
    (ends,) = [row for row in await stage.find(Action) if row.kind is ActionKind.END_PAUSE]
    stage.turns_to(ends.due_at)
    await pauses.end_pause(stage.world, ends)

    assert stage.there(f"subscriptions/{person.subscription}")["status"] == "paused"
    assert _paid(stage, person) == [PRICE]


async def test_a_pause_is_not_ended_with_a_charge_while_its_account_is_paused(door: Door) -> None:
    # given a pause whose last day has come, and a batch that was looked at before a fuse blew
    stage = door.stage
    person = await stage.subscriber(APPROVES)
    await offering(door, REST)
    await accepting(door, person)
    (ends,) = [row for row in await stage.find(Action) if row.kind is ActionKind.END_PAUSE]
    stage.turns_to(ends.due_at)
    await pause_account(stage.world, ends.merchant_id, ends.account_id, "the key was refused")

    await actions.carry_out(stage.world, ends, looked_at=True)

    (later,) = [row for row in await stage.find(Action) if row.kind is ActionKind.END_PAUSE]
    assert stage.there(f"subscriptions/{person.subscription}")["status"] == "paused"
    assert _paid(stage, person) == [PRICE]
    assert later.state is ActionState.PENDING
    assert later.due_at > stage.now


async def test_a_renewal_heard_of_before_its_cancellation_was_taken_back_there_stays_paid(
    door: Door,
) -> None:
    # given a cancellation at the provider's portal, taken back there on the last day
    stage = door.stage
    person = await stage.subscriber(APPROVES)
    path = f"subscriptions/{person.subscription}"
    stage.call(path, cancel_at_period_end="true")
    await stage.passes(days=29)
    stage.hears = False
    stage.call(path, cancel_at_period_end="false")
    await stage.passes(days=2)

    # when the renewal's reports come first
    missed = stage.missed()
    await stage.delivers(*(one for one in missed if one["type"].startswith("invoice.")))
    while await stage.works():
        pass
    stage.hears = True
    await stage.passes(hours=1)

    charges = stage.there("charges", customer=person.customer)["data"]
    assert [charge["amount_refunded"] for charge in charges] == [0, 0]
    assert {row.state for row in await stage.find(CancelRequest)} == {RequestState.UNDONE}
    assert await stage.alerts() == []


@pytest.mark.parametrize(
    ("point", "away"),
    [
        pytest.param(6, True, id="before the last look"),
        pytest.param(9, False, id="before the call"),
        pytest.param(9, True, id="before the call, and the provider hears of it later"),
    ],
)
async def test_a_word_at_the_moment_a_pause_ends_costs_nothing(
    door: Door, point: int, away: bool
) -> None:
    # given a pause whose last day has come
    stage = door.stage
    person = await stage.subscriber(APPROVES)
    await offering(door, REST)
    await accepting(door, person)
    (ends,) = [row for row in await stage.find(Action) if row.kind is ActionKind.END_PAUSE]
    stage.turns_to(ends.due_at)
    leaver = await door.opens(person)

    async def goes() -> None:
        stage.fuse.away = away

    # when it is ended, and they say at some point of that that they leave
    async def leaves() -> None:
        stage.fuse.arm(8, goes)
        assert (await leaver.says("now")).status_code == 200
        stage.fuse.away = False

    stage.fuse.arm(point, leaves)
    await actions.carry_out(stage.world, ends)
    await stage.passes(days=2)

    # then no other period is theirs to pay
    charges = stage.there("charges", customer=person.customer)["data"]
    assert sum(charge["amount"] - charge["amount_refunded"] for charge in charges) == PRICE
    assert stage.there(f"subscriptions/{person.subscription}")["status"] == "canceled"


async def test_who_cancels_here_after_the_portal_has_one_cancellation(door: Door) -> None:
    # given a page that is open while they cancel at the provider's portal
    stage = door.stage
    person = await stage.subscriber(APPROVES)
    leaver = await door.opens(person)
    path = f"subscriptions/{person.subscription}"
    stage.call(path, cancel_at_period_end="true")
    await stage.passes(hours=1)

    # when they say it here too, and take it back
    receipt = await leaver.leaves("period_end")
    back = f"/v1/subscriptions/{person.subscription}/uncancel"
    undone = await door.asks("POST", back, leaver.headers)
    await stage.passes(days=35)

    # then nothing stands any more, and the renewal is theirs to pay
    assert (receipt["state"], undone.json()["state"]) == ("standing", "undone")
    assert {row.state for row in await stage.find(CancelRequest)} == {RequestState.UNDONE}
    assert _paid(stage, person) == [PRICE, PRICE]
    assert await stage.alerts() == []


async def test_an_end_planned_again_there_in_the_second_it_was_taken_back_stands(
    door: Door,
) -> None:
    # given a cancellation at the provider's portal, taken back there, and heard of at once
    stage = door.stage
    person = await stage.subscriber(APPROVES)
    path = f"subscriptions/{person.subscription}"
    stage.call(path, cancel_at_period_end="true")
    await stage.passes(days=5)
    stage.turns_to(stage.now + timedelta(milliseconds=400))
    stage.call(path, cancel_at_period_end="false")
    await stage.plays()
    assert {row.state for row in await stage.find(CancelRequest)} == {RequestState.UNDONE}

    # when they plan it again within the same second
    stage.call(path, cancel_at_period_end="true")
    await stage.passes(hours=1)

    # then they leave, and it is known that they do
    found = await stage.find(CancelRequest)
    assert sorted(row.state for row in found) == [RequestState.STANDING, RequestState.UNDONE]
    await stage.passes(days=40)
    found = await stage.find(CancelRequest)
    assert sorted(row.state for row in found) == [RequestState.ENDED, RequestState.UNDONE]
    assert _paid(stage, person) == [PRICE]


@pytest.mark.parametrize("point", [2, 5, 6, 8], ids=lambda n: f"point {n}")
async def test_what_is_taken_back_while_the_provider_is_told_stays_taken_back(
    door: Door, point: int
) -> None:
    # given a word that the provider has not heard yet
    stage = door.stage
    person = await stage.subscriber(APPROVES)
    leaver = await door.opens(person)

    async def goes() -> None:
        stage.fuse.away = True

    stage.fuse.arm(8, goes)
    assert (await leaver.leaves())["state"] == "asked"
    stage.fuse.away = False

    # when a worker tells it, and at some point of that the customer takes it back
    async def back() -> None:
        path = f"/v1/subscriptions/{person.subscription}/uncancel"
        answer = await door.asks("POST", path, leaver.headers)
        assert answer.json()["state"] == "undone", answer.text

    (told,) = [row for row in await stage.find(Action) if row.kind is ActionKind.CANCEL]
    stage.fuse.arm(point, back)
    await cancel_telling.cancel(stage.world, told)
    await stage.passes(hours=1)

    there = stage.there(f"subscriptions/{person.subscription}")
    assert {row.state for row in await stage.find(CancelRequest)} == {RequestState.UNDONE}
    assert (there["cancel_at_period_end"], there["cancel_at"]) == (False, None)


def _price(stage: Stage, person: Person) -> str:
    there = stage.there(f"subscriptions/{person.subscription}")
    return str(there["items"]["data"][0]["price"]["id"])


def _year(stage: Stage) -> str:
    return stage.price("year", "usd", PRICE * 10)


def _invoices(stage: Stage, person: Person) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = stage.there("invoices", customer=person.customer)["data"]
    return found


def _paid(stage: Stage, person: Person) -> list[int]:
    return [one["amount_paid"] for one in _invoices(stage, person) if one["amount_paid"]]


def _open_invoices(stage: Stage, person: Person) -> list[str]:
    return [one["id"] for one in _invoices(stage, person) if one["status"] == "open"]
