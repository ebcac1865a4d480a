"""A change that waits for its payment, or was refused with it, is nobody's debt."""

from collections.abc import Callable
from typing import Any

import pytest

from app.domain.dunning import Attempt, Case, CaseState
from app.domain.recovery import Failure, RecoveryEntry
from app.domain.redemptions import RedemptionState
from tests.offers.stage import Leaving
from tests.stories.cards import APPROVES, AUTHENTICATES, EXPIRED, REFUSED
from tests.stories.stage import Stage

pytestmark = pytest.mark.anyio
FAULTY = {"kind": "script", "codes": ["processing_error", "approve"]}


@pytest.fixture
async def leaving(stage: Stage) -> Leaving:
    """Somebody in the first days of a month that is paid."""
    leaving = Leaving(stage, await stage.subscriber(APPROVES))
    await stage.passes(days=1, hours=10)
    return leaving


def a_year(leaving: Leaving, **more: object) -> dict[str, object]:
    to = {leaving.own_price(): leaving.price("year", 30000)}
    return {"id": "year", "kind": "annual", "to": to, **more}


async def is_left_alone(stage: Stage, exclusion: str) -> None:
    """Nobody was written to, nothing was charged again, and no revenue is claimed for it."""
    assert await stage.find(Case) == []
    assert [row.exclusion for row in await stage.find(Failure)] == [exclusion]
    assert await stage.find(Attempt) == []
    assert await stage.find(RecoveryEntry) == []
    assert await stage.mails() == []


@pytest.mark.parametrize(
    "card", [REFUSED, EXPIRED, AUTHENTICATES, FAULTY], ids=["refused", "dead", "3ds", "faulty"]
)
async def test_a_year_of_ours_that_was_refused_is_no_debt(leaving: Leaving, card: dict) -> None:
    leaving.stage.program(leaving.person.method, card)

    waiting = await leaving.accepts(a_year(leaving))
    await leaving.stage.passes(hours=22)

    assert waiting.state is RedemptionState.WAITING
    await is_left_alone(leaving.stage, "own_offer")
    assert [invoice["status"] for invoice in leaving.invoices()] == ["open", "paid"]


async def test_a_year_that_is_heard_of_after_it_was_given_up_is_no_debt(leaving: Leaving) -> None:
    # given a refusal whose report comes when the offer has failed already
    stage = leaving.stage
    stage.program(leaving.person.method, REFUSED)
    stage.hears = False
    await leaving.accepts(a_year(leaving))
    late = stage.missed()
    await stage.passes(hours=26)
    (redemption,) = await leaving.redeemed()

    for event in late:
        await stage.delivers(event)
    await stage.passes(hours=2)

    assert redemption.state is RedemptionState.FAILED
    await is_left_alone(stage, "own_offer")


async def test_a_year_that_was_refused_at_once_leaves_no_debt(leaving: Leaving) -> None:
    leaving.stage.program(leaving.person.method, REFUSED)

    redemption = await leaving.accepts(a_year(leaving, when_unpaid="refuse"))
    await leaving.stage.passes(days=2)

    assert redemption.state is RedemptionState.FAILED
    assert await leaving.stage.find(Case) == []
    assert await leaving.stage.mails() == []


def upgrades(leaving: Leaving, *, at_once: bool = False) -> None:
    """The merchant's own change of plan, which is to wait for its payment, or takes place at
    once, paid or not."""
    stage, subscription = leaving.stage, leaving.person.subscription
    item = stage.there(f"subscriptions/{subscription}")["items"]["data"][0]["id"]
    wish = {"items[0][id]": item, "items[0][price]": leaving.price("month", 9000)}
    how = {"proration_behavior": "always_invoice", "payment_behavior": "pending_if_incomplete"}
    if at_once:
        how["payment_behavior"] = "allow_incomplete"
    stage.call(f"subscriptions/{subscription}", **wish, **how)


