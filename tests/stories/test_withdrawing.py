"""Withdrawing within 14 days: it ends now and what was paid goes back, once, whatever crashes."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from app.domain.cancellations import CancelRequest, Choice, RequestState
from app.domain.declarations import Declaration, DeclarationState
from app.domain.evidence import Evidence, EvidenceKind
from app.domain.messages import Message
from app.domain.sessions import CancelSession, SessionState
from app.pages.forms import forms_router
from tests.stories.breaking import Crash
from tests.stories.cards import APPROVES, REFUSED
from tests.stories.leaving import Door, Leaver, open_door
from tests.stories.looks import Person
from tests.stories.stage import PRICE, Stage

pytestmark = pytest.mark.anyio
Json = dict[str, Any]
KEY = {"Idempotency-Key": "k"}
BERLIN: Json = {"address[country]": "DE"}


@pytest.fixture
async def door(stage: Stage) -> AsyncIterator[Door]:
    opened = await open_door(stage)
    opened.app.include_router(forms_router(stage.world))
    async with opened.client:
        yield opened


async def a_german(door: Door, *, days: float = 3) -> tuple[Person, Leaver]:
    """Somebody in Berlin who subscribed some days ago, with a session open."""
    person = await door.stage.subscriber(APPROVES, **BERLIN)
    await door.stage.passes(days=days)
    return person, await door.opens(person)


def refunds(stage: Stage, person: Person) -> list[int]:
    charges = stage.there("charges", customer=person.customer)["data"]
    return [charge["amount_refunded"] for charge in charges]


def declared_by(person: Person) -> dict[str, str]:
    """What somebody fills in and confirms."""
    who = {"name": "Ada", "email": f"{person.method}@example.com"}
    return who | {"reference": person.subscription, "once": "A" * 32, "sure": "yes"}


async def sees(leaver: Leaver) -> Json:
    path = f"/v1/cancel-sessions/{leaver.seen['id']}/withdrawal"
    answer = await leaver.door.asks("GET", path, leaver.headers)
    assert answer.status_code == 200, answer.text
    told: Json = answer.json()
    return told


async def withdraws(leaver: Leaver) -> Json:
    answer = await leaver.asks("withdrawal", {}, **KEY)
    assert answer.status_code == 200, answer.text
    receipt: Json = answer.json()
    return receipt


async def test_all_comes_back_as_it_was_told_and_it_ends_now(door: Door) -> None:
    stage = door.stage
    person, leaver = await a_german(door)
    told = await sees(leaver)

    receipt = await withdraws(leaver)
    await stage.passes(hours=1)

    (session,) = await stage.find(CancelSession)
    assert "withdraw" in leaver.seen["may"]
    assert (told["refund_minor"], told["label"]) == (PRICE, "Confirm withdrawal")
    assert "$30.00 is paid back to you." in told["says"]
    assert receipt["choice"] == "withdrawal"
    assert refunds(stage, person) == [told["refund_minor"]]
    assert stage.there(f"subscriptions/{person.subscription}")["status"] == "canceled"
    assert session.state is SessionState.CANCELLED
    kinds = [line.kind for line in await stage.find(Evidence)]
    assert {EvidenceKind.CANCELLED, EvidenceKind.REFUNDED} <= set(kinds)


async def test_what_was_paid_of_an_open_invoice_comes_back_too(door: Door) -> None:
    # given a change that is billed at once and refused, of which a part was transferred
    stage = door.stage
    person, _ = await a_german(door)
    stage.program(person.method, REFUSED)
    item = stage.there(f"subscriptions/{person.subscription}")["items"]["data"][0]["id"]
    more = {"items[0][id]": item, "items[0][quantity]": 3}
    path = f"subscriptions/{person.subscription}"
    stage.call(path, **more, proration_behavior="always_invoice")
    await stage.passes(hours=3)
    (open_one,) = stage.there("invoices", customer=person.customer, status="open")["data"]
    stage.act(person, "pay_part", amount=1200, invoice=open_one["id"])
    await stage.passes(hours=1)
    leaver = await door.opens(person)

    told = await sees(leaver)
    await withdraws(leaver)
    await stage.passes(hours=6)

    assert told["refund_minor"] == PRICE + 1200
    assert sum(refunds(stage, person)) == told["refund_minor"]


async def test_the_letter_and_the_receipt_tell_what_comes_back(door: Door) -> None:
    stage = door.stage
    _, leaver = await a_german(door)

    await withdraws(leaver)
    await stage.passes(hours=1)
    file = await leaver.asks("receipt")

    (message,) = await stage.find(Message)
    (mail,) = await stage.mails()
    assert message.template == "withdrawal_confirmed"
    assert "$30.00 is paid back to you" in mail.text
    assert "$30.00 is paid back to you" in file.text


@pytest.mark.parametrize("point", range(1, 20, 3))
async def test_a_process_that_dies_gives_back_once(door: Door, point: int) -> None:
    stage = door.stage
    person, leaver = await a_german(door)

    stage.fuse.arm(point)
    try:
        await leaver.asks("withdrawal", {}, **KEY)
        await stage.plays()
    except Crash:
        pass
    await withdraws(leaver)
    await stage.passes(hours=1)

    assert refunds(stage, person) == [PRICE]
    assert len(await stage.find(CancelRequest)) == 1
    assert stage.there(f"subscriptions/{person.subscription}")["status"] == "canceled"


async def test_with_a_recorded_consent_only_what_was_not_used_comes_back(door: Door) -> None:
    stage = door.stage
    person, leaver = await a_german(door, days=3)
    consent = {"wording": "Please begin now; I pay for what I used."}
    path = f"/v1/subscriptions/{person.subscription}/consent"
    recorded = await door.asks(
        "PUT", path, door.backend(), consent | {"given_at": "2026-09-21T00:00:00Z"}
    )
    await stage.passes(hours=1)
    told = await sees(leaver)

    await withdraws(leaver)
    await stage.passes(hours=1)

    assert recorded.status_code == 200, recorded.text
    assert told["refund_minor"] == PRICE - PRICE * 3 // 30
    assert refunds(stage, person) == [told["refund_minor"]]


async def test_nobody_withdraws_for_another_sum_than_they_were_told(door: Door) -> None:
    # given somebody who wanted an early start, and reads what would come back
    stage = door.stage
    person, leaver = await a_german(door, days=3.5)
    path = f"/v1/subscriptions/{person.subscription}/consent"
    given = {"wording": "Please begin now.", "given_at": "2026-09-21T00:00:00Z"}
    await door.asks("PUT", path, door.backend(), given)
    await stage.passes(hours=1)
    told = await sees(leaver)
    await stage.passes(hours=10)
    same = await sees(leaver)
    lines = [row for row in await stage.find(Evidence) if row.kind is EvidenceKind.PREVIEWED]

    # when they press on the next day, by the API and on the page
    await stage.passes(hours=4)
    page = f"/c/{leaver.seen['token']}/withdraw"
    refused = await leaver.asks("withdrawal", {"told": told["told"]}, **KEY)
    shown = await door.client.post(page, data={"told": told["told"]})

    # then nothing is done, and they read what it is by now
    assert (same["told"], len(lines)) == (told["told"], 1)
    assert (refused.status_code, shown.headers["location"]) == (409, f"{page}?changed")
    assert (await sees(leaver))["refund_minor"] == PRICE - PRICE * 4 // 30
    assert refunds(stage, person) == [0]


@pytest.mark.parametrize(
    ("given_at", "status"), [("2026-09-21T00:00:00Z", 200), ("2027-01-01T00:00:00Z", 422)]
)
async def test_what_nobody_had_agreed_to_when_they_declared_keeps_nothing_back(
    door: Door, given_at: str, status: int
) -> None:
    # given a declaration that is not carried out yet
    stage = door.stage
    person = await stage.subscriber(APPROVES, **BERLIN)
    await stage.passes(days=3)
    form = f"/f/{stage.merchant.merchant_id}/withdraw"
    await door.client.post(form, data=declared_by(person))

    # when a consent is recorded behind it
    path = f"/v1/subscriptions/{person.subscription}/consent"
    given = {"wording": "Please begin now.", "given_at": given_at}
    recorded = await door.asks("PUT", path, door.backend(), given)
    await stage.passes(hours=1)

    # then all comes back
    assert recorded.status_code == status, recorded.text
    assert refunds(stage, person) == [PRICE]


async def test_who_cancelled_may_still_withdraw_and_there_is_one_request(door: Door) -> None:
    stage = door.stage
    person, leaver = await a_german(door)
    await leaver.leaves("period_end")
    again = await leaver.looks()

    await withdraws(leaver)
    await stage.passes(hours=1)

    (request,) = await stage.find(CancelRequest)
    assert "withdraw" in again["may"]
    assert (request.choice, request.state) == (Choice.WITHDRAWAL, RequestState.ENDED)
    assert refunds(stage, person) == [PRICE]


@pytest.mark.parametrize(
    ("where", "days"),
    [
        pytest.param(BERLIN, 15, id="after the 14th day"),
        pytest.param({"address[country]": "US", "address[state]": "CA"}, 3, id="not in the EU"),
        pytest.param({}, 3, id="nobody knows where"),
    ],
)
async def test_without_the_right_there_is_no_withdrawal(door: Door, where: Json, days: int) -> None:
    person = await door.stage.subscriber(APPROVES, card="amex", **where)
    await door.stage.passes(days=days)
    leaver = await door.opens(person)

    asked = await leaver.asks("withdrawal", {}, **KEY)

    assert "withdraw" not in leaver.seen["may"]
    assert asked.status_code == 409
    assert refunds(door.stage, person) == [0]


async def test_a_withdrawal_is_no_end_beside_the_others(door: Door) -> None:
    _, leaver = await a_german(door)

    word = await leaver.says("withdrawal")

    assert word.status_code == 409
    assert [end["choice"] for end in await leaver.outlook()] == ["period_end"]


async def test_the_page_withdraws_without_a_script(door: Door) -> None:
    stage = door.stage
    person, leaver = await a_german(door)
    door.client.follow_redirects = True
    here = f"/c/{leaver.seen['token']}"

    first = await door.client.get(here)
    shown = await door.client.get(f"{here}/withdraw")
    done = await door.client.post(f"{here}/withdraw", data={})
    again = await door.client.post(f"{here}/withdraw", data={})
    await stage.passes(hours=1)

    assert "Withdraw from contract here" in first.text
    assert "$30.00 is paid back to you." in shown.text
    assert "Confirm withdrawal" in shown.text
    assert "You have withdrawn from the contract" in done.text
    assert done.text == again.text
    assert refunds(stage, person) == [PRICE]


async def test_by_the_public_form_it_ends_and_all_comes_back(door: Door) -> None:
    stage = door.stage
    person = await stage.subscriber(APPROVES, **BERLIN)
    path = f"/f/{stage.merchant.merchant_id}/withdraw"
    given = {
        "name": "Ada",
        "email": f"{person.method}@example.com",
        "reference": person.subscription,
    }

    await door.client.post(path, data=given | {"once": "A" * 32, "sure": "yes"})
    await stage.passes(hours=1)

    (row,) = await stage.find(Declaration)
    assert row.state is DeclarationState.DONE
    assert refunds(stage, person) == [PRICE]


async def test_a_declared_withdrawal_without_the_right_waits_for_a_person(door: Door) -> None:
    stage = door.stage
    person = await stage.subscriber(APPROVES, **BERLIN)
    await stage.passes(days=20)
    path = f"/f/{stage.merchant.merchant_id}/withdraw"
    given = {
        "name": "Ada",
        "email": f"{person.method}@example.com",
        "reference": person.subscription,
    }

    await door.client.post(path, data=given | {"once": "A" * 32, "sure": "yes"})
    await stage.passes(hours=1)

    (row,) = await stage.find(Declaration)
    assert row.state is DeclarationState.WAITING
    assert refunds(stage, person) == [0]


async def test_a_later_word_puts_no_withdrawal_off(door: Door) -> None:
    # given a session that is open while its customer withdraws by the form
    stage = door.stage
    person, leaver = await a_german(door)
    path = f"/f/{stage.merchant.merchant_id}/withdraw"
    await door.client.post(path, data=declared_by(person))
    await stage.plays()

    # when they cancel in the session as well, before the provider was told
    receipt = await leaver.leaves()
    await stage.passes(hours=1)

    # then they have withdrawn, and the session says so
    (session,) = await stage.find(CancelSession)
    assert receipt["choice"] == "withdrawal"
    assert session.state is SessionState.CANCELLED
    assert refunds(stage, person) == [PRICE]
    assert stage.there(f"subscriptions/{person.subscription}")["status"] == "canceled"
