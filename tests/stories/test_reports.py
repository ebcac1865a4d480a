"""Webhooks late, doubled, in any order, thin, or before our own answer: one truth all the same."""

import random
from collections.abc import Callable

import pytest

from app.domain.actions import Action, ActionKind, ActionState
from app.domain.declines import DeclineKind
from app.domain.dunning import AttemptState, CardUse, Case, CaseState, Trigger
from app.domain.messages import Message
from app.domain.mirror import Invoice, Subscription
from app.domain.recovery import Cause
from app.services import cases, intake
from tests.stories.cards import BROKE, EXPIRED, REFUSED, REFUSED_ONCE, REFUSED_TWICE
from tests.stories.stage import PRICE, Event, Stage

pytestmark = pytest.mark.anyio
RECOVERED = [("recovered", PRICE, Cause.HOLDFAST_RETRY)]


async def test_the_webhook_may_overtake_our_own_answer(stage: Stage) -> None:
    # given a charge whose webhook is heard before its answer
    person = await stage.subscriber(REFUSED_ONCE)
    case = await stage.fails(person)
    await stage.reaches(case.next_attempt_at, hours=-0.1)

    async def hears() -> None:
        await stage.listens()
        await intake.drain(stage.world)

    # when it is made
    stage.fuse.arm(10, hears)
    await stage.passes(hours=1)

    assert stage.fuse.armed is None
    assert (await stage.case(person)).state is CaseState.RECOVERED
    assert await stage.states(case) == [AttemptState.APPROVED]
    assert await stage.ledger(case) == RECOVERED


async def test_the_refusal_of_our_own_charge_is_counted_once(stage: Stage) -> None:
    person = await stage.subscriber(REFUSED_TWICE)
    case = await stage.fails(person)
    await stage.reaches(case.next_attempt_at, hours=-0.1)

    async def hears() -> None:
        await stage.listens()
        await intake.drain(stage.world)

    stage.fuse.arm(10, hears)
    await stage.passes(hours=1)

    case = await stage.case(person)
    assert (case.failures, case.attempts_used) == (2, 1)
    assert len(await stage.attempts(case)) == 2


def doubled_backwards(events: list[Event]) -> list[Event]:
    return [{**e, "id": f"{e['id']}{n}"} for n in "12" for e in reversed(events)]


async def test_webhooks_doubled_and_backwards_end_in_the_same(stage: Stage) -> None:
    stage.order = doubled_backwards
    person = await stage.subscriber(REFUSED_TWICE)
    await stage.fails(person)
    await stage.passes(days=11)

    case = await stage.case(person)
    assert case.state is CaseState.RECOVERED
    assert [a.trigger for a in await stage.attempts(case)] == ["provider", "holdfast", "holdfast"]
    assert await stage.ledger(case) == RECOVERED
    assert await stage.movements(person) == [("opening", PRICE)]


@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_a_whole_story_heard_late_and_shuffled_is_told_rightly(
    stage: Stage, seed: int
) -> None:
    # given a renewal that the provider itself collected while we heard nothing
    person = await stage.subscriber(REFUSED_ONCE)
    stage.hears = False
    await stage.passes(days=40)

    # when everything comes at once, in another order
    events = stage.missed()
    random.Random(seed).shuffle(events)
    await stage.delivers(*events)
    await stage.plays()

    case = await stage.case(person)
    assert case.state is CaseState.RECOVERED
    assert await stage.ledger(case) == [("recovered", PRICE, Cause.PROVIDER_RETRY)]
    assert await stage.find(Message, case_id=case.case_id) == []


async def test_old_news_moves_nothing_back(stage: Stage) -> None:
    person = await stage.subscriber(BROKE)
    first = len(stage.sandbox.events())
    case = await stage.fails(person)
    stage.act(person, "cancel_subscription")
    await stage.plays()

    old = [{**e, "id": f"{e['id']}x"} for e in stage.sandbox.events()[first:-1]]
    await stage.delivers(*old)
    await stage.passes(days=30)

    (subscription,) = await stage.find(Subscription, subscription_id=person.subscription)
    assert subscription.status == "canceled"
    assert (await stage.case(person)).state is CaseState.STOPPED
    assert await stage.states(case) == []


async def test_thin_events_are_read_live(stage: Stage) -> None:
    def thin(events: list[Event]) -> list[Event]:
        return [stage.sandbox.raw("GET", f"/v2/core/events/{e['id']}").json() for e in events]

    stage.order = thin
    person = await stage.subscriber(REFUSED_ONCE)
    case = await stage.fails(person)
    await stage.passes(days=5)

    assert case.amount_minor == PRICE
    assert (await stage.case(person)).state is CaseState.RECOVERED
    assert await stage.ledger(case) == RECOVERED


async def test_a_bare_event_about_a_coming_invoice_is_read_itself(stage: Stage) -> None:
    # given an endpoint that is told of events and not of their objects
    sent = {"type": "v1.invoice.upcoming", "related_object": None}

    def bare(events: list[Event]) -> list[Event]:
        thin = [stage.sandbox.raw("GET", f"/v2/core/events/{e['id']}").json() for e in events]
        return [e | {"data": None} for e in thin if e.items() >= sent.items()]

    stage.order = bare
    await stage.subscriber(REFUSED_ONCE)
    await stage.passes(days=28)

    (read,) = [a for a in await stage.find(Action) if a.kind is ActionKind.READ]
    assert read.subject.startswith("evt_")
    assert read.state is ActionState.DONE


