"""Somebody accepts an offer, it hangs at the provider, and they cancel by another way: nothing more
of it is asked for, least of all what charges."""

import pytest

from app.domain.cancellations import CancelRequest, RequestState
from app.domain.redemptions import HAS_LEFT, Redemption, RedemptionState
from app.services.erasing import erase
from tests.stories.cards import APPROVES, REFUSED
from tests.stories.leaving import Door, Leaver
from tests.stories.looks import Person
from tests.stories.stage import PRICE, Stage
from tests.stories.test_declaring import declares, filled

pytestmark = pytest.mark.anyio
YEAR = 30000
by = pytest.mark.parametrize("by", ["the form", "the portal"])


@pytest.fixture
def door(forms_door: Door) -> Door:
    return forms_door


async def shown_a_year(
    door: Door, *, scheduled: bool = False, after_hours: float = 0
) -> tuple[Person, Leaver]:
    """Somebody before whom an offer to pay by the year stands, so long after their month began."""
    stage, person = door.stage, await door.stage.subscriber(APPROVES)
    await stage.passes(hours=after_hours)
    if scheduled:
        stage.call("subscription_schedules", from_subscription=person.subscription)
    to = {stage.price("month", "usd", PRICE): stage.price("year", "usd", YEAR)}
    steps = [
        {"id": "why", "kind": "survey"},
        {"id": "year", "kind": "offer", "offer": {"kind": "annual", "to": to}},
        {"id": "confirm", "kind": "confirm"},
        {"id": "done", "kind": "success"},
    ]
    path, flow = "/v1/cancel-flows/default", {"place": "DE", "steps": steps}
    assert (await door.asks("PUT", path, door.backend(), flow)).status_code == 200
    done = await door.asks("POST", f"{path}/publish", door.backend(), {"version": 1})
    assert done.status_code == 200, done.text
    leaver = await door.opens(person)
    await leaver.does("answer", step="why")
    return person, leaver


async def accepts(leaver: Leaver, person: Person, fault: str | None = None) -> None:
    """Accepts the year; the call, with its two repeats, goes unanswered."""
    if fault:
        path = f"/v1/subscriptions/{person.subscription}"
        leaver.door.stage.fault(fault, path, times=3, method="POST")
    answer = await leaver.asks("accept", {"step": "year"}, **{"Idempotency-Key": "k"})
    assert answer.status_code == 202, answer.text


async def cancels(door: Door, person: Person, by: str) -> None:
    if by == "the form":
        await declares(door, filled(person))
    else:
        path = f"subscriptions/{person.subscription}"
        door.stage.call(path, cancel_at_period_end="true")
    await door.stage.works()
    await door.stage.plays()


def charged(stage: Stage, person: Person) -> list[int]:
    found = stage.there("charges", customer=person.customer)["data"]
    return [charge["amount"] for charge in found if charge["status"] == "succeeded"]


@by
@pytest.mark.parametrize("fault", ["timeout_before", "500"])
async def test_a_year_that_hung_is_not_charged_after_the_word(
    door: Door, by: str, fault: str
) -> None:
    # given a year that was accepted, and of which the provider has not answered
    stage = door.stage
    person, leaver = await shown_a_year(door)
    await accepts(leaver, person, fault)

    # when its customer does not wait for it, and cancels
    await cancels(door, person, by)
    await stage.passes(hours=3)

    # then the year is not asked for again, and the end stands
    (redemption,), (request,) = await stage.find(Redemption), await stage.find(CancelRequest)
    there = stage.there(f"subscriptions/{person.subscription}")
    assert charged(stage, person) == [PRICE]
    assert (redemption.state, redemption.reason) == (RedemptionState.FAILED, HAS_LEFT)
    assert request.state is RequestState.STANDING
    assert there["cancel_at_period_end"] is True
    assert (await leaver.looks())["state"] == "open"


async def test_a_year_that_hung_past_the_renewal_is_not_charged_on_top_of_it(door: Door) -> None:
    # given a year that was accepted in the last hours of a month
    stage = door.stage
    person, leaver = await shown_a_year(door, after_hours=30 * 24 - 2)
    await accepts(leaver, person, "timeout_before")

    # when the provider is away until another month has begun
    stage.fuse.away = True
    await stage.passes(hours=5)
    stage.fuse.away = False
    await stage.passes(hours=5)

    # then that month is all they paid for, and the offer came to nothing
    (row,) = await stage.find(Redemption)
    assert charged(stage, person) == [PRICE, PRICE]
    assert (row.state, (await leaver.looks())["state"]) == (RedemptionState.FAILED, "open")


@by
async def test_a_year_that_was_charged_before_the_word_is_not_charged_again(
    door: Door, by: str
) -> None:
    stage = door.stage
    person, leaver = await shown_a_year(door)
    await accepts(leaver, person, "timeout_after")

    await cancels(door, person, by)
    await stage.passes(days=2)

    (redemption,) = await stage.find(Redemption)
    assert charged(stage, person) == [YEAR - PRICE, PRICE]
    assert redemption.state is RedemptionState.APPLIED


@by
async def test_a_year_that_waits_for_its_payment_is_given_up_with_the_word(
    door: Door, by: str
) -> None:
    stage = door.stage
    person, leaver = await shown_a_year(door)
    stage.program(person.method, REFUSED)
    await accepts(leaver, person)

    await cancels(door, person, by)
    await stage.passes(hours=2)

    there = stage.there("invoices", customer=person.customer)["data"]
    assert [invoice["status"] for invoice in there] == ["void", "paid"]
    (redemption,) = await stage.find(Redemption)
    assert redemption.state is RedemptionState.FAILED


async def test_what_was_begun_when_the_word_came_is_left_to_a_person(door: Door) -> None:
    # given an offer whose first change, a schedule let go, went through and whose second hangs
    stage = door.stage
    person, leaver = await shown_a_year(door, scheduled=True)
    await accepts(leaver, person, "timeout_before")

    await cancels(door, person, "the form")
    await stage.passes(days=1)

    (redemption,) = await stage.find(Redemption)
    assert charged(stage, person) == [PRICE]
    assert (redemption.state, redemption.reason) == (RedemptionState.PARKED, HAS_LEFT)
    assert await stage.alerts() == ["redemption_parked"]


async def test_a_year_that_hung_is_not_charged_to_somebody_who_was_erased(door: Door) -> None:
    stage = door.stage
    person, leaver = await shown_a_year(door)
    await accepts(leaver, person, "timeout_before")

    await erase(stage.world, stage.merchant.merchant_id, person.customer, actor="test")
    await stage.passes(hours=3)

    (redemption,) = await stage.find(Redemption)
    assert charged(stage, person) == [PRICE]
    assert redemption.state is RedemptionState.FAILED


async def test_a_year_told_before_the_renewal_is_told_anew_after_it(door: Door) -> None:
    # given a year that was looked at in the last minutes of a month
    stage = door.stage
    person, leaver = await shown_a_year(door, after_hours=30 * 24 - 0.25)
    last_hours = (await leaver.looks())["screen"]["says"]

    # when it is accepted after another month has begun
    await stage.passes(hours=0.75)
    late = await leaver.asks("accept", {"step": "year"}, **{"Idempotency-Key": "k"})
    anew = (await leaver.looks())["screen"]["says"]

    # then nothing is charged, and it is shown what it costs now
    assert (late.status_code, charged(stage, person)) == (409, [PRICE])
    assert "look at it again" in late.text
    assert last_hours != anew
