"""More days to try it, something on account, and what is kept elsewhere."""

from dataclasses import replace
from typing import Any, cast

import pytest

from app.domain.offers.common import Why
from app.domain.redemptions import IllegalMove, RedemptionState
from app.ports.payments import Payments, ProviderUnavailable
from app.services import redeeming
from app.services.redemptions import About, OfferRefused
from tests.offers.stage import THIRTY_OFF, Leaving
from tests.stories.breaking import Crash
from tests.stories.stage import Stage

pytestmark = pytest.mark.anyio
MORE_DAYS = {"id": "more-days", "kind": "trial_extension", "days": 14}
FIVE = {"id": "five", "kind": "credit", "amount_minor": {"usd": 500, "eur": 400}}
CALL = {"id": "call", "kind": "contact", "url": "https://kelp.example/call"}


async def test_a_trial_lasts_longer_and_is_charged_on_the_day_that_was_told(stage: Stage) -> None:
    leaving = Leaving(stage, await stage.subscriber({}, trial_days=10))
    leaving.plans_to_leave()
    said = await leaving.sees(MORE_DAYS)

    redemption = await leaving.accepts(MORE_DAYS)
    await stage.passes(days=25)

    charged = leaving.paid()[0]
    standing = await leaving.stands()
    assert redemption.state is RedemptionState.APPLIED
    assert (charged["amount_paid"], said.next_minor) == (3000, 3000)
    assert said.next_at is not None
    assert charged["created"] == said.next_at.timestamp()
    assert not standing.ends


async def test_there_is_no_trial_to_extend_once_it_was_decided(leaving: Leaving) -> None:
    with pytest.raises(OfferRefused) as refused:
        await leaving.accepts(MORE_DAYS)

    assert refused.value.why is Why.NO_TRIAL


async def test_credit_is_set_off_against_the_next_invoice_as_it_was_told(leaving: Leaving) -> None:
    said = await leaving.sees(FIVE)

    redemption = await leaving.accepts(FIVE)
    await leaving.stage.passes(days=31)

    assert redemption.state is RedemptionState.APPLIED
    assert leaving.paid()[0]["amount_paid"] == said.next_minor == 2500
    assert said.then_minor == 3000


@pytest.mark.parametrize("point", range(1, 9))
async def test_credit_is_given_once_wherever_the_process_dies(leaving: Leaving, point: int) -> None:
    leaving.plans_to_leave()
    claimed = await leaving.claims(FIVE)
    leaving.stage.fuse.arm(point)
    with pytest.raises(Crash):
        await leaving.carries_on(claimed)

    await leaving.stage.passes(hours=2)

    (redemption,) = await leaving.redeemed()
    assert redemption.state is RedemptionState.APPLIED
    assert leaving.credits() == [-500]


@pytest.mark.parametrize("fault", ["timeout_before", "timeout_after"])
async def test_credit_whose_answer_was_lost_is_given_once(leaving: Leaving, fault: str) -> None:
    leaving.stage.fault(fault, "/v1/customers/*/balance_transactions", times=3, method="POST")
    await leaving.accepts(FIVE)

    await leaving.stage.passes(hours=2)

    (redemption,) = await leaving.redeemed()
    assert redemption.state is RedemptionState.APPLIED
    assert leaving.credits() == [-500]


@pytest.mark.parametrize("undone", [False, True], ids=["given", "taken back"])
async def test_credit_that_is_carried_out_long_after_its_answer_was_lost_is_given_once(
    leaving: Leaving, undone: bool
) -> None:
    # given a request that is under way for 40 minutes after we gave up waiting for it
    stage = leaving.stage
    late = Late(stage.world.payments, "undo" if undone else ":1:1")
    stage.world = replace(stage.world, payments=cast("Payments", late))
    if undone:
        leaving.plans_to_leave()
    claimed = await leaving.claims(FIVE)
    if undone:
        leaving.attaches_a_schedule_after_the_first_call()
    await leaving.carries_on(claimed)

    await stage.passes(hours=40 / 60)
    await late.arrives()
    await stage.passes(hours=25)

    (redemption,) = await leaving.redeemed()
    assert redemption.state is (RedemptionState.FAILED if undone else RedemptionState.APPLIED)
    assert sorted(leaving.credits()) == ([-500, 500] if undone else [-500])


