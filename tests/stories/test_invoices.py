"""Invoices that customers pay by themselves: reminded of when overdue, never charged."""

from typing import Any

import pytest

from app.domain.dunning import Case, CaseKind, CaseState, Trigger
from app.domain.merchants import CollectionMode
from app.domain.recovery import Failure
from app.services import merchants, payment_links
from tests.stories.cards import APPROVES
from tests.stories.looks import Person
from tests.stories.stage import Event, Stage

pytestmark = pytest.mark.anyio


async def overdue(stage: Stage) -> tuple[Person, Case]:
    """Somebody with a good card whose renewal is sent as an invoice, and who does not pay it."""
    person = await by_invoice(stage)
    await told_overdue(stage, person)
    await stage.plays()
    return person, await stage.case(person)


async def by_invoice(stage: Stage) -> Person:
    """Somebody with a good card who is sent invoices, two weeks after one of them."""
    person = await stage.subscriber(APPROVES)
    former = f"subscriptions/{person.subscription}"
    price = stage.there(former)["items"]["data"][0]["price"]["id"]
    stage.sandbox.raw("DELETE", f"/v1/{former}")
    stage.call(
        "subscriptions",
        customer=person.customer,
        collection_method="send_invoice",
        days_until_due=14,
        **{"items[0][price]": price},
    )
    await stage.passes(days=45)
    return person


async def told_overdue(stage: Stage, person: Person, **changed: Any) -> list[Event]:
    """The provider says so of every open invoice of the customer."""
    found = stage.there("invoices", customer=person.customer, status="open")["data"]
    events = [
        {
            "id": f"evt_overdue_{invoice['id']}",
            "object": "event",
            "type": "invoice.overdue",
            "created": int(stage.now.timestamp()),
            "data": {"object": invoice | changed},
        }
        for invoice in found
    ]
    await stage.delivers(*events)
    return events


async def test_an_overdue_invoice_is_reminded_of_and_never_charged(stage: Stage) -> None:
    _, case = await overdue(stage)
    await stage.passes(days=27)

    assert (case.kind, case.driven, case.mode) == (CaseKind.INVOICE, False, CollectionMode.OBSERVE)
    assert stage.charges(case) == []
    assert stage.fuse.keys() == stage.fuse.keys("stop_provider_retries") == []
    assert {m.partition("-")[0] for m in await stage.letters(case)} == {"reminder"}
    assert "past its due date" in (await stage.mails())[0].text
    assert await stage.find(Failure) == []


async def test_an_overdue_invoice_that_is_paid_ends_its_case_and_recovers_nothing(
    stage: Stage,
) -> None:
    person, case = await overdue(stage)
    await stage.passes(days=8)
    token = await stage.token()

    view = await payment_links.look(stage.world, token)
    url = await payment_links.go(stage.world, token)
    stage.act(person, "pay_hosted_invoice", invoice=case.invoice_id)
    await stage.passes(days=2)

    paid = await stage.case(person)
    assert view is not None
    assert (view.needs, view.status) == ("pay", "open")
    assert case.invoice_id in url
    assert paid.state is CaseState.RECOVERED
    assert paid.cause == "customer_paid_link"
    assert [a.trigger for a in await stage.attempts(case)] == [Trigger.CUSTOMER]
    assert await stage.ledger(case) == []
    assert (await stage.letters(case))[-1] == "recovered"


async def test_a_new_card_or_a_mode_that_drives_charges_no_such_invoice(stage: Stage) -> None:
    person, case = await overdue(stage)

    stage.act(person, "new_card", card={"base": "visa"})
    await stage.passes(days=1)
    await merchants.set_mode(stage.world, stage.account, CollectionMode.OBSERVE, actor="test")
    await merchants.set_mode(stage.world, stage.account, CollectionMode.DRIVE, actor="test")
    await stage.passes(days=1)

    assert not (await stage.case(person)).driven
    assert stage.charges(case) == []
    assert stage.fuse.keys() == []


async def test_an_overdue_invoice_nobody_settles_is_left_to_a_person(stage: Stage) -> None:
    person, case = await overdue(stage)

    await stage.reaches(case.window_ends_at, hours=7 * 24 + 1)

    assert (await stage.cases(person))[0].state is CaseState.PARKED
    assert stage.fuse.keys("end_subscription") == stage.fuse.keys("close_invoice") == []


@pytest.mark.parametrize(
    "changed",
    [
        pytest.param({"collection_method": "charge_automatically"}, id="charged automatically"),
        pytest.param({"amount_remaining": 0}, id="nothing is owed"),
        pytest.param({"status": "void"}, id="void"),
        pytest.param({"billing_reason": "manual"}, id="no renewal"),
    ],
)
async def test_no_case_is_opened_for_what_is_not_to_be_reminded_of(
    stage: Stage, changed: dict[str, Any]
) -> None:
    person = await by_invoice(stage)

    told = await told_overdue(stage, person, **changed)
    await stage.plays()

    assert told
    assert await stage.cases(person) == []
