"""Attempts by others: each of its own type and cause, none of them one of ours."""

from collections.abc import Callable

import pytest

from app.domain.dunning import CardUse, CaseState, Trigger
from app.domain.merchants import CollectionMode
from app.domain.recovery import Cause
from app.services import merchants
from tests.stories.cards import APPROVES, EXPIRED, REFUSED, STOLEN
from tests.stories.looks import Person
from tests.stories.stage import PRICE, Stage

pytestmark = pytest.mark.anyio


def pays_on_its_page(stage: Stage, person: Person) -> None:
    stage.act(person, "pay_hosted_invoice", card=person.method)


def brings_a_card(stage: Stage, person: Person) -> None:
    stage.act(person, "new_card", card={"base": "visa"})


def is_updated(stage: Stage, person: Person) -> None:
    stage.act(person, "update_card_automatically", payment_method=person.method)


@pytest.mark.parametrize(
    ("happens", "trigger", "cause"),
    [
        pytest.param(
            pays_on_its_page,
            Trigger.CUSTOMER,
            Cause.MANUAL_OR_EXTERNAL,
            id="the customer on the provider's page",
        ),
        pytest.param(brings_a_card, Trigger.NEW_CARD, Cause.CUSTOMER_NEW_CARD, id="a new card"),
        pytest.param(
            is_updated, Trigger.ACCOUNT_UPDATER, Cause.ACCOUNT_UPDATER, id="the account updater"
        ),
    ],
)
async def test_what_others_do_spends_none_of_our_attempts_and_counts_for_the_card(
    stage: Stage, happens: Callable[[Stage, Person], None], trigger: Trigger, cause: Cause
) -> None:
    person = await stage.subscriber(REFUSED)
    case = await stage.fails(person)
    stage.program(person.method, APPROVES)

    happens(stage, person)
    await stage.passes(hours=1)

    case = await stage.case(person)
    attempts = await stage.attempts(case)
    uses = await stage.find(CardUse)
    assert (case.state, case.attempts_used) == (CaseState.RECOVERED, 0)
    assert [a.trigger for a in attempts][1:] == [trigger]
    assert await stage.ledger(case) == [("recovered", PRICE, cause)]
    assert {use.use_ref for use in uses} >= {a.provider_ref for a in attempts}


async def test_tries_the_provider_only_counts_are_none_of_what_the_customer_does(
    watching: Stage,
) -> None:
    # given a card that is refused for good, on which the provider's retries go on in name alone
    watching.sandbox.control("settings", {"retry_days": [1, 2, 3], "end_action": "past_due"})
    person = await watching.subscriber(STOLEN)
    case = await watching.fails(person)
    await watching.passes(days=7)
    counted = watching.there(f"invoices/{case.invoice_id}")["attempt_count"]

    # when we drive from now on, and the customer tries two cards on the provider's page
    drives = CollectionMode.DRIVE
    await merchants.set_mode(watching.world, watching.account, drives, actor="test")
    await watching.plays()
    watching.act(person, "pay_hosted_invoice", card={"behaviour": REFUSED})
    await watching.plays()
    refused = await watching.case(person)
    watching.act(person, "pay_hosted_invoice", card={"behaviour": APPROVES})
    await watching.plays()

    triggers = [attempt.trigger for attempt in await watching.attempts(case)]
    assert counted == 4
    assert (refused.driven, await watching.alerts()) == (True, [])
    assert triggers == [Trigger.PROVIDER, Trigger.CUSTOMER, Trigger.CUSTOMER]
    assert await watching.ledger(case) == [("recovered", PRICE, Cause.MANUAL_OR_EXTERNAL)]


async def test_who_had_nothing_to_charge_paid_by_themselves(watching: Stage) -> None:
    # given a renewal for which there is no card, which the provider counts as a try
    person = await watching.subscriber(APPROVES)
    watching.call(f"payment_methods/{person.method}/detach")
    case = await watching.fails(person)
    await watching.passes(days=4)

    watching.act(person, "pay_hosted_invoice", card={"behaviour": APPROVES})
    await watching.plays()

    assert await watching.ledger(case) == [("recovered", PRICE, Cause.MANUAL_OR_EXTERNAL)]


async def test_an_update_of_another_card_charges_nothing(stage: Stage) -> None:
    person = await stage.subscriber(EXPIRED)
    other = {"card": {"base": "mastercard"}, "default": False}
    method = stage.act(person, "new_card", **other)["payment_method"]
    await stage.fails(person)

    stage.act(person, "update_card_automatically", payment_method=method)
    await stage.plays()

    case = await stage.case(person)
    assert case.state is CaseState.ACTIVE
    assert stage.fuse.keys() == []
    assert "the network updated a card that is not the one charged" in " ".join(
        await stage.timeline(case)
    )