async def test_credit_whose_key_keeps_an_error_is_for_a_person_after_a_day(
    leaving: Leaving,
) -> None:
    path = "/v1/customers/*/balance_transactions"
    leaving.stage.fault("500", path, times=3, method="POST")
    await leaving.accepts(FIVE)

    await leaving.stage.passes(hours=25)

    (redemption,) = await leaving.redeemed()
    assert redemption.state is RedemptionState.PARKED
    assert leaving.credits() == []
    assert await leaving.stage.alerts() == ["redemption_parked"]


class Late:
    """`ports.payments.Payments` that does not answer a change under the first key with `part` in
    it, nor its repeats, and carries it out when it `arrives`."""

    def __init__(self, real: Payments, part: str) -> None:
        self._real, self._part = real, part
        self._sent: dict[str, tuple[Any, Any]] = {}

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)

    async def change(self, *args: Any, **told: Any) -> None:
        key = told["key"]
        if self._part not in key or (self._sent and key not in self._sent):
            await self._real.change(*args, **told)
            return
        self._sent[key] = args, told
        raise ProviderUnavailable("no answer")

    async def arrives(self) -> None:
        ((args, told),) = self._sent.values()
        await self._real.change(*args, **told)


async def test_credit_is_taken_back_by_a_debit_when_the_end_stays(leaving: Leaving) -> None:
    leaving.plans_to_leave()
    claimed = await leaving.claims(FIVE)
    leaving.attaches_a_schedule_after_the_first_call()

    redemption = await leaving.carries_on(claimed)

    assert redemption.state is RedemptionState.FAILED
    assert sorted(leaving.credits()) == [-500, 500]
    assert leaving.balance() == 0


async def test_a_customer_gets_no_more_than_one_may_have(leaving: Leaving) -> None:
    leaving.about = About(lifetime_minor={"usd": 800})
    await leaving.accepts({**FIVE, "cool_down_days": 0})

    with pytest.raises(OfferRefused) as refused:
        await leaving.accepts({**FIVE, "cool_down_days": 0}, session="cxs_2")

    assert refused.value.why is Why.LIFETIME_BUDGET


async def test_an_offer_spends_no_more_than_its_month_allows(
    leaving: Leaving, stage: Stage
) -> None:
    bounded = {**FIVE, "monthly_budget_minor": {"usd": 900}}
    other = Leaving(stage, await stage.subscriber({}), session="cxs_2")
    await leaving.accepts(bounded)

    with pytest.raises(OfferRefused) as refused:
        await other.accepts(bounded)
    await stage.passes(days=12)
    later = await other.accepts(bounded)

    assert refused.value.why is Why.MONTHLY_BUDGET
    assert later.state is RedemptionState.APPLIED


async def test_the_cool_down_ends_after_half_a_year(leaving: Leaving) -> None:
    await leaving.accepts(FIVE)
    await leaving.stage.passes(days=181)

    redemption = await leaving.accepts(FIVE, session="cxs_2")

    assert redemption.state is RedemptionState.APPLIED


async def test_what_is_kept_elsewhere_changes_nothing_until_it_is_reported(
    leaving: Leaving,
) -> None:
    leaving.plans_to_leave()
    accepted = await leaving.accepts(CALL)
    merchant, world = leaving.stage.merchant.merchant_id, leaving.stage.world

    told = {"actor": "key_1"}
    kept = await redeeming.report(world, merchant, accepted.session_id, kept=True, **told)
    again = await redeeming.report(world, merchant, accepted.session_id, kept=True, **told)

    assert accepted.awaits_report
    assert kept.state is again.state is RedemptionState.APPLIED
    assert (await leaving.stands()).ends
    with pytest.raises(IllegalMove):
        await redeeming.report(world, merchant, accepted.session_id, kept=False, **told)


async def test_what_is_not_reported_within_a_week_came_to_nothing(leaving: Leaving) -> None:
    await leaving.accepts(CALL)

    await leaving.stage.passes(days=8)

    (redemption,) = await leaving.redeemed()
    assert (redemption.state, redemption.reason) == (
        RedemptionState.FAILED,
        "nothing was reported",
    )


async def test_a_talk_starts_no_cool_down(leaving: Leaving) -> None:
    await leaving.accepts(CALL)

    redemption = await leaving.accepts(THIRTY_OFF, session="cxs_2")

    assert redemption.state is RedemptionState.APPLIED
