"""Somebody leaves, and the provider will not end it: what they were told counts until a person has
seen to it, or until they take it back."""

import pytest

from app.ports.payments import ProviderRefused
from tests.stories.cards import APPROVES, EXPIRED
from tests.stories.leaving import Door, Leaver
from tests.stories.looks import Person
from tests.stories.stage import PRICE

pytestmark = pytest.mark.anyio


async def refused(door: Door) -> tuple[Person, Leaver]:
    """Somebody who left, and whose end the provider refused."""
    person = await door.stage.subscriber(APPROVES)
    leaver = await door.opens(person)

    async def refuses() -> None:
        raise ProviderRefused("400 no")

    door.stage.fuse.arm(13, refuses)
    assert (await leaver.leaves())["state"] == "refused"
    return person, leaver


def kept(door: Door, person: Person) -> list[int]:
    found = door.stage.there("charges", customer=person.customer)["data"]
    return [charge["amount"] - charge["amount_refunded"] for charge in found]


async def test_nobody_pays_for_another_period_because_the_end_was_refused(door: Door) -> None:
    person, _ = await refused(door)

    await door.stage.passes(days=32)

    assert kept(door, person) == [PRICE]
    assert await door.stage.alerts() == ["cancel_refused"]


async def test_a_renewal_that_fails_after_it_concerns_nobody(door: Door) -> None:
    person, _ = await refused(door)
    door.stage.program(person.method, EXPIRED)

    await door.stage.passes(days=50)

    assert await door.stage.cases(person) == []
    assert len(await door.stage.mails()) == 1


async def test_who_takes_it_back_goes_on_paying(door: Door) -> None:
    person, leaver = await refused(door)

    back = f"/v1/subscriptions/{person.subscription}/uncancel"
    undone = await door.asks("POST", back, leaver.headers)
    await door.stage.passes(days=32)

    assert undone.json()["state"] == "undone"
    assert kept(door, person) == [PRICE, PRICE]


async def test_who_leaves_anew_and_takes_that_back_goes_on_paying(door: Door) -> None:
    # given one who left again when the provider would, and came back
    person, _ = await refused(door)
    await door.stage.passes(days=1)
    again = await door.opens(person)
    await again.leaves()

    back = f"/v1/subscriptions/{person.subscription}/uncancel"
    await door.asks("POST", back, again.headers)
    await door.stage.passes(days=31)

    # then it is the newest word that counts
    assert kept(door, person) == [PRICE, PRICE]
