"""The end of a case: announced, carried out once, and called by its name."""

from dataclasses import replace
from datetime import timedelta

import pytest

from app.domain.dunning import CaseState
from app.domain.messages import MessageState
from app.domain.policies import EndPolicy, Strategy
from app.domain.recovery import Cause
from app.ports.mailer import MailDeferred
from tests.stories.cards import EXPIRED, REFUSED
from tests.stories.stage import PRICE, Stage
from tests.stories.test_letters import LOST_AFTER_THE_BODY, BrokenFor

pytestmark = pytest.mark.anyio
THREE_DAYS = timedelta(hours=72)


async def test_the_end_is_carried_out_and_counted_as_involuntary(stage: Stage) -> None:
    person = await stage.subscriber(REFUSED)
    case = await stage.fails(person)

    await stage.passes(days=30)

    case = await stage.case(person)
    assert case.state is CaseState.EXHAUSTED
    assert stage.there(f"subscriptions/{person.subscription}")["status"] == "canceled"
    assert stage.there(f"invoices/{case.invoice_id}")["status"] == "uncollectible"
    assert await stage.movements(person) == [("opening", PRICE), ("churn_involuntary", -PRICE)]
    assert (await stage.letters(case))[-2:] == ["final", "ended"]


async def test_what_the_provider_paused_for_the_debt_is_ended_as_announced(stage: Stage) -> None:
    person = await stage.subscriber(REFUSED)
    case = await stage.fails(person)
    stage.pauses_for_the_debt(person)
    await stage.passes(days=30)

    notice = await stage.message(case, "final")
    (mail,) = [mail for mail in await stage.mails() if mail.subject.strip() == notice.subject]
    assert "will be cancelled" in mail.text
    assert stage.there(f"subscriptions/{person.subscription}")["status"] == "canceled"
    assert await stage.movements(person) == [("opening", PRICE), ("churn_involuntary", -PRICE)]


async def test_the_final_notice_comes_three_days_ahead_and_names_the_day(stage: Stage) -> None:
    person = await stage.subscriber(EXPIRED)
    case = await stage.fails(person)
    await stage.passes(days=30)

    notice = await stage.message(case, "final")
    (mail,) = [mail for mail in await stage.mails() if mail.subject.strip() == notice.subject]
    closed = (await stage.case(person)).closed_at
    assert notice.sent_at is not None
    assert closed is not None
    assert closed - notice.sent_at >= THREE_DAYS
    assert f"{closed:%B} {closed.day}" in mail.text or f"{closed.day} {closed:%B}" in mail.text


async def test_the_end_moves_when_its_notice_left_late(stage: Stage) -> None:
    person = await stage.subscriber(EXPIRED)
    case = await stage.fails(person)
    await stage.reaches(case.window_ends_at, hours=-80)
    stage.mailer.moods = [MailDeferred("come back") for _ in range(5)]  # for almost six hours

    await stage.reaches(case.window_ends_at, hours=11)
    still = await stage.case(person)
    await stage.passes(days=1)

    closed = (await stage.case(person)).closed_at
    sent_at = (await stage.message(case, "final")).sent_at
    assert still.state is CaseState.ACTIVE
    assert closed is not None
    assert sent_at is not None
    assert closed - sent_at >= THREE_DAYS


async def test_a_notice_that_may_have_gone_counts_from_its_day(stage: Stage) -> None:
    person = await stage.subscriber(EXPIRED)
    case = await stage.fails(person)
    await stage.reaches(case.window_ends_at, hours=-80)
    stage.mailer.moods = [LOST_AFTER_THE_BODY]

    await stage.passes(days=5)

    notice = await stage.message(case, "final")
    closed = (await stage.case(person)).closed_at
    assert notice.state is MessageState.UNKNOWN
    assert closed is not None
    assert closed - notice.due_at >= THREE_DAYS


