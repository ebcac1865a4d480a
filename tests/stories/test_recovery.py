"""How money comes back, by whom, and that it is counted once with one cause."""

import pytest

from app.domain.dunning import AttemptState, CaseState, Trigger, Waits
from app.domain.recovery import Cause
from tests.stories.stage import PRICE, Stage

pytestmark = pytest.mark.anyio

REFUSED_ONCE = {"kind": "script", "codes": ["do_not_honor", "approve"]}
REFUSED_TWICE = {"kind": "script", "codes": ["do_not_honor", "do_not_honor", "approve"]}
EXPIRED = {"kind": "decline", "code": "expired_card"}
BROKE = {"kind": "decline", "code": "insufficient_funds"}


async def test_the_second_retry_brings_the_money(stage: Stage) -> None:
    # given a renewal refused on its day, and a bank that refuses once more and then pays
    person = await stage.subscriber(REFUSED_TWICE)
    case = await stage.fails(person)

    # when a week passes
    await stage.passes(days=11)

    # then it is recovered by our retry, and the bank was asked three times
    case = await stage.case(person)
    attempts = await stage.attempts(case)
    assert case.state is CaseState.RECOVERED
    assert [a.trigger for a in attempts] == ["provider", "holdfast", "holdfast"]
    assert await stage.ledger(case) == [("recovered", PRICE, Cause.HOLDFAST_RETRY)]


async def test_a_new_case_is_taken_over_and_explains_its_plan(stage: Stage) -> None:
    person = await stage.subscriber(REFUSED_TWICE)

    case = await stage.fails(person)

    invoice = stage.sandbox.raw("GET", f"/v1/invoices/{case.invoice_id}").json()
    assert (case.driven, case.waits) == (True, Waits.RETRYING)
    assert (invoice["auto_advance"], invoice["next_payment_attempt"]) == (False, None)
    assert any("0 of 8 attempts used" in line for line in await stage.timeline(case))


async def test_funds_that_arrive_on_payday_are_found_by_the_payday_retry(stage: Stage) -> None:
    person = await stage.subscriber(BROKE)
    case = await stage.fails(person)
    assert case.next_attempt_at is not None
    payday = int(case.next_attempt_at.timestamp()) - 3600
    stage.program(person.method, {"kind": "until", "until": payday})

    await stage.passes(days=8)

    case = await stage.case(person)
    assert case.state is CaseState.RECOVERED
    assert [a.trigger for a in await stage.attempts(case)][1:] == [Trigger.HOLDFAST]


async def test_a_new_card_through_our_link_pays_at_once(stage: Stage) -> None:
    person = await stage.subscriber(EXPIRED)
    case = await stage.fails(person)
    await stage.passes(hours=8)
    assert await stage.letters(case) == ["failed"]

    stage.act(person, "new_card", card={"base": "visa"})
    await stage.plays()

    case = await stage.case(person)
    subscription = stage.sandbox.raw("GET", f"/v1/subscriptions/{person.subscription}").json()
    assert case.state is CaseState.RECOVERED
    assert await stage.ledger(case) == [("recovered", PRICE, Cause.CUSTOMER_NEW_CARD)]
    assert subscription["default_payment_method"] not in (None, person.method)


async def test_the_account_updater_brings_one_attempt_right_away(stage: Stage) -> None:
    person = await stage.subscriber(EXPIRED)
    await stage.fails(person)

    stage.act(person, "update_card_automatically", payment_method=person.method)
    await stage.plays()

    case = await stage.case(person)
    assert case.state is CaseState.RECOVERED
    assert await stage.ledger(case) == [("recovered", PRICE, Cause.ACCOUNT_UPDATER)]


async def test_where_the_provider_retries_its_success_is_its_own(watching: Stage) -> None:
    person = await watching.subscriber(REFUSED_ONCE)
    await watching.fails(person)

    await watching.passes(days=8)

    case = await watching.case(person)
    assert case.state is CaseState.RECOVERED
    assert not case.driven
    assert await watching.ledger(case) == [("recovered", PRICE, Cause.PROVIDER_RETRY)]


async def test_a_refund_and_a_lost_dispute_take_recovered_money_back(stage: Stage) -> None:
    person = await stage.subscriber(REFUSED_ONCE)
    await stage.fails(person)
    await stage.passes(days=5)

    stage.act(person, "refund", amount=1000)
    await stage.passes(days=1)
    stage.act(person, "dispute")
    await stage.passes(days=1)
    stage.act(person, "close_dispute", won=False)
    await stage.passes(days=1)

    case = await stage.case(person)
    kinds = [(kind, amount) for kind, amount, _ in await stage.ledger(case)]
    assert kinds[:2] == [("recovered", PRICE), ("refunded", -1000)]
    assert [kind for kind, _ in kinds][2:] == ["dispute_lost"]


async def test_every_report_a_second_time_changes_nothing(stage: Stage) -> None:
    person = await stage.subscriber(REFUSED_TWICE)
    await stage.fails(person)
    await stage.passes(days=11)
    case = await stage.case(person)
    before = (case, await stage.ledger(case), await stage.attempts(case))

    events = [{**event, "id": f"{event['id']}x"} for event in stage.sandbox.events()]
    await stage.delivers(*reversed(events))
    await stage.plays()

    case = await stage.case(person)
    assert (case, await stage.ledger(case), await stage.attempts(case)) == before


async def test_three_d_secure_asks_the_customer_and_is_not_tried_blindly(stage: Stage) -> None:
    person = await stage.subscriber({"kind": "authenticate"})
    case = await stage.fails(person)

    await stage.passes(days=5)
    untouched = await stage.attempts(case)
    stage.act(person, "authenticate")
    await stage.plays()

    case = await stage.case(person)
    assert all(a.trigger is not Trigger.HOLDFAST for a in untouched)
    assert case.state is CaseState.RECOVERED
    assert await stage.ledger(case) == [("recovered", PRICE, Cause.CUSTOMER_AUTHENTICATED)]
    assert AttemptState.APPROVED in {a.state for a in await stage.attempts(case)}
