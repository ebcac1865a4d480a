"""Offers that change what is billed: a year, less, fewer, more for a while."""

from dataclasses import replace

import pytest

from app.domain.mirror import PaymentMethod, Subscription
from app.domain.offers import Offer, in_order
from app.domain.offers.common import Why
from app.domain.redemptions import RedemptionState
from app.services import redeeming
from app.services.redemptions import OfferRefused
from tests.offers.stage import Leaving, offer_of
from tests.stories.stage import Stage

pytestmark = pytest.mark.anyio
DECLINES = {"kind": "decline", "code": "insufficient_funds"}


@pytest.fixture
def prices(leaving: Leaving) -> dict[str, str]:
    """Prices beside that of the subscription, which costs 3000 a month."""
    return {
        "year": leaving.price("year", 30000),
        "dear": leaving.price("year", 99000),
        "less": leaving.price("month", 2000),
        "more": leaving.price("month", 5000),
    }


def annual(leaving: Leaving, year: str, **more: object) -> dict[str, object]:
    return {"id": "a-year", "kind": "annual", "to": {leaving.own_price(): year}, **more}


async def test_a_year_is_charged_as_it_was_told_in_the_middle_of_a_month(
    leaving: Leaving, prices: dict[str, str]
) -> None:
    await leaving.stage.passes(days=10)
    leaving.plans_to_leave()
    offer = annual(leaving, prices["year"])
    said = await leaving.sees(offer)

    redemption = await leaving.accepts(offer)

    charged = leaving.invoices()[0]
    standing = await leaving.stands()
    assert redemption.state is RedemptionState.APPLIED
    assert said.now_minor == charged["amount_paid"] == 30000 - 2000
    assert (said.next_minor, redemption.cost_minor) == (30000, 12 * 3000 - 30000)
    assert said.next_at == standing.period_end
    assert not standing.ends


async def test_a_year_told_before_and_accepted_later_costs_what_was_told(
    leaving: Leaving, prices: dict[str, str]
) -> None:
    offer = annual(leaving, prices["year"])
    await leaving.stage.passes(days=10)
    said = await leaving.sees(offer)
    await leaving.stage.passes(hours=0.9)
    leaving.about = leaving.told(said)

    await leaving.accepts(offer)

    assert leaving.invoices()[0]["amount_paid"] == said.now_minor


async def test_a_year_that_is_not_paid_waits_and_the_planned_end_stands(
    leaving: Leaving, prices: dict[str, str]
) -> None:
    leaving.plans_to_leave()
    leaving.stage.program(leaving.person.method, DECLINES)

    waiting = await leaving.accepts(annual(leaving, prices["year"]))

    standing = await leaving.stands()
    assert waiting.state is RedemptionState.WAITING
    assert (standing.ends, standing.pending) == (True, True)
    assert standing.items[0].price.id == leaving.own_price()


@pytest.mark.parametrize("days", [None, 12], ids=["with the period", "on a day"])
async def test_a_year_that_is_paid_on_its_page_is_in_force_and_the_end_taken_back(
    leaving: Leaving, prices: dict[str, str], days: int | None
) -> None:
    leaving.plans_to_leave(in_days=days)
    leaving.stage.program(leaving.person.method, DECLINES)
    await leaving.accepts(annual(leaving, prices["year"]))
    leaving.stage.program(leaving.person.method, {"kind": "approve"})
    leaving.stage.call(f"invoices/{leaving.invoices()[0]['id']}/pay")

    await leaving.stage.passes(hours=2)

    (redemption,) = await leaving.redeemed()
    standing = await leaving.stands()
    assert redemption.state is RedemptionState.APPLIED
    assert standing.items[0].price.id == prices["year"]
    assert not standing.ends


@pytest.mark.parametrize("days", [None, 12], ids=["with the period", "on a day"])
async def test_a_year_that_nobody_pays_for_is_given_up_with_the_session(
    leaving: Leaving, prices: dict[str, str], days: int | None
) -> None:
    leaving.plans_to_leave(in_days=days)
    leaving.stage.program(leaving.person.method, DECLINES)
    waiting = await leaving.accepts(annual(leaving, prices["year"]))

    merchant = leaving.stage.merchant.merchant_id
    redemption = await redeeming.give_up(leaving.stage.world, merchant, waiting.redemption_id)

    standing = await leaving.stands()
    assert redemption.state is RedemptionState.FAILED
    assert (standing.ends, standing.pending) == (True, False)
    assert leaving.invoices()[0]["status"] == "void"


