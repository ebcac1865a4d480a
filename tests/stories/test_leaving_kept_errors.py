"""A provider that keeps its error under a key for a day holds nobody, in neither direction."""

import pytest

from app.domain.cancellations import CancelRequest, RequestState
from app.domain.mirror import Invoice, InvoiceStatus
from app.ports.payments import ProviderUnavailable
from app.services import cancel_telling
from tests.stories.cards import APPROVES, REFUSED
from tests.stories.leaving import Door
from tests.stories.looks import Person
from tests.stories.stage import Stage

pytestmark = pytest.mark.anyio


async def comes_back(stage: Stage, person: Person) -> CancelRequest:
    merchant, account = stage.merchant.merchant_id, stage.account.account_id
    return await cancel_telling.uncancel(
        stage.world, merchant, account, person.subscription, actor="customer"
    )


async def test_an_end_that_met_a_kept_error_is_told_before_the_period_is_over(door: Door) -> None:
    # given somebody who leaves a day before the next charge
    stage = door.stage
    person = await stage.subscriber(APPROVES)
    await stage.passes(days=29)
    leaver = await door.opens(person)

    # when the provider fails at their word, and repeats that under its key
    stage.fault("500", f"/v1/subscriptions/{person.subscription}", method="POST")
    await leaver.leaves()
    await stage.passes(hours=2)

    # then it knows of the end in time, and charges nobody
    there = stage.there(f"subscriptions/{person.subscription}")
    assert there["cancel_at_period_end"] is True
    await stage.passes(days=2)
    assert len(stage.there("charges", customer=person.customer)["data"]) == 1


async def test_who_met_a_kept_error_comes_back_at_the_next_try(door: Door) -> None:
    # given somebody who left, and a provider that fails when they want to stay
    stage = door.stage
    person = await stage.subscriber(APPROVES)
    await (await door.opens(person)).leaves()
    await stage.passes(hours=1)
    stage.fault("500", f"/v1/subscriptions/{person.subscription}", method="POST")
    with pytest.raises(ProviderUnavailable):
        await comes_back(stage, person)

    # when they say it again a minute later
    await stage.passes(hours=1 / 60)
    request = await comes_back(stage, person)

    there = stage.there(f"subscriptions/{person.subscription}")
    assert (request.state, there["cancel_at_period_end"]) == (RequestState.UNDONE, False)


async def test_an_invoice_whose_close_met_a_kept_error_is_closed_within_the_hours(
    door: Door,
) -> None:
    # given an unpaid period that is forgiven, whose close fails once under its key
    stage = door.stage
    person = await stage.subscriber(REFUSED)
    case = await stage.fails(person)
    leaver = await door.opens(person)
    stage.fault("500", f"/v1/invoices/{case.invoice_id}/mark_uncollectible", method="POST")

    await leaver.leaves("now")
    await stage.passes(hours=2)

    (invoice,) = await stage.find(Invoice, invoice_id=case.invoice_id)
    assert invoice.status is InvoiceStatus.UNCOLLECTIBLE
