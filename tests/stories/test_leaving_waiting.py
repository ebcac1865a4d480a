"""A year that was accepted and could not be charged: it is paid for on the spot, or given up."""

import re

import pytest

from app.domain.redemptions import Redemption, RedemptionState
from tests.stories.cards import APPROVES
from tests.stories.leaving import Door, Leaver
from tests.stories.looks import Person
from tests.stories.stage import PRICE
from tests.stories.test_leaving_pages import heading, seen

pytestmark = pytest.mark.anyio
YEAR = 30000
WAITING = "One step is left: the payment"


@pytest.fixture
async def door(door: Door) -> Door:
    door.client.follow_redirects = True
    return door


async def waiting(door: Door) -> tuple[Person, Leaver]:
    """Somebody who accepted a year with a card that refuses it."""
    stage, person = door.stage, await door.stage.subscriber(APPROVES)
    monthly, yearly = stage.price("month", "usd", PRICE), stage.price("year", "usd", YEAR)
    offer = {"kind": "annual", "to": {monthly: yearly}}
    steps = [
        {"id": "why", "kind": "survey"},
        {"id": "year", "kind": "offer", "offer": offer},
        {"id": "confirm", "kind": "confirm"},
        {"id": "done", "kind": "success", "texts": {"en": {"body": "Farewell."}}},
    ]
    path, flow = "/v1/cancel-flows/default", {"place": "DE", "steps": steps}
    assert (await door.asks("PUT", path, door.backend(), flow)).status_code == 200
    done = await door.asks("POST", f"{path}/publish", door.backend(), {"version": 1})
    assert done.status_code == 200, done.text
    stage.program(person.method, {"kind": "decline", "code": "insufficient_funds"})
    leaver = await door.opens(person)
    await leaver.does("answer", step="why")
    answer = await leaver.asks("accept", {"step": "year"}, **{"Idempotency-Key": "k"})
    assert answer.status_code == 202, answer.text
    leaver.seen |= answer.json()
    return person, leaver


def here(leaver: Leaver) -> str:
    return str(leaver.seen["page"].removeprefix(leaver.door.stage.world.public_url))


async def test_it_is_said_what_is_missing_and_one_may_pay_or_leave(door: Door) -> None:
    _, leaver = await waiting(door)

    page = await door.client.get(here(leaver))
    pay = await door.client.get(f"{here(leaver)}/pay", follow_redirects=False)

    screen = leaver.seen["screen"]
    assert (screen["name"], screen["heading"]) == ("waiting", WAITING)
    assert leaver.seen["may"][:3] == ["accept", "decline", "close"]
    assert heading(page) == WAITING
    assert "Cancel now" in seen(page)
    assert "Farewell" not in seen(page) + str(screen)
    assert pay.status_code == 303
    assert re.search(r"/i/in_\w+$", pay.headers["location"])


async def test_who_pays_on_the_spot_has_the_year_at_once(door: Door) -> None:
    # given somebody who goes to the provider's page and pays there
    stage = door.stage
    person, leaver = await waiting(door)
    where = await door.client.get(f"{here(leaver)}/pay", follow_redirects=False)
    stage.program(person.method, {"kind": "approve"})
    stage.call(f"invoices/{where.headers['location'].rpartition('/')[2]}/pay")

    # when they come back and say so
    page = await door.client.post(f"{here(leaver)}/accept", data={"step": "done"})
    later = await door.client.get(f"{here(leaver)}/pay")

    # then it is in force, and nothing is left to be paid
    (redemption,) = await stage.find(Redemption)
    assert redemption.state is RedemptionState.APPLIED
    assert heading(page) == heading(later) == "Thank you for staying"


async def test_who_has_not_paid_is_shown_the_same_again(door: Door) -> None:
    _, leaver = await waiting(door)

    page = await door.client.post(f"{here(leaver)}/accept", data={"step": "done"})

    assert heading(page) == WAITING
    assert len(await door.stage.find(Redemption)) == 1


@pytest.mark.parametrize("way", ["page", "api"])
async def test_two_clicks_lead_out_of_it(door: Door, way: str) -> None:
    # given a year that waits for its payment
    stage = door.stage
    person, leaver = await waiting(door)

    # when somebody leaves all the same
    if way == "page":
        first = await door.client.post(f"{here(leaver)}/decline", data={"step": "done"})
        await door.client.post(f"{here(leaver)}/confirm", data={"choice": "period_end"})
        assert heading(first) == "Cancel your subscription"
    else:
        assert (await leaver.does("decline", step="done"))["screen"]["name"] == "confirm"
        await leaver.leaves("period_end")

    # then nobody can pay for the year any more, and it ends as it was told
    there = stage.there(f"subscriptions/{person.subscription}")
    latest = stage.there("invoices", customer=person.customer)["data"][0]
    assert (there["pending_update"], there["cancel_at_period_end"]) == (None, True)
    assert latest["status"] == "void"
