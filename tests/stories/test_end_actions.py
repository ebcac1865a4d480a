"""Every final action of a policy, carried out at the provider over HTTP."""

from dataclasses import replace
from typing import Any

import pytest

from app.domain.dunning import CaseState
from app.domain.policies import EndPolicy
from app.domain.recovery import Cause
from tests.stories.cards import EXPIRED
from tests.stories.looks import Person
from tests.stories.stage import PRICE, Stage

pytestmark = pytest.mark.anyio

SUBSCRIPTIONS = {
    "cancel_now": "canceled",
    "cancel_at_period_end": "past_due",
    "pause": "paused",
    "leave": "past_due",
}
INVOICES = {"uncollectible": "uncollectible", "void": "void", "leave": "open"}
INVOLUNTARY = ("churn_involuntary", -PRICE)
WINDOW = 3


def ends_with(stage: Stage, subscription: str, invoice: str = "uncollectible") -> None:
    """A short policy that writes to nobody, so that only its end is seen."""
    end = EndPolicy(subscription=subscription, invoice=invoice)
    retry = replace(stage.world.policy.retry, window_days=WINDOW)
    short = replace(stage.world.policy, retry=retry, messages=(), end=end)
    stage.world = replace(stage.world, policy=short)


async def owes(stage: Stage, *, days: float = 30, **subscriber: Any) -> Person:
    """Somebody whose renewal was refused just now, and whose card is dead."""
    person = await stage.subscriber(EXPIRED, **subscriber)
    await stage.passes(days=days, hours=2)
    return person


def standing(stage: Stage, person: Person) -> Any:
    return stage.there(f"subscriptions/{person.subscription}")


async def kinds(stage: Stage, person: Person) -> list[tuple[str, int]]:
    """The movements of MRR after its first line."""
    return (await stage.movements(person))[1:]


@pytest.mark.parametrize("invoice", INVOICES)
@pytest.mark.parametrize("subscription", SUBSCRIPTIONS)
async def test_every_end_is_carried_out_once_and_no_further(
    stage: Stage, subscription: str, invoice: str
) -> None:
    ends_with(stage, subscription, invoice)
    person = await owes(stage)

    await stage.passes(days=WINDOW + 1)

    case, there = await stage.case(person), standing(stage, person)
    assert case.state is CaseState.EXHAUSTED
    assert case.reason == f"the window is over: subscription {subscription}, invoice {invoice}"
    assert there["status"] == SUBSCRIPTIONS[subscription]
    assert there["cancel_at_period_end"] is (subscription == "cancel_at_period_end")
    assert stage.there(f"invoices/{case.invoice_id}")["status"] == INVOICES[invoice]
    ended = subscription in {"cancel_now", "pause"}
    assert await kinds(stage, person) == ([INVOLUNTARY] if ended else [])


@pytest.mark.parametrize("subscription", SUBSCRIPTIONS)
@pytest.mark.parametrize(
    "kind",
    [
        pytest.param({"trial_days": 30}, id="after a trial"),
        pytest.param({"every": "year", "days": 365}, id="annual"),
        pytest.param({"every": "week", "days": 7}, id="weekly"),
    ],
)
async def test_every_subscription_can_be_ended(
    stage: Stage, subscription: str, kind: dict[str, Any]
) -> None:
    ends_with(stage, subscription)
    person = await owes(stage, **kind)

    await stage.passes(days=WINDOW + 1)

    assert (await stage.case(person)).state is CaseState.EXHAUSTED
    assert standing(stage, person)["status"] == SUBSCRIPTIONS[subscription]


@pytest.mark.parametrize("subscription", ["cancel_now", "cancel_at_period_end", "pause"])
async def test_a_schedule_is_let_go_where_it_stands_in_the_way_of_the_end(
    stage: Stage, subscription: str
) -> None:
    ends_with(stage, subscription)
    person = await owes(stage)
    stage.call("subscription_schedules", from_subscription=person.subscription)

    await stage.passes(days=WINDOW + 1)

    there = standing(stage, person)
    assert (await stage.case(person)).state is CaseState.EXHAUSTED
    assert there["status"] == SUBSCRIPTIONS[subscription]
    assert there["cancel_at_period_end"] is (subscription == "cancel_at_period_end")


