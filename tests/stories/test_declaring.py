"""Who leaves by a public form, without signing in: it counts, is carried out, tells nobody who is a
customer, and what matches nothing goes to a person."""

import re
from collections.abc import Callable
from datetime import UTC, datetime
from html import unescape
from typing import Any

import httpx
import pytest

from app.domain.cancellations import CancelRequest, Choice, RequestState, Source
from app.domain.declarations import Declaration, DeclarationKind, DeclarationState
from app.domain.evidence import Evidence, EvidenceKind
from app.domain.messages import Message, MessageState
from app.domain.operations import Alert
from app.domain.redemptions import RedemptionState
from tests.offers.stage import Leaving
from tests.stories.cards import APPROVES, BROKE, REFUSED
from tests.stories.leaving import MOST_OF_ONE, Door
from tests.stories.looks import Person
from tests.stories.stage import PRICE, Stage

pytestmark = pytest.mark.anyio


@pytest.fixture
def door(forms_door: Door) -> Door:
    return forms_door


def sheet(page: httpx.Response) -> str:
    found = re.search(r'name="once" value="([^"]+)"', page.text)
    assert found, page.text
    return found[1]


def seen(page: httpx.Response) -> str:
    body = page.text.split("<body>")[1]
    return re.sub(r"[ \n]+", " ", unescape(re.sub(r"<[^>]+>", " ", body)))


def path(door: Door, name: str = "kuendigen") -> str:
    return f"/f/{door.stage.merchant.merchant_id}/{name}"


def address(person: Person) -> str:
    return f"{person.method}@example.com"


def filled(person: Person, **told: str) -> dict[str, str]:
    given = {"name": "Ada Lovelace", "email": address(person), "reference": person.subscription}
    return given | told


async def declares(door: Door, given: dict[str, str], name: str = "kuendigen") -> httpx.Response:
    """Fills the German form in and sends it."""
    blank = await door.client.get(path(door, name))
    assert blank.status_code == 200, blank.text
    return await door.client.post(path(door, name), data=given | {"once": sheet(blank)})


async def declared(stage: Stage) -> Declaration:
    (found,) = await stage.find(Declaration)
    return found


async def test_one_page_and_one_button_end_the_contract_at_the_periods_end(door: Door) -> None:
    stage, person = door.stage, await door.stage.subscriber(APPROVES)

    page = await declares(door, filled(person))
    await stage.passes(hours=1)

    row, (request,) = await declared(stage), await stage.find(CancelRequest)
    there = stage.there(f"subscriptions/{person.subscription}")
    assert "Ihre Erklärung ist eingegangen" in seen(page)
    assert row.state is DeclarationState.DONE
    assert row.request_id == request.request_id
    assert (request.source, request.choice) == (Source.FORM, Choice.PERIOD_END)
    assert request.state is RequestState.STANDING
    assert request.requested_at == row.received_at
    assert there["cancel_at_period_end"]


async def test_it_is_acknowledged_at_once_and_then_confirmed_with_its_end(door: Door) -> None:
    stage, person = door.stage, await door.stage.subscriber(APPROVES)

    await declares(door, filled(person))
    await stage.passes(hours=1)

    letters = {m.template: m for m in await stage.find(Message)}
    assert set(letters) == {"declaration_received", "cancellation_confirmed"}
    assert {m.state for m in letters.values()} == {MessageState.SENT}
    mails = {mail.subject: mail for mail in await stage.mails()}
    assert "Kelp: Ihre Erklärung ist eingegangen" in mails
    lines = [e for e in await stage.find(Evidence) if e.kind is EvidenceKind.CANCELLED]
    assert [(line.data or {})["by"] for line in lines] == ["form"]


async def test_a_stranger_gets_the_same_answer_and_a_person_is_told(door: Door) -> None:
    stage, person = door.stage, await door.stage.subscriber(APPROVES)
    hits = filled(person)
    misses = filled(person, email="mallory@example.com")

    known, unknown = await declares(door, hits), await declares(door, misses)
    await stage.passes(hours=1)

    def plain(page: httpx.Response) -> str:
        said = re.sub(r"dec_[0-9a-f]{32}|f/mer_\S+", "…", seen(page))
        return said.replace("mallory@example.com", address(person))

    waiting = [row for row in await stage.find(Declaration) if row.email != hits["email"]]
    alerts = [alert.subject for alert in await stage.find(Alert)]
    assert plain(known) == plain(unknown)
    assert known.status_code == unknown.status_code
    assert [row.state for row in waiting] == [DeclarationState.WAITING]
    assert waiting[0].declaration_id in alerts
    assert len(await stage.find(CancelRequest)) == 1
    assert len(await stage.mails()) == 3  # two acknowledged, one confirmed