async def test_a_year_that_nobody_pays_for_fails_by_itself_within_a_day(
    leaving: Leaving, prices: dict[str, str]
) -> None:
    leaving.stage.program(leaving.person.method, DECLINES)
    await leaving.accepts(annual(leaving, prices["year"]))

    await leaving.stage.passes(hours=26)

    (redemption,) = await leaving.redeemed()
    assert redemption.state is RedemptionState.FAILED
    assert (await leaving.stands()).items[0].price.id == leaving.own_price()


async def test_a_refused_card_is_the_end_of_a_year_that_must_be_paid_at_once(
    leaving: Leaving, prices: dict[str, str]
) -> None:
    leaving.plans_to_leave()
    leaving.stage.program(leaving.person.method, DECLINES)

    redemption = await leaving.accepts(annual(leaving, prices["year"], when_unpaid="refuse"))

    standing = await leaving.stands()
    assert redemption.state is RedemptionState.FAILED
    assert (standing.ends, standing.items[0].price.id) == (True, leaving.own_price())


async def test_a_paid_year_whose_planned_end_stays_is_parked_for_a_person(
    leaving: Leaving, prices: dict[str, str]
) -> None:
    leaving.plans_to_leave()
    claimed = await leaving.claims(annual(leaving, prices["year"]))
    leaving.attaches_a_schedule_after_the_first_call()

    redemption = await leaving.carries_on(claimed)

    assert redemption.state is RedemptionState.PARKED
    assert await leaving.stage.alerts() == ["redemption_parked"]
    assert (await leaving.stands()).items[0].price.id == prices["year"]


async def test_a_year_keeps_the_seats(leaving: Leaving, prices: dict[str, str]) -> None:
    leaving.takes_seats(4)

    await leaving.accepts(annual(leaving, prices["year"]))

    (item,) = (await leaving.stands()).items
    assert (item.price.id, item.quantity) == (prices["year"], 4)


async def pays_by_debit(leaving: Leaving) -> None:
    """What the subscription is paid with is a bank account, as far as we have heard."""
    stage, person = leaving.stage, leaving.person
    account = stage.account.account_id
    debit = PaymentMethod(
        merchant_id=stage.merchant.merchant_id,
        account_id=account,
        method_id="pm_bank",
        customer_id=person.customer,
        type="sepa_debit",
    )
    async with stage.world.store.transaction(stage.merchant.merchant_id) as tx:
        (row,) = await tx.load(Subscription, [(account, person.subscription)])
        await tx.save([replace(row, default_method_id=debit.method_id)])
        await tx.insert([debit])


@pytest.mark.parametrize(
    ("prepare", "why"),
    [
        pytest.param("dear", Why.NOT_CHEAPER, id="a year that costs more than its months"),
        pytest.param("coupon", Why.HAS_DISCOUNT, id="a coupon that would discount the year"),
        pytest.param("item", Why.INTERVAL, id="an item that has no yearly price"),
        pytest.param("tenure", Why.NOT_LONG_ENOUGH, id="a customer of yesterday"),
        pytest.param("debit", Why.BY_DEBIT, id="a bank debit, for which no change waits"),
    ],
)
async def test_a_year_is_not_offered_where_it_would_not_be_fair(
    leaving: Leaving, prices: dict[str, str], prepare: str, why: Why
) -> None:
    offer = annual(leaving, prices["dear" if prepare == "dear" else "year"])
    if prepare == "coupon":
        leaving.has_coupon("OLD", percent_off=10, duration="forever")
    if prepare == "item":
        leaving.adds_item(prices["less"])
    if prepare == "tenure":
        offer["min_tenure_days"] = 90
    if prepare == "debit":
        await pays_by_debit(leaving)

    with pytest.raises(OfferRefused) as refused:
        await leaving.accepts(offer)

    assert refused.value.why is why


@pytest.mark.parametrize("when", ["period_end", "now"])
async def test_a_cheaper_plan_is_charged_as_it_was_told(
    leaving: Leaving, prices: dict[str, str], when: str
) -> None:
    leaving.takes_seats(2)
    leaving.plans_to_leave()
    await leaving.stage.passes(days=10)
    offer = {"id": "less", "kind": "downgrade", "to": {leaving.own_price(): prices["less"]}}
    said = await leaving.sees({**offer, "when": when})

    redemption = await leaving.accepts({**offer, "when": when})
    quantity = (await leaving.stands()).items[0].quantity
    await leaving.stage.passes(days=52)

    second, first = leaving.invoices()[:2]
    assert redemption.state is RedemptionState.APPLIED
    assert (first["amount_paid"], second["amount_paid"]) == (said.next_minor, said.then_minor)
    assert (quantity, said.then_minor) == (2, 2 * 2000)
    assert said.next_minor == (4000 if when == "period_end" else 4000 - 1333)