@pytest.mark.parametrize("turned", [False, True], ids=["in order", "the other way round"])
async def test_a_change_of_the_merchants_that_waits_for_its_payment_is_no_debt(
    leaving: Leaving, turned: bool
) -> None:
    stage = leaving.stage
    stage.program(leaving.person.method, REFUSED)
    stage.hears = False
    upgrades(leaving)
    events = stage.missed()

    for event in reversed(events) if turned else events:
        await stage.delivers(event)
        await stage.works()
    stage.heard, stage.hears = events[-1]["id"], True
    await stage.passes(hours=22)

    (failure,) = await latest(stage)
    tries = stage.there("charges", customer=leaving.person.customer)["data"]
    assert failure.exclusion == "pending_update"
    assert await stage.find(Case) == []
    assert [charge["status"] for charge in tries] == ["failed", "succeeded"]
    assert await stage.mails() == []


@pytest.mark.parametrize("turned", [False, True], ids=["in order", "the other way round"])
async def test_what_pays_for_a_change_that_waited_is_no_recovered_revenue(
    leaving: Leaving, turned: bool
) -> None:
    stage = leaving.stage
    stage.program(leaving.person.method, REFUSED)
    stage.order = reversed_where(turned)
    upgrades(leaving)
    await stage.passes(hours=2)
    stage.program(leaving.person.method, APPROVES)
    stage.call(f"invoices/{leaving.invoices()[0]['id']}/pay")

    await stage.passes(days=2)

    assert leaving.invoices()[0]["status"] == "paid"
    assert (await leaving.stands()).items[0].price.id == leaving.price("month", 9000)
    assert await stage.find(RecoveryEntry) == []
    assert await stage.mails() == []


async def test_a_change_that_took_place_and_was_not_paid_is_owed(leaving: Leaving) -> None:
    stage = leaving.stage
    stage.program(leaving.person.method, REFUSED)
    upgrades(leaving, at_once=True)

    await stage.passes(hours=1)

    (case,), (failure,) = await stage.find(Case), await latest(stage)
    (invoice,) = [one for one in leaving.invoices() if one["id"] == case.invoice_id]
    assert (case.state, invoice["billing_reason"]) == ("active", "subscription_update")
    assert (failure.case_id, failure.exclusion) == (case.case_id, None)
    assert failure.failed_at == case.opened_at < stage.now


async def test_a_change_that_was_paid_before_its_refusal_was_heard_of_is_recovered(
    leaving: Leaving,
) -> None:
    stage = leaving.stage
    stage.program(leaving.person.method, REFUSED)
    stage.hears = False
    upgrades(leaving, at_once=True)
    refusals = [event for event in stage.missed() if event["type"] == "invoice.payment_failed"]
    stage.program(leaving.person.method, APPROVES)
    stage.call(f"invoices/{leaving.invoices()[0]['id']}/pay")

    await stage.delivers(*refusals)
    await stage.passes(hours=1)

    (case,), (failure,) = await stage.find(Case), await latest(stage)
    paid = leaving.invoices()[0]["amount_paid"]
    assert (case.state, failure.amount_minor) == ("recovered", paid)
    assert [line.amount_minor for line in await stage.find(RecoveryEntry)] == [paid]
    assert await stage.mails() == []


async def test_a_renewal_that_fails_while_a_change_waits_is_owed(leaving: Leaving) -> None:
    # given a change that waits for its payment on the last day of the month
    stage = leaving.stage
    await stage.passes(days=28, hours=12)
    stage.program(leaving.person.method, REFUSED)
    upgrades(leaving)

    await stage.passes(days=2)

    (case,) = [case for case in await stage.find(Case) if case.state is CaseState.ACTIVE]
    reasons = {invoice["id"]: invoice["billing_reason"] for invoice in leaving.invoices()}
    assert reasons[case.invoice_id] == "subscription_cycle"


def reversed_where(turned: bool) -> Callable[[list[Any]], list[Any]]:
    return lambda events: events[::-1] if turned else events


async def latest(stage: Stage) -> list[Failure]:
    """The failures as they count now."""
    rows = sorted(await stage.find(Failure), key=lambda row: row.version)
    return list({row.invoice_id: row for row in rows}.values())