async def test_a_year_that_waits_for_its_payment_costs_nobody_the_month_they_paid(
    door: Door,
) -> None:
    # given a paid month, and a year that was accepted and refused by the card
    stage = door.stage
    leaving = Leaving(stage, await stage.subscriber(APPROVES))
    year = {"kind": "annual", "to": {leaving.own_price(): leaving.price("year", 30000)}}
    stage.program(leaving.person.method, REFUSED)
    await leaving.accepts({"id": "year", **year})

    await declares(door, filled(leaving.person))
    await stage.passes(hours=1)

    # then it ends with the month, and nothing is left of the year
    (request,), (redemption,) = await stage.find(CancelRequest), await leaving.redeemed()
    there = stage.there(f"subscriptions/{leaving.person.subscription}")
    assert (request.choice, request.invoices) == (Choice.PERIOD_END, ())
    assert redemption.state is RedemptionState.FAILED
    assert (there["status"], there["pending_update"]) == ("active", None)


async def test_the_number_of_an_invoice_will_do(door: Door) -> None:
    stage, person = door.stage, await door.stage.subscriber(BROKE)
    await stage.fails(person)
    number = stage.there("invoices", subscription=person.subscription)["data"][0]["number"]

    await declares(door, filled(person, reference=number, email=address(person).upper()))
    await stage.passes(hours=1)

    (request,) = await stage.find(CancelRequest)
    assert (request.subscription_id, request.choice) == (person.subscription, Choice.NOW)
    assert (await stage.case(person)).state == "stopped"


async def test_a_reason_of_weight_ends_it_at_once_and_a_person_looks_at_it(door: Door) -> None:
    stage, person = door.stage, await door.stage.subscriber(APPROVES)

    weight = {"kind": "extraordinary", "reason": "Seit Wochen geht nichts."}
    await declares(door, filled(person, **weight))
    await stage.passes(hours=1)

    row = await declared(stage)
    assert (row.kind, row.reason) == (DeclarationKind.EXTRAORDINARY, "Seit Wochen geht nichts.")
    assert stage.there(f"subscriptions/{person.subscription}")["status"] == "canceled"
    assert row.declaration_id in [alert.subject for alert in await stage.find(Alert)]


async def test_a_day_after_what_is_paid_is_the_last_one_and_what_comes_before_is_owed(
    door: Door,
) -> None:
    # given a month that is paid, and a day in the middle of the next that somebody wished for
    stage, person = door.stage, await door.stage.subscriber(APPROVES)

    await declares(door, filled(person, wished_for="2026-11-05"))
    await stage.passes(hours=1)

    # when that day is over
    (planned,) = await stage.find(CancelRequest)
    letter = (await stage.mails())[-1].text
    await stage.passes(days=50)

    # then it ended with it, and the days before were charged
    (request,) = await stage.find(CancelRequest)
    there = stage.there(f"subscriptions/{person.subscription}")
    charges = stage.there("charges", customer=person.customer)["data"]
    assert planned.ends_at == datetime(2026, 11, 5, 23, 59, 59, tzinfo=UTC)
    assert (await declared(stage)).state is DeclarationState.DONE
    assert "5. November 2026" in letter
    assert (there["status"], there["ended_at"]) == ("canceled", planned.ends_at.timestamp())
    assert (request.state, len(charges)) == (RequestState.ENDED, 2)
    assert 0 < charges[0]["amount"] < PRICE
    assert all(charge["amount_refunded"] == 0 for charge in charges)


async def test_a_day_that_nobody_can_foresee_is_arranged_by_a_person(door: Door) -> None:
    stage, person = door.stage, await door.stage.subscriber(APPROVES)

    await declares(door, filled(person, wished_for="2029-06-30"))
    await stage.passes(hours=1)

    row = await declared(stage)
    assert row.state is DeclarationState.WAITING
    assert not await stage.find(CancelRequest)
    assert not stage.there(f"subscriptions/{person.subscription}")["cancel_at_period_end"]


async def test_a_sheet_sent_twice_is_one_declaration(door: Door) -> None:
    stage, person = door.stage, await door.stage.subscriber(APPROVES)
    blank = await door.client.get(path(door))
    given = filled(person) | {"once": sheet(blank)}

    first = await door.client.post(path(door), data=given)
    again = await door.client.post(path(door), data=given)
    await stage.passes(hours=1)

    assert seen(first) == seen(again)
    assert len(await stage.find(Declaration)) == 1
    assert len(await stage.find(CancelRequest)) == 1


async def test_two_sheets_about_one_contract_are_one_cancellation(door: Door) -> None:
    stage, person = door.stage, await door.stage.subscriber(APPROVES)

    await declares(door, filled(person))
    await declares(door, filled(person))
    await stage.passes(hours=1)

    rows = await stage.find(Declaration)
    assert [row.state for row in rows] == [DeclarationState.DONE] * 2
    assert len(await stage.find(CancelRequest)) == 1