async def test_no_end_while_the_template_of_its_notice_is_broken(stage: Stage) -> None:
    # given a notice that cannot be written, and a later invoice that the customer has paid
    whole = stage.world.renderer
    stage.world = replace(stage.world, renderer=BrokenFor(whole, "final_notice"))
    person = await stage.subscriber(EXPIRED)
    await stage.fails(person)
    await stage.passes(days=32)
    waiting, later = await stage.cases(person)
    stage.act(person, "pay_hosted_invoice", invoice=later.invoice_id)

    # when the template is mended
    stage.world = replace(stage.world, renderer=whole)
    await stage.passes(days=7)

    # then the end follows its notice, and spares a subscription that is paid again
    case, later = await stage.cases(person)
    sent_at = (await stage.message(case, "final")).sent_at
    assert (waiting.state, case.state) == (CaseState.ACTIVE, CaseState.EXHAUSTED)
    assert sent_at is not None
    assert case.closed_at is not None
    assert case.closed_at - sent_at >= THREE_DAYS
    assert stage.there(f"subscriptions/{person.subscription}")["status"] == "active"


async def test_who_leaves_later_by_themselves_left_by_themselves(stage: Stage) -> None:
    policy = replace(stage.world.policy, end=EndPolicy(subscription="leave"))
    stage.world = replace(stage.world, policy=policy)
    person = await stage.subscriber(EXPIRED)
    await stage.fails(person)
    await stage.passes(days=29)

    stage.act(person, "cancel_subscription")
    await stage.plays()

    assert (await stage.movements(person))[-1] == ("churn_voluntary", -PRICE)


async def test_money_that_comes_after_the_end_is_recovered(stage: Stage) -> None:
    person = await stage.subscriber(EXPIRED)
    await stage.fails(person)
    await stage.passes(days=30)

    stage.act(person, "pay_hosted_invoice", invoice=(await stage.case(person)).invoice_id)
    await stage.passes(days=1)

    case = await stage.case(person)
    assert case.state is CaseState.RECOVERED
    assert [line[:2] for line in await stage.ledger(case)] == [("recovered", PRICE)]
    assert stage.there(f"subscriptions/{person.subscription}")["status"] == "canceled"


async def test_a_payment_right_before_the_end_wins(stage: Stage) -> None:
    person = await stage.subscriber(EXPIRED)
    case = await stage.fails(person)
    await stage.passes(days=27)
    stage.hears = False
    await stage.reaches((await stage.case(person)).window_ends_at, hours=-1 / 60)

    stage.act(person, "pay_hosted_invoice")
    await stage.passes(days=1)

    assert (await stage.case(person)).state is CaseState.RECOVERED
    assert stage.there(f"subscriptions/{person.subscription}")["status"] == "active"
    assert "ended" not in await stage.letters(case)


async def test_where_the_provider_drives_its_end_is_the_end(watching: Stage) -> None:
    person = await watching.subscriber(REFUSED)
    await watching.fails(person)

    await watching.passes(days=30)

    case = await watching.case(person)
    assert case.state is CaseState.EXHAUSTED
    assert watching.fuse.keys() == []
    assert await watching.movements(person) == [("opening", PRICE), ("churn_involuntary", -PRICE)]
    assert (await watching.letters(case))[-1] == "ended"


async def test_a_provider_that_ends_nothing_leaves_the_case_to_a_person(watching: Stage) -> None:
    watching.sandbox.control("settings", {"end_action": "past_due"})
    person = await watching.subscriber(REFUSED)
    await watching.fails(person)

    await watching.passes(days=36)

    case = (await watching.cases(person))[0]
    assert case.state is CaseState.PARKED
    assert case.reason == "the provider has neither collected nor ended it"


async def test_the_end_waits_for_a_charge_in_doubt(stage: Stage) -> None:
    policy = replace(stage.world.policy.retry, strategy=Strategy.FIXED, days=(27,))
    stage.world = replace(stage.world, policy=replace(stage.world.policy, retry=policy))
    person = await stage.subscriber({"kind": "script", "codes": ["do_not_honor", "approve"]})
    case = await stage.fails(person)
    await stage.reaches(case.next_attempt_at, hours=-1)
    stage.program(person.method, {"kind": "debit", "days": 4})

    await stage.reaches(case.window_ends_at, hours=12)
    waiting = await stage.case(person)
    await stage.passes(days=5)

    case = await stage.case(person)
    assert waiting.state is CaseState.ACTIVE
    assert (case.state, case.cause) == (CaseState.RECOVERED, Cause.HOLDFAST_RETRY)
