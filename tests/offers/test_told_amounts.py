"""What was told is what is charged, also where a discount ends or a renewal is drafted before."""

import pytest

from tests.offers.stage import THIRTY_OFF, Leaving
from tests.stories.cards import APPROVES
from tests.stories.stage import Stage

pytestmark = pytest.mark.anyio


@pytest.fixture(params=["flexible", "classic"])
async def resting(stage: Stage, request: pytest.FixtureRequest) -> Leaving:
    leaving = Leaving(stage, await stage.subscriber(APPROVES))
    if request.param == "classic":
        leaving.is_classic()
    return leaving


@pytest.mark.parametrize(("months", "next_minor"), [(2, 3000), (12, 1500)])
async def test_a_discount_that_ends_in_a_pause_is_not_told_after_it(
    resting: Leaving, months: int, next_minor: int
) -> None:
    resting.has_coupon("half", percent_off=50, duration="repeating", duration_in_months=months)
    rest = {"id": "rest", "kind": "pause", "months": 3}

    said = await resting.sees(rest)
    await resting.accepts(rest)
    assert said.resumes_at is not None
    await resting.stage.reaches(said.resumes_at, hours=3)

    assert resting.paid()[0]["amount_paid"] == said.next_minor == next_minor


async def test_what_holds_once_is_told_after_a_pause_where_it_is_still_there(
    resting: Leaving,
) -> None:
    resting.has_coupon("half", percent_off=50, duration="once")
    rest = {"id": "rest", "kind": "pause", "months": 2}

    said = await resting.sees(rest)
    await resting.accepts(rest)
    assert said.resumes_at is not None
    await resting.stage.reaches(said.resumes_at, hours=3)
    first = resting.paid()[0]["amount_paid"]
    await resting.stage.passes(days=32)

    assert (first, resting.paid()[0]["amount_paid"]) == (said.next_minor, said.then_minor)
    assert said.then_minor == 3000


async def test_a_discount_that_ends_in_a_longer_trial_is_not_told_after_it(stage: Stage) -> None:
    leaving = Leaving(stage, await stage.subscriber(APPROVES, trial_days=10))
    leaving.has_coupon("half", percent_off=50, duration="repeating", duration_in_months=1)
    more = {"id": "more-days", "kind": "trial_extension", "days": 40}

    said = await leaving.sees(more)
    await leaving.accepts(more)
    await stage.passes(days=52)

    assert leaving.paid()[0]["amount_paid"] == said.next_minor == 3000


@pytest.mark.parametrize(
    ("coupon", "told"),
    [
        pytest.param({"duration": "once"}, (1000, 2000), id="once"),
        pytest.param({"duration": "repeating", "duration_in_months": 2}, (1000, 2000), id="over"),
        pytest.param({"duration": "forever"}, (1000, 1000), id="for good"),
    ],
)
async def test_what_comes_off_a_cheaper_plan_for_a_while_is_not_told_as_regular(
    leaving: Leaving, coupon: dict[str, object], told: tuple[int, int]
) -> None:
    leaving.has_coupon("half", percent_off=50, **coupon)
    to = {leaving.own_price(): leaving.price("month", 2000)}
    less = {"id": "less", "kind": "downgrade", "to": to}

    said = await leaving.sees(less)
    await leaving.accepts(less)
    await leaving.stage.passes(days=70)

    second, first = leaving.paid()[:2]
    assert (said.next_minor, said.then_minor) == told
    assert (first["amount_paid"], second["amount_paid"]) == told


async def test_what_a_renewal_has_drafted_is_told_as_charged_now(leaving: Leaving) -> None:
    # given a renewal of this hour, which will be charged as it was drafted
    await leaving.stage.passes(days=30, hours=0.2)
    drafted = leaving.invoices()[0]

    said = await leaving.sees(THIRTY_OFF)
    await leaving.accepts(THIRTY_OFF)
    await leaving.stage.passes(days=32)

    assert drafted["status"] == "draft"
    second, first, _ = leaving.paid()
    assert (first["id"], first["amount_paid"]) == (drafted["id"], said.now_minor)
    assert second["amount_paid"] == said.next_minor == 2100