async def test_a_process_that_dies_while_it_is_carried_out_loses_nothing(door: Door) -> None:
    stage, person = door.stage, await door.stage.subscriber(APPROVES)
    await declares(door, filled(person))

    async def goes() -> None:
        stage.fuse.away = True

    stage.fuse.arm(3, goes)
    await stage.plays()
    stage.fuse.away = False
    await stage.passes(hours=3)

    assert (await declared(stage)).state is DeclarationState.DONE
    assert stage.there(f"subscriptions/{person.subscription}")["cancel_at_period_end"]


async def test_what_was_declared_can_be_kept_as_a_file(door: Door) -> None:
    person = await door.stage.subscriber(APPROVES)
    page = await declares(door, filled(person))

    file = await door.client.get(f"{page.url.path}/file")

    row = await declared(door.stage)
    assert file.headers["content-type"].startswith("text/plain")
    assert row.declaration_id in file.text
    assert "Ich kündige ordentlich" in file.text
    assert "21.09.2026" in file.text


async def test_the_french_form_sums_up_before_it_counts(door: Door) -> None:
    person = await door.stage.subscriber(APPROVES)
    summed = await declares(door, filled(person), "resilier")
    before = await door.stage.find(Declaration)

    sure = filled(person) | {"once": sheet(summed), "sure": "yes"}
    page = await door.client.post(path(door, "resilier"), data=sure)

    assert "Notification de la résiliation" in seen(summed)
    assert "Notifier la résiliation" in seen(summed)
    assert not before
    assert "Votre déclaration est arrivée" in seen(page)
    assert len(await door.stage.find(Declaration)) == 1


@pytest.mark.parametrize(
    ("told", "missing"),
    [
        ({"email": "nobody"}, "Bitte geben Sie eine E-Mail-Adresse an"),
        ({"email": "a@b.example\r\nBcc: x@y.example"}, "Bitte geben Sie eine E-Mail-Adresse an"),
        ({"reference": " \x00 "}, "Bitte geben Sie an, welchen Vertrag Sie meinen"),
        ({"name": ""}, "Bitte geben Sie Ihren Namen an"),
        ({"wished_for": "tomorrow"}, "Bitte wählen Sie einen Tag"),
        ({"kind": "extraordinary"}, "Bitte geben Sie den Grund an"),
    ],
)
async def test_what_is_missing_is_said_and_nothing_is_lost(
    door: Door, told: dict[str, str], missing: str
) -> None:
    given = {"name": "Ada <b>", "email": "a@b.example", "reference": "in-1"} | told

    page = await declares(door, given)

    assert page.status_code == 422
    assert missing in seen(page)
    assert "<b>" not in page.text
    assert not await door.stage.find(Declaration)


@pytest.mark.parametrize(
    "where",
    [
        lambda merchant: f"/f/{merchant}/nothing",
        lambda merchant: f"/f/{merchant}/kuendigen/{'A' * 32}",
        lambda merchant: f"/f/{merchant}/kuendigen/x",
        lambda merchant: "/f/mer_00000000000000000000000000000000/kuendigen",
        lambda merchant: "/f/mer_',/kuendigen",
    ],
    ids=["no form", "no sheet", "no sheet's name", "no merchant", "no merchant's name"],
)
async def test_nowhere_there_is_nothing(door: Door, where: Callable[[str], str]) -> None:
    page = await door.client.get(where(door.stage.merchant.merchant_id))

    assert page.status_code == 404
    assert page.headers["cache-control"] == "no-store"


async def test_who_sends_too_many_is_told_that_nothing_arrived(door: Door) -> None:
    given: dict[str, Any] = {"name": "M", "email": "m@example.com", "reference": "x"}

    answers = [(await declares(door, given)).status_code for _ in range(MOST_OF_ONE + 1)]

    letters = [m.state for m in await door.stage.find(Message)]
    assert answers == [200] * MOST_OF_ONE + [429]
    assert len(await door.stage.find(Declaration)) == MOST_OF_ONE
    assert letters.count(MessageState.PLANNED) == 3


async def test_the_letter_repeats_no_words_of_a_stranger(door: Door) -> None:
    bait = "www.evil.example Win now"

    await declares(door, {"name": bait, "email": "ada@example.com", "reference": bait})
    await door.stage.passes(hours=1)

    (mail,) = await door.stage.mails()
    assert "evil" not in mail.text


async def test_a_reason_of_weight_after_an_ordinary_word_ends_it_at_once(door: Door) -> None:
    stage, person = door.stage, await door.stage.subscriber(APPROVES)
    await declares(door, filled(person))
    await stage.passes(hours=1)

    await declares(door, filled(person, kind="extraordinary", reason="Es geht nichts."))
    await stage.passes(hours=1)

    (request,) = await stage.find(CancelRequest)
    letters = [m.template for m in await stage.find(Message)]
    assert (request.choice, request.state) == (Choice.NOW, RequestState.ENDED)
    assert letters.count("cancellation_confirmed") == 2
