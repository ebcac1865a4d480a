"""A contract that ends by itself on a later day: its customer may leave before, is offered nothing
that would make it endless, and whoever comes back has it until that day and no longer."""

from dataclasses import replace
from datetime import timedelta

import pytest

from app.domain.cancellations import CancelRequest, RequestState
from app.domain.churn import ChurnRecord
from tests.stories.cards import APPROVES
from tests.stories.leaving import Door
from tests.stories.looks import Person
from tests.stories.test_leaving_crossed import HALF, offering

pytestmark = pytest.mark.anyio
FEE = 2000
MONTHS = timedelta(days=91)  # three: October 21, November 21, and the end on December 21


async def with_term(door: Door) -> Person:
    """Somebody with a contract that ends in three months, as it was set up, beside another."""
    stage = door.stage
    person = await stage.subscriber(APPROVES)
    made = stage.call(
        "subscriptions",
        customer=person.customer,
        cancel_at=int((stage.now + MONTHS).timestamp()),
        **{"items[0][price]": stage.price("month", "usd", FEE)},
    )
    await stage.plays()
    return replace(person, subscription=made["id"])


def paid(door: Door, person: Person) -> list[int]:
    found = door.stage.there("charges", customer=person.customer)["data"]
    return [one["amount"] for one in found if one["amount"] == FEE and not one["amount_refunded"]]


async def test_they_may_leave_with_the_period_that_runs(door: Door) -> None:
    person = await with_term(door)

    await (await door.opens(person, subscription=person.subscription)).leaves()
    await door.stage.passes(days=60)

    (request,) = await door.stage.find(CancelRequest)
    assert paid(door, person) == [FEE]
    assert request.state is RequestState.ENDED


async def test_who_takes_it_back_has_it_until_its_day_and_no_longer(door: Door) -> None:
    person = await with_term(door)
    leaver = await door.opens(person, subscription=person.subscription)
    await leaver.leaves()
    await door.stage.passes(days=2)

    back = f"/v1/subscriptions/{person.subscription}/uncancel"
    undone = await door.asks("POST", back, leaver.headers)
    await door.stage.passes(days=120)

    assert undone.json()["state"] == "undone"
    assert paid(door, person) == [FEE] * 3
    assert door.stage.there(f"subscriptions/{person.subscription}")["status"] == "canceled"


async def test_an_end_that_the_merchant_set_after_the_word_stays_when_it_is_taken_back(
    door: Door,
) -> None:
    # given somebody who left, and was given three months by the merchant at the provider
    stage = door.stage
    person = await stage.subscriber(APPROVES)
    leaver = await door.opens(person)
    await leaver.leaves("period_end")
    path = f"subscriptions/{person.subscription}"
    stage.call(path, cancel_at=int((stage.now + MONTHS).timestamp()))
    await stage.passes(days=2)

    # when they take their word back
    undone = await door.asks("POST", f"/v1/{path}/uncancel", leaver.headers)
    await stage.passes(days=120)

    assert undone.json()["state"] == "undone"
    assert stage.there(path)["status"] == "canceled"
    assert stage.there("charges", customer=person.customer)["data"][3:] == []


async def test_a_word_that_the_provider_keeps_as_a_day_can_be_taken_back(door: Door) -> None:
    # given somebody who left, where the provider keeps the day of the period's end and no flag
    stage = door.stage
    person = await stage.subscriber(APPROVES)
    leaver = await door.opens(person)
    await leaver.leaves("period_end")
    path = f"subscriptions/{person.subscription}"
    (item,) = stage.there(path)["items"]["data"]
    stage.call(path, cancel_at=item["current_period_end"])
    await stage.passes(days=2)

    # when they take their word back
    undone = await door.asks("POST", f"/v1/{path}/uncancel", leaver.headers)
    await stage.passes(days=1)

    # then it goes on
    there = stage.there(path)
    assert undone.json()["state"] == "undone"
    assert (there["status"], there["cancel_at"], there["cancel_at_period_end"]) == (
        "active",
        None,
        False,
    )


async def test_an_end_that_the_merchant_set_later_is_no_word_of_the_customers(door: Door) -> None:
    # given a contract that the merchant ends at the provider, two periods from now
    stage = door.stage
    person = await stage.subscriber(APPROVES)
    path = f"subscriptions/{person.subscription}"
    stage.call(path, cancel_at=int((stage.now + MONTHS).timestamp()))
    await stage.passes(days=2)

    # when its customer wants to take that back
    leaver = await door.opens(person)
    refused = await door.asks("POST", f"/v1/{path}/uncancel", leaver.headers)
    await stage.passes(days=120)

    # then it ends on its day all the same
    assert refused.status_code == 404
    assert stage.there(path)["status"] == "canceled"
    (ended,) = await stage.find(ChurnRecord, entry="churned")
    assert ended.kind == "voluntary"


async def test_no_offer_makes_it_endless(door: Door) -> None:
    person = await with_term(door)
    await offering(door, HALF)

    leaver = await door.opens(person, subscription=person.subscription)
    shown = await leaver.does("answer", step="why")

    assert shown["step"]["id"] == "confirm"
