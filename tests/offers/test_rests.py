"""Pauses: nothing is charged for a while, it is told before it ends, and it ends by itself."""

from datetime import timedelta

import pytest

from app.domain.access import AccessState, Level
from app.domain.offers.common import Why
from app.domain.redemptions import RedemptionState
from app.services.access import of_customer
from app.services.erasing import erase
from app.services.redemptions import OfferRefused
from tests.offers.stage import DAY_S, Leaving
from tests.stories.stage import Stage

pytestmark = pytest.mark.anyio
REST = {"id": "rest", "kind": "pause", "months": 2}


@pytest.fixture(params=["flexible", "classic"])
async def resting(stage: Stage, request: pytest.FixtureRequest) -> Leaving:
    """Somebody whose subscription has one of the two billing modes."""
    leaving = Leaving(stage, await stage.subscriber({}, locale="de"))
    if request.param == "classic":
        leaving.is_classic()
    return leaving


async def test_nothing_is_charged_until_the_day_that_was_told(resting: Leaving) -> None:
    await resting.stage.passes(days=10)
    resting.plans_to_leave()
    said = await resting.sees(REST)

    redemption = await resting.accepts(REST)
    paid = len(resting.paid())
    assert said.resumes_at is not None
    await resting.stage.reaches(said.resumes_at, hours=-2)
    before = resting.paid()
    await resting.stage.passes(hours=4)

    charged = resting.paid()
    standing = await resting.stands()
    assert redemption.state is RedemptionState.APPLIED
    assert len(before) == paid == 1
    assert [invoice["amount_paid"] for invoice in charged] == [said.next_minor, 3000]
    assert said.resumes_at.timestamp() <= charged[0]["created"] < said.resumes_at.timestamp() + 3600
    assert (standing.status, standing.collection_paused, standing.ends) == ("active", False, False)


async def test_who_rests_is_restricted_after_the_paid_period_and_until_it_goes_on(
    resting: Leaving,
) -> None:
    stage, owner = resting.stage, resting.person
    await stage.passes(hours=12)
    said = await resting.sees(REST)
    await resting.accepts(REST)

    async def level() -> Level:
        merchant, account = stage.merchant.merchant_id, stage.account.account_id
        found = await of_customer(stage.world, merchant, owner.customer, account_id=account)
        return next(o.access.level for o in found if o.subscription_id == owner.subscription)

    async def told() -> list[Level]:
        found = await stage.find(AccessState, subscription_id=owner.subscription)
        return [state.level for state in found]

    await stage.passes(days=29)
    paid = await level(), await told()
    await stage.passes(days=3)
    over = await level(), await told()
    await stage.reaches(said.resumes_at, hours=3)

    assert paid == (Level.FULL, [])
    assert over == (Level.RESTRICTED, [Level.RESTRICTED])
    assert (await level(), await told()) == (Level.FULL, [Level.FULL])


async def test_it_is_told_a_week_before_it_ends_and_once(resting: Leaving) -> None:
    said = await resting.sees(REST)
    await resting.accepts(REST)
    assert said.resumes_at is not None

    await resting.stage.reaches(said.resumes_at, hours=-1)

    (mail,) = await resting.stage.mails()
    assert "21. Dezember 2026" in mail.subject
    assert "30,00" in mail.subject
    assert "pausiert bis zum" in mail.text


async def test_a_pause_that_somebody_ended_is_not_told_of_and_not_ended_again(
    resting: Leaving,
) -> None:
    said = await resting.sees(REST)
    await resting.accepts(REST)
    resting.is_resumed()

    await resting.stage.reaches(said.resumes_at, hours=2)

    assert await resting.stage.mails() == []
    assert [invoice["amount_paid"] for invoice in resting.paid()] == [3000] * 4


async def test_a_card_that_refuses_when_it_ends_becomes_a_case(resting: Leaving) -> None:
    said = await resting.sees(REST)
    await resting.accepts(REST)
    resting.stage.program(resting.person.method, {"kind": "decline", "code": "insufficient_funds"})

    await resting.stage.reaches(said.resumes_at, hours=3)

    assert (await resting.stands()).status == "past_due"
    assert len(await resting.stage.cases(resting.person)) == 1


async def test_a_year_is_paused_only_where_it_gives_no_year_away(stage: Stage) -> None:
    person = await stage.subscriber({}, every="year", amount=30000)
    leaving = Leaving(stage, person)
    leaving.is_classic()

    with pytest.raises(OfferRefused) as refused:
        await leaving.accepts(REST)

    assert refused.value.why is Why.INTERVAL


async def test_what_is_owed_is_not_paused(leaving: Leaving) -> None:
    leaving.stage.program(leaving.person.method, {"kind": "decline", "code": "do_not_honor"})
    await leaving.stage.passes(days=31)

    with pytest.raises(OfferRefused) as refused:
        await leaving.accepts(REST)

    assert refused.value.why is Why.PAST_DUE


async def test_a_pause_that_took_place_without_an_answer_is_not_asked_for_again(
    leaving: Leaving,
) -> None:
    leaving.stage.fault("timeout_after", "/v1/subscriptions/*/pause", times=3, method="POST")
    doubtful = await leaving.accepts(REST)

    await leaving.stage.passes(hours=1)

    (redemption,) = await leaving.redeemed()
    assert doubtful.state is RedemptionState.APPLYING
    assert redemption.state is RedemptionState.APPLIED
    assert redemption.resumes_at is not None
    assert redemption.resumes_at - leaving.stage.now > timedelta(days=80)


@pytest.mark.parametrize("until", ["two months more", "nobody says"])
async def test_who_was_granted_a_longer_pause_is_not_charged_on_the_former_day(
    stage: Stage, until: str
) -> None:
    # given a pause of collection that the merchant makes longer at the provider
    leaving = Leaving(stage, await stage.subscriber({}))
    leaving.is_classic()
    said = await leaving.sees(REST)
    await leaving.accepts(REST)
    assert said.resumes_at is not None
    await stage.passes(days=20)
    later = int(said.resumes_at.timestamp()) + 60 * DAY_S
    ends = {"pause_collection[resumes_at]": later} if until == "two months more" else {}
    path = f"subscriptions/{leaving.person.subscription}"
    stage.call(path, **{"pause_collection[behavior]": "void", **ends})

    await stage.reaches(said.resumes_at, hours=30)

    assert await stage.mails() == []
    assert [invoice["amount_paid"] for invoice in leaving.paid()] == [3000]
    assert (await leaving.stands()).collection_paused


async def test_a_pause_of_somebody_who_was_erased_is_not_ended_with_a_charge(
    leaving: Leaving,
) -> None:
    stage = leaving.stage
    said = await leaving.sees(REST)
    await leaving.accepts(REST)

    await erase(stage.world, stage.merchant.merchant_id, leaving.person.customer, actor="test")
    await stage.reaches(said.resumes_at, hours=30)

    assert [invoice["amount_paid"] for invoice in leaving.paid()] == [3000]
    assert await stage.mails() == []
