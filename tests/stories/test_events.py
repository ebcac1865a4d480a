"""Merchants' own software is told what happens: everything once, and nothing that is private."""

import pytest

from app.domain.dunning import CaseState
from app.domain.events import OutgoingEvent
from app.domain.events_catalogue import EventType
from app.services import event_endpoints, merchants, payment_links
from tests.outgoing.receiver import open_receiver
from tests.stories.stage import Stage
from tests.stories.told import EXPIRED, REFUSED_ONCE, REFUSED_TWICE, Told, a_failure

pytestmark = pytest.mark.anyio


async def test_a_recovered_case_is_told_from_its_first_refusal_to_the_money(told: Told) -> None:
    person = await a_failure(told.stage)

    await told.stage.passes(days=11)

    case = await told.stage.case(person)
    mine = [got.event for got in told.receiver.got if got.event["subject"] == case.case_id]
    assert [event["type"] for event in mine if event["type"] != "dunning.message.sent"] == [
        "dunning.case.opened",
        "dunning.attempt.failed",
        "dunning.attempt.scheduled",
        "dunning.attempt.failed",
        "dunning.attempt.scheduled",
        "dunning.attempt.succeeded",
        "recovered_revenue.entered",
        "dunning.case.recovered",
        "dunning.case.closed",
    ]
    assert [event["sequence"] for event in mine] == list(range(1, len(mine) + 1))
    assert mine[-2]["data"]["state"] == "recovered"
    assert "dunning.message.sent" in told.receiver.types


async def test_no_address_name_or_secret_is_in_what_is_told(told: Told) -> None:
    person = await told.stage.subscriber(REFUSED_TWICE, name="Ada Kelp")
    await told.stage.fails(person)
    await told.stage.passes(days=11)

    sent = b" ".join(got.body for got in told.receiver.got).decode()
    assert "@" not in sent
    assert not [word for word in ("Ada", "sk_test", "whsec_", "/p/") if word in sent]


async def test_reports_that_come_again_tell_nothing_again(told: Told) -> None:
    await a_failure(told.stage)
    await told.stage.passes(days=11)
    before = await told.events()

    again = [{**event, "id": f"{event['id']}x"} for event in told.stage.sandbox.events()]
    await told.stage.delivers(*reversed(again))
    await told.stage.plays()

    assert await told.events() == before
    assert len(told.receiver.got) == len(before)


async def test_a_merchant_without_an_endpoint_is_told_nothing(stage: Stage) -> None:
    await a_failure(stage)

    assert await stage.find(OutgoingEvent) == []


async def test_only_the_types_that_are_wanted_are_delivered(told: Told) -> None:
    await told.change(types=[EventType.CASE_OPENED])

    await a_failure(told.stage)

    assert told.receiver.types == ["dunning.case.opened"]
    assert len(await told.events()) > 1


async def test_the_pause_of_an_account_is_told_although_the_account_is_paused(told: Told) -> None:
    world, account = told.stage.world, told.stage.account
    await merchants.pause_account(world, account, reason="looks wrong", actor="test")
    await told.stage.plays()
    await merchants.resume_account(world, account, actor="test")
    await told.stage.plays()

    paused, resumed = (got.event for got in told.receiver.got)
    assert (paused["type"], paused["data"]["reason"]) == ("account.paused", "looks wrong")
    assert resumed["type"] == "account.resumed"


async def test_a_revoked_key_is_told(told: Told) -> None:
    person = await told.stage.subscriber(REFUSED_TWICE)
    await told.stage.key_is(told.stage.world.sealer.seal("sk_live_revoked"))

    await told.stage.passes(days=30, hours=1)

    assert (await told.stage.case(person)).state is CaseState.ACTIVE
    assert "account.paused" in told.receiver.types


async def test_a_customer_who_goes_through_the_link_with_a_new_card_is_told(told: Told) -> None:
    person = await a_failure(told.stage, EXPIRED)
    await told.stage.passes(hours=8)

    await payment_links.go(told.stage.world, await told.stage.token())
    told.stage.act(person, "new_card", card={"base": "visa"})
    await told.stage.plays()

    case = await told.stage.case(person)
    later = told.receiver.types[told.receiver.types.index("dunning.message.clicked") :]
    assert case.state is CaseState.RECOVERED
    assert later[:2] == ["dunning.message.clicked", "dunning.method.updated"]
    assert "dunning.case.closed" in later


async def test_money_taken_back_restates_what_was_recovered(told: Told) -> None:
    person = await a_failure(told.stage, REFUSED_ONCE)
    await told.stage.passes(days=5)

    told.stage.act(person, "refund", amount=1000)
    await told.stage.passes(days=1)

    restated = [g.event["data"] for g in told.receiver.got if g.event["type"].endswith("restated")]
    assert [(row["kind"], row["amount_minor"]) for row in restated] == [("refunded", -1000)]


async def test_the_end_of_a_case_and_of_its_subscription_are_told(told: Told) -> None:
    await a_failure(told.stage, EXPIRED)

    await told.stage.passes(days=35)

    ends = [t for t in told.receiver.types if t not in {"dunning.message.sent"}]
    ended = next(g.event for g in told.receiver.got if g.event["type"] == "subscription.ended")
    assert {"dunning.case.exhausted", "dunning.case.closed", "subscription.ended"} <= set(ends)
    assert (ended["data"]["status"], ended["data"]["churn"]) == ("canceled", "churn_involuntary")


async def test_a_case_that_others_end_is_told_as_stopped_with_its_reason(told: Told) -> None:
    person = await a_failure(told.stage)
    case = await told.stage.case(person)

    told.stage.call(f"invoices/{case.invoice_id}/void")
    await told.stage.plays()

    stopped = [g.event for g in told.receiver.got if g.event["type"] == "dunning.case.stopped"]
    assert [event["data"]["reason"] for event in stopped] == ["the invoice was voided"]


async def test_another_merchants_endpoint_hears_nothing(told: Told) -> None:
    stranger = await merchants.create_merchant(told.stage.world, name="Other", actor="test")
    async with open_receiver() as theirs:
        await event_endpoints.create(
            told.stage.world,
            stranger.merchant_id,
            url=theirs.url,
            description="",
            types=(),
            actor="test",
        )
        await a_failure(told.stage)

        assert told.receiver.got
        assert theirs.got == []