async def test_a_planned_downgrade_is_taken_up_again_when_it_was_left_half_made(
    leaving: Leaving, prices: dict[str, str]
) -> None:
    offer = {"id": "less", "kind": "downgrade", "to": {leaving.own_price(): prices["less"]}}
    leaving.stage.fault("500", "/v1/subscription_schedules/*", times=3, method="POST")
    await leaving.accepts(offer)

    await leaving.stage.passes(hours=1)
    (redemption,) = await leaving.redeemed()
    await leaving.stage.passes(days=31)

    assert redemption.state is RedemptionState.APPLIED
    assert leaving.invoices()[0]["amount_paid"] == 2000


async def test_a_plan_that_costs_more_is_no_downgrade(
    leaving: Leaving, prices: dict[str, str]
) -> None:
    offer = {"id": "less", "kind": "downgrade", "to": {leaving.own_price(): prices["more"]}}

    with pytest.raises(OfferRefused) as refused:
        await leaving.accepts(offer)

    assert refused.value.why is Why.NOT_CHEAPER


@pytest.mark.parametrize("when", ["period_end", "now"])
async def test_fewer_seats_keep_their_price(leaving: Leaving, when: str) -> None:
    leaving.takes_seats(5)
    offer = {"id": "fewer", "kind": "seats", "remove": 3, "when": when}
    said = await leaving.sees(offer)

    redemption = await leaving.accepts(offer)
    await leaving.stage.passes(days=31)

    (item,) = (await leaving.stands()).items
    assert redemption.state is RedemptionState.APPLIED
    assert (item.quantity, item.price.id) == (2, leaving.own_price())
    assert leaving.invoices()[0]["amount_paid"] == said.next_minor


async def test_fewer_seats_planned_in_a_trial_leave_it_its_days(stage: Stage) -> None:
    # given somebody who tries five seats, and is told of the first charge
    leaving = Leaving(stage, await stage.subscriber({}, trial_days=10))
    leaving.takes_seats(5)
    offer = {"id": "fewer", "kind": "seats", "remove": 3}
    said = await leaving.sees(offer)

    redemption = await leaving.accepts(offer)
    trying = await leaving.stands()
    await stage.passes(days=11)

    assert redemption.state is RedemptionState.APPLIED
    assert (trying.status, trying.trial_end) == ("trialing", said.next_at)
    (charged,) = leaving.paid()
    assert charged["amount_paid"] == said.next_minor == 2 * 3000


async def test_the_last_seat_is_not_taken_away(leaving: Leaving) -> None:
    with pytest.raises(OfferRefused) as refused:
        await leaving.accepts({"id": "fewer", "kind": "seats", "remove": 1})

    assert refused.value.why is Why.NO_SEATS


async def test_a_better_plan_costs_the_old_price_for_a_while_and_then_goes_back(
    leaving: Leaving, prices: dict[str, str]
) -> None:
    offer = {
        "id": "better",
        "kind": "upgrade",
        "to": {leaving.own_price(): prices["more"]},
        "months": 2,
    }
    said = await leaving.sees(offer)

    redemption = await leaving.accepts(offer)
    better = (await leaving.stands()).items[0].price.id
    await leaving.stage.passes(days=125)

    standing = await leaving.stands()
    assert redemption.state is RedemptionState.APPLIED
    assert better == prices["more"]
    assert standing.items[0].price.id == leaving.own_price()
    assert [invoice["amount_paid"] for invoice in leaving.invoices()] == [3000] * 5
    assert (said.next_minor, said.then_minor, redemption.cost_minor) == (3000, 3000, 2 * 2000)
    assert standing.discounts == ()
    assert standing.schedule is None


async def test_a_better_plan_is_not_offered_right_before_a_charge(
    leaving: Leaving, prices: dict[str, str]
) -> None:
    # given a day to the next charge: the coupon might come after it, and the dearer plan before
    offer = {"id": "better", "kind": "upgrade", "to": {leaving.own_price(): prices["more"]}}
    await leaving.stage.passes(days=29)

    with pytest.raises(OfferRefused) as refused:
        await leaving.accepts(offer)

    assert refused.value.why is Why.TOO_LATE


def test_what_helps_comes_first_where_the_reason_says_it() -> None:
    made = [
        offer_of({"id": "off", "kind": "discount", "percent": 20}),
        offer_of({"id": "rest", "kind": "pause"}),
        offer_of({"id": "less", "kind": "downgrade", "to": {"a": "b"}}),
    ]

    assert leads(made, "too_expensive") == "downgrade"
    assert leads(made, "temporary_need") == "pause"
    assert leads(made, None) == "discount"


def leads(made: list[Offer], reason: str | None) -> str:
    return in_order(made, reason)[0].kind
