"""Plans and merchants of every shape: yen, years, trials, holdouts, two merchants side by side."""

from pathlib import Path

import pytest

from app.domain.dunning import CaseState, Trigger
from app.domain.mirror import InvoiceStatus
from app.domain.recovery import Failure
from app.ports.world import World
from tests.stories.cards import APPROVES, BROKE, EXPIRED, REFUSED, REFUSED_ONCE
from tests.stories.stage import PRICE, Stage, open_stage

pytestmark = pytest.mark.anyio


async def test_yen_have_no_cents(stage: Stage) -> None:
    person = await stage.subscriber(EXPIRED, currency="jpy", amount=1200)
    case = await stage.fails(person)
    await stage.passes(hours=8)
    (mail,) = await stage.mails()
    stage.act(person, "new_card", card={"base": "visa"})
    await stage.plays()

    assert (case.currency, case.amount_minor) == ("jpy", 1200)
    assert "¥1,200" in mail.text
    assert "12.00" not in mail.text
    assert [line[:2] for line in await stage.ledger(case)] == [("recovered", 1200)]


async def test_an_annual_plan_has_its_whole_window(stage: Stage) -> None:
    person = await stage.subscriber(REFUSED_ONCE, every="year", amount=36000)
    await stage.passes(days=365, hours=1)
    case = await stage.case(person)
    await stage.passes(days=10)

    assert (case.interval, (case.window_ends_at - case.opened_at).days) == ("year", 28)
    assert await stage.movements(person) == [("opening", PRICE)]
    assert (await stage.case(person)).state is CaseState.RECOVERED


async def test_a_weekly_plan_ends_before_its_next_invoice(stage: Stage) -> None:
    person = await stage.subscriber(REFUSED, every="week")
    await stage.passes(days=7, hours=1)
    case = await stage.case(person)

    assert (case.window_ends_at - case.opened_at).days == 7


async def test_the_first_invoice_after_a_trial_is_marked(stage: Stage) -> None:
    person = await stage.subscriber(REFUSED_ONCE, trial_days=14)
    await stage.passes(days=14, hours=1)
    case = await stage.case(person)
    (failure,) = await stage.find(Failure)
    await stage.passes(days=8)

    assert (case.trial_conversion, failure.trial_conversion) == (True, True)
    assert (await stage.case(person)).state is CaseState.RECOVERED


async def test_a_first_invoice_is_counted_and_not_worked(stage: Stage) -> None:
    person = await stage.subscriber(APPROVES)
    stage.program(person.method, REFUSED)
    stage.subscribes(person)
    await stage.passes(days=2)

    (failure,) = await stage.find(Failure)
    assert failure.exclusion == "first_invoice"
    assert await stage.cases(person) == []


async def test_the_control_group_gets_its_retries_evenly(stage: Stage) -> None:
    await stage.has(holdout_percent=100)
    person = await stage.subscriber(BROKE)
    case = await stage.fails(person)
    await stage.passes(days=27)

    days = [
        (a.intent_at - case.opened_at).days
        for a in await stage.attempts(case)
        if a.trigger is Trigger.HOLDFAST
    ]
    assert case.arm == "holdout"
    assert days == [3, 6, 9, 12, 16, 19, 22, 25]
    assert (await stage.letters(case))[0] == "failed"


async def test_the_control_group_of_a_weekly_plan_gets_its_retries_within_the_week(
    stage: Stage,
) -> None:
    await stage.has(holdout_percent=100)
    person = await stage.subscriber(BROKE, every="week")
    await stage.passes(days=7, hours=1)
    case = await stage.case(person)
    await stage.passes(days=6, hours=22)

    assert case.arm == "holdout"
    assert len(await stage.states(case)) == 6


async def test_a_new_price_in_the_middle_of_a_case_is_not_asked_for(stage: Stage) -> None:
    person = await stage.subscriber(REFUSED_ONCE)
    case = await stage.fails(person)
    shown = stage.there(f"subscriptions/{person.subscription}")["items"]["data"][0]
    params = {"items[0][id]": shown["id"], "items[0][quantity]": 3, "proration_behavior": "none"}
    stage.call(f"subscriptions/{person.subscription}", **params)

    await stage.passes(days=5)

    assert (await stage.case(person)).recovered_minor == PRICE
    assert await stage.movements(person) == [("opening", PRICE), ("expansion", 2 * PRICE)]
    assert stage.there(f"invoices/{case.invoice_id}")["status"] == InvoiceStatus.PAID


async def test_two_merchants_with_the_same_ids_never_mix(
    stage: Stage, world: World, tmp_path: Path
) -> None:
    # given two merchants whose provider gave out the very same ids
    mine = await stage.subscriber(REFUSED_ONCE)
    async with open_stage(world, tmp_path, name="Dulse") as other:
        theirs = await other.subscriber(EXPIRED)
        assert theirs == mine

        # when the card of one pays and that of the other does not
        for _ in range(40):
            await stage.passes(days=1)
            other.turns_to(stage.now)
            await other.plays()
        case, same = await stage.case(mine), await other.case(theirs)

        assert (case.state, same.state) == (CaseState.RECOVERED, CaseState.ACTIVE)
        assert case.invoice_id == same.invoice_id
        assert await other.ledger(same) == []
        assert "failed" in await other.letters(same)
        assert await stage.letters(case) == []