async def test_what_the_provider_does_not_pause_is_left_to_a_person(stage: Stage) -> None:
    # given a subscription in classic billing mode, which Stripe never pauses
    ends_with(stage, "pause")
    person = await stage.subscriber(EXPIRED, billing_mode="classic")
    await stage.passes(days=30, hours=2)

    await stage.passes(days=WINDOW + 1)

    case = await stage.case(person)
    assert case.state is CaseState.PARKED
    assert (case.reason or "").startswith("end failed: ProviderRefused")
    assert "action_parked" in await stage.alerts()
    assert standing(stage, person)["status"] == "past_due"


async def test_the_end_of_the_period_comes_and_is_called_ours(stage: Stage) -> None:
    ends_with(stage, "cancel_at_period_end")
    person = await owes(stage)

    await stage.passes(days=32)

    there = standing(stage, person)
    assert (there["status"], there["cancellation_details"]["reason"]) == (
        "canceled",
        "cancellation_requested",
    )
    assert await kinds(stage, person) == [INVOLUNTARY]
    assert len(await stage.cases(person)) == 1


async def test_money_before_the_end_of_the_period_settles_the_debt_and_the_end_stays_ours(
    stage: Stage,
) -> None:
    ends_with(stage, "cancel_at_period_end")
    person = await owes(stage)
    await stage.passes(days=WINDOW + 1)

    stage.act(person, "pay_hosted_invoice", invoice=(await stage.case(person)).invoice_id)
    await stage.passes(days=32)

    case = await stage.case(person)
    assert (case.state, case.cause) == (CaseState.RECOVERED, Cause.MANUAL_OR_EXTERNAL)
    assert standing(stage, person)["status"] == "canceled"
    assert await kinds(stage, person) == [INVOLUNTARY]


async def test_who_is_kept_after_our_end_and_leaves_later_leaves_by_themselves(
    stage: Stage,
) -> None:
    ends_with(stage, "cancel_at_period_end")
    person = await owes(stage)
    await stage.passes(days=WINDOW + 1)
    stage.act(person, "pay_hosted_invoice", invoice=(await stage.case(person)).invoice_id)
    stage.program(person.method, {"kind": "approve"})
    stage.call(f"subscriptions/{person.subscription}", cancel_at_period_end="false")
    await stage.passes(days=40)

    stage.act(person, "cancel_subscription")
    await stage.plays()

    assert await kinds(stage, person) == [("churn_voluntary", -PRICE)]


@pytest.mark.parametrize(
    ("ended", "state"), [("cancel", CaseState.STOPPED), ("pause", CaseState.EXHAUSTED)]
)
async def test_what_was_ended_unheard_is_not_ended_again(
    stage: Stage, ended: str, state: CaseState
) -> None:
    ends_with(stage, "cancel_now", "leave")
    person = await owes(stage)
    stage.hears = False
    if ended == "pause":
        stage.call(f"subscriptions/{person.subscription}/pause", type="subscription")
    else:
        stage.sandbox.raw("DELETE", f"/v1/subscriptions/{person.subscription}")
    before = standing(stage, person)

    await stage.passes(days=WINDOW + 1)

    assert (await stage.case(person)).state is state
    assert standing(stage, person) == before


async def test_late_money_on_a_stopped_case_is_recovered_with_its_cause(stage: Stage) -> None:
    ends_with(stage, "cancel_now", "leave")
    person = await owes(stage)
    stage.act(person, "cancel_subscription")
    await stage.plays()
    stopped = await stage.case(person)

    stage.act(person, "pay_hosted_invoice", invoice=stopped.invoice_id)
    await stage.passes(days=1)

    case = await stage.case(person)
    assert stopped.state is CaseState.STOPPED
    assert (case.state, case.cause) == (CaseState.RECOVERED, Cause.MANUAL_OR_EXTERNAL)
    assert await stage.ledger(case) == [("recovered", PRICE, "manual_or_external")]


@pytest.mark.parametrize("deed", ["DELETE /v1/subscriptions", "POST /v1/invoices"])
async def test_an_end_whose_answer_was_lost_is_carried_out_once(stage: Stage, deed: str) -> None:
    ends_with(stage, "cancel_now")
    person = await owes(stage)
    method, path = deed.split()
    stage.fault("reset_after", f"{path}/*", method=method, times=3)

    await stage.passes(days=WINDOW + 1)

    types = [event["type"] for event in stage.sandbox.events()]
    assert (await stage.case(person)).state is CaseState.EXHAUSTED
    assert types.count("customer.subscription.deleted") == 1
    assert types.count("invoice.marked_uncollectible") == 1
    assert await kinds(stage, person) == [INVOLUNTARY]