async def test_an_invoice_without_a_customer_is_worked_all_the_same(stage: Stage) -> None:
    def of_accounts_v2(events: list[Event]) -> list[Event]:
        changed = []
        for event in events:
            shown = event["data"]["object"]
            if shown.get("object") in {"invoice", "charge", "payment_intent"}:
                event = {**event, "data": {"object": {**shown, "customer": None}}}
            changed.append(event)
        return changed

    stage.order = of_accounts_v2
    person = await stage.subscriber(REFUSED_ONCE)
    await stage.passes(days=36)

    (case,) = await stage.find(Case, subscription_id=person.subscription)
    assert case.state is CaseState.RECOVERED
    assert await stage.states(case) == [AttemptState.APPROVED]


async def test_an_event_of_nobody_we_know_stops_nothing(stage: Stage) -> None:
    person = await stage.subscriber(EXPIRED)
    odd = {"id": "evt_odd", "object": "event", "type": "invoice.paid", "created": 1, "data": 7}
    other = {**odd, "id": "evt_other", "type": "charge.refunded", "data": {"object": {"id": "x"}}}
    await stage.delivers(odd, other)

    case = await stage.fails(person)

    assert [a.trigger for a in await stage.attempts(case)] == [Trigger.PROVIDER]


@pytest.mark.parametrize("order", [list, doubled_backwards], ids=["in turn", "backwards"])
async def test_a_refund_that_fails_gives_the_ledger_its_money_back(
    stage: Stage, order: Callable[[list[Event]], list[Event]]
) -> None:
    person = await stage.subscriber(REFUSED_ONCE)
    case = await stage.fails(person)
    await stage.passes(days=10)
    stage.order = order

    failing = stage.act(person, "refund", amount=1000)
    await stage.passes(hours=1)
    stage.act(person, "fail_refund", **failing)
    stage.act(person, "refund", amount=500)
    await stage.passes(hours=1)

    lines = [(kind, amount) for kind, amount, _ in await stage.ledger(case)]
    assert sum(amount for _, amount in lines) == PRICE - 500
    assert [line for line in lines if line[0] == "refund_failed"] == [("refund_failed", 1000)]


async def test_a_refund_whose_charge_names_no_invoice_finds_its_case(stage: Stage) -> None:
    person = await stage.subscriber(REFUSED_ONCE)
    case = await stage.fails(person)
    await stage.passes(days=5)

    for amount in (500, 700):
        stage.act(person, "refund", amount=amount)
        await stage.passes(days=1)

    lines = [(kind, amount) for kind, amount, _ in await stage.ledger(case)]
    assert lines == [("recovered", PRICE), ("refunded", -500), ("refunded", -700)]


async def test_tries_that_only_a_look_tells_of_are_each_counted_once(stage: Stage) -> None:
    # given two tries of the customer of which we hear nothing, on one payment
    person = await stage.subscriber(REFUSED)
    case = await stage.fails(person)
    stage.hears = False
    for _ in range(2):
        stage.act(person, "pay_hosted_invoice", card=person.method)
        await stage.passes(hours=1)

    # when our next attempt looks at the invoice first
    await stage.reaches(case.next_attempt_at, hours=1)
    await stage.passes(days=1)

    case = await stage.case(person)
    before_ours = [a for a in await stage.attempts(case) if a.trigger is not Trigger.HOLDFAST]
    uses = await stage.find(CardUse)
    assert len(before_ours) == 3
    assert case.failures == len(await stage.attempts(case)) == len(stage.charges(case))
    assert len(uses) == len(stage.charges(case))


LAST_SECOND = 253_402_300_799  # of the year 9999


@pytest.mark.parametrize("ahead", [LAST_SECOND, 1_900_000_000])
async def test_a_report_from_a_time_to_come_stands_in_nobodys_way(stage: Stage, ahead: int) -> None:
    # given a refusal that a test clock of the provider's, or one gone wrong, dates far ahead
    person = await stage.subscriber(REFUSED_ONCE)
    stage.hears = False
    await stage.passes(days=30, hours=1)
    told = stage.missed()
    await stage.delivers(*({**event, "created": ahead} for event in told))
    stage.heard, stage.hears = told[-1]["id"], True

    await stage.passes(hours=1)
    opened = await stage.case(person)
    await stage.passes(days=8)

    (invoice,) = await stage.find(Invoice, invoice_id=opened.invoice_id)
    assert opened.opened_at <= stage.now
    assert (await stage.case(person)).state is CaseState.RECOVERED
    assert (invoice.status, invoice.seen_at is not None) == ("paid", True)


async def test_a_try_learned_of_late_does_not_speak_for_the_latest(stage: Stage) -> None:
    person = await stage.subscriber({"kind": "script", "codes": ["do_not_honor", "expired_card"]})
    case = await stage.fails(person)
    stage.hears = False
    stage.act(person, "pay_hosted_invoice", card=person.method)
    stage.program(person.method, BROKE)
    await stage.passes(hours=1)
    stage.act(person, "pay_hosted_invoice", card=person.method)

    stage.hears = True
    await stage.passes(hours=1)

    case = await stage.case(person)
    assert case.decline_kind is DeclineKind.INSUFFICIENT_FUNDS
    assert case.failures == 3


async def test_lines_of_one_instant_are_told_in_the_order_they_were_written(stage: Stage) -> None:
    stage.order = doubled_backwards
    person = await stage.subscriber(BROKE)
    case = await stage.fails(person)
    await stage.passes(days=4)

    shown = await cases.show(stage.world, stage.merchant.merchant_id, case.case_id)

    assert shown is not None
    lines = shown.timeline
    at_once = [line.type for line in lines if line.at == lines[0].at]
    assert at_once == ["opened", "taken_over", "declined", "decision"]
    assert [line.seq for line in lines] == sorted({line.seq for line in lines})
    assert shown.case.lines >= lines[-1].seq
