"""Each safety bound is tripped once: nothing leaves, the merchant is paused, a person is told."""

from dataclasses import replace
from datetime import timedelta

import pytest

from app.domain.actions import ActionKind, ActionState, jitter
from app.domain.dunning import Attempt, AttemptState, Trigger
from app.domain.ids import derive_id
from app.domain.merchants import ProviderAccount
from app.domain.messages import Message, MessageState
from app.domain.openings import case_action
from app.domain.operations import Alert
from app.domain.outcomes import Outcome, PayAnswer
from app.domain.policies import Bounds
from app.ports.payments import AccountRefused, ProviderUnavailable
from app.services.merchants import resume_account
from tests.review.stage import OWN, POLICY, Stage, open_stage

pytestmark = pytest.mark.anyio
TIGHT = replace(POLICY, bounds=Bounds(charges_per_hour=3, mails_per_hour=3))
MINUTE = timedelta(minutes=1)


async def paused(stage: Stage) -> str | None:
    (account,) = await stage.find(ProviderAccount)
    return account.paused_reason


async def alerts(stage: Stage) -> list[str]:
    return sorted(alert.kind for alert in await stage.find(Alert))


async def charged(stage: Stage, times: int) -> None:
    """The case was charged so often within the last minutes, by something gone mad."""
    case, now = await stage.case(), stage.clock.now()
    rows = [
        Attempt(
            **OWN,
            attempt_id=derive_id("attempt", now, "mad", n),
            case_id=case.case_id,
            number=100 + n,
            trigger=Trigger.OPERATOR,
            state=AttemptState.DECLINED,
            currency="usd",
            amount_minor=3000,
            intent_at=now - n * MINUTE,
        )
        for n in range(1, times + 1)
    ]
    async with stage.store.transaction("mer_1") as tx:
        await tx.insert(rows)


async def wants(stage: Stage, trigger: Trigger) -> None:
    """An attempt by somebody is due now."""
    case, now = await stage.case(), stage.clock.now()
    data: dict[str, str | None] = {"trigger": str(trigger)}
    due = case_action(case, ActionKind.RETRY, now, nth=f"test:{now.isoformat()}", data=data)
    async with stage.store.transaction("mer_1") as tx:
        await tx.insert([due])


async def wrote(stage: Stage, letters: int) -> None:
    """So many letters to others left within the last minutes."""
    case, now = await stage.case(), stage.clock.now()
    rows = [
        Message(
            **OWN,
            message_id=derive_id("message", now, n),
            customer_id=f"cus_other_{n}",
            case_id=case.case_id,
            step=f"other-{n}-{now.isoformat()}",
            template="payment_reminder",
            recipient=f"{n}@example.com",
            state=MessageState.SENT,
            due_at=now,
            sent_at=now - MINUTE,
        )
        for n in range(letters)
    ]
    async with stage.store.transaction("mer_1") as tx:
        await tx.insert(rows)


async def test_a_volume_of_three_times_what_is_due_pauses_the_merchant() -> None:
    stage = await open_stage(TIGHT)
    await charged(stage, times=3)
    await wants(stage, Trigger.OPERATOR)

    await stage.works()

    assert stage.bank.calls == []
    assert await paused(stage) == "charges of an hour exceed three times what is due (usd)"
    assert await alerts(stage) == ["charge_volume"]
    assert [a.state for a in await stage.pending(ActionKind.RETRY)] == 2 * [ActionState.PENDING]


async def test_the_same_charges_an_hour_ago_trip_nothing() -> None:
    stage = await open_stage(TIGHT)
    await charged(stage, times=3)
    stage.clock.instant += timedelta(hours=1)
    await wants(stage, Trigger.OPERATOR)

    await stage.works()

    assert len(stage.bank.calls) == 1
    assert await paused(stage) is None


async def test_letters_beyond_the_bound_pause_the_merchant() -> None:
    # given a letter for the tenth day, and three that left in the same hour
    row = replace(POLICY.messages[0], step="later", day=10)
    stage = await open_stage(replace(TIGHT, messages=(row,)))
    await stage.passes(days=9, hours=23)
    before = len(stage.post.mails)
    stage.clock.instant += timedelta(hours=1)
    await wrote(stage, letters=3)

    await stage.works()

    assert len(stage.post.mails) == before
    assert await alerts(stage) == ["mail_volume"]
    assert await paused(stage) is not None
    (letter,) = await stage.find(Message, step="later")
    assert letter.state is MessageState.PLANNED


async def test_a_merchant_who_always_writes_so_much_is_not_paused() -> None:
    row = replace(POLICY.messages[0], step="later", day=10)
    stage = await open_stage(replace(TIGHT, messages=(row,)))
    await stage.passes(days=9, hours=20)
    await wrote(stage, letters=400)
    stage.clock.instant += timedelta(hours=4)
    await wrote(stage, letters=3)

    await stage.works()

    assert await alerts(stage) == []
    assert [mail.message_id for mail in stage.post.mails]


async def test_no_case_is_charged_by_us_twice_within_twenty_hours() -> None:
    # given an attempt of ours, and a plan that somehow has another an hour later
    stage = await open_stage()
    await stage.passes(days=14)
    case = await stage.case()
    calls = len(stage.bank.calls)
    (last,) = [a for a in await stage.attempts() if a.trigger is Trigger.HOLDFAST][-1:]
    stage.clock.instant = last.intent_at + timedelta(hours=1)
    await stage.changes(next_attempt_at=stage.clock.now())
    due = case_action(case, ActionKind.RETRY, stage.clock.now(), nth=stage.clock.now().isoformat())
    async with stage.store.transaction("mer_1") as tx:
        await tx.insert([due])

    await stage.works()

    assert len(stage.bank.calls) == calls
    planned = (await stage.case()).next_attempt_at
    assert planned is not None
    assert planned - last.intent_at >= timedelta(hours=20)


async def test_a_key_that_is_refused_pauses_the_account_and_spends_no_attempt() -> None:
    stage = await open_stage()
    refused = PayAnswer(
        outcome=Outcome.NOT_EXECUTED, reason="401: key refused", account_refused=True
    )
    stage.bank.answers = [refused]

    await stage.passes(days=6)

    assert await paused(stage) is not None
    assert (await stage.case()).attempts_used == 0
    assert len(stage.bank.calls) == 1


async def test_a_key_that_may_not_read_pauses_the_account() -> None:
    stage = await open_stage()
    stage.bank.fault = AccountRefused("401: key refused")

    await stage.passes(days=6)

    assert await paused(stage) is not None
    assert stage.bank.calls == []


@pytest.mark.parametrize("asked", [None, 7200.0])
async def test_a_busy_provider_is_left_alone_for_as_long_as_it_asks(asked: float | None) -> None:
    stage = await open_stage()
    planned = (await stage.case()).next_attempt_at
    assert planned is not None
    busy = PayAnswer(outcome=Outcome.NOT_EXECUTED, reason="429: busy", retry_after_s=asked)
    stage.bank.answers = [busy]

    await stage.passes(hours=(planned - stage.clock.now()) / timedelta(hours=1))

    case = await stage.case()
    assert case.attempts_used == 0
    assert case.next_attempt_at is not None
    wait = case.next_attempt_at - planned
    least = timedelta(seconds=asked or 3600)
    assert least <= wait <= least * 1.25


async def test_a_provider_away_is_left_alone_for_as_long_as_it_asks() -> None:
    stage = await open_stage()
    planned = (await stage.case()).next_attempt_at
    assert planned is not None
    stage.clock.instant = planned
    stage.bank.fault = ProviderUnavailable("503", retry_after_s=600)

    await stage.works()

    (retry,) = await stage.pending(ActionKind.RETRY)
    assert timedelta(seconds=600) <= retry.due_at - planned <= timedelta(seconds=615)
    assert (await stage.case()).attempts_used == 0


def test_what_waits_together_does_not_come_back_together() -> None:
    shares = {jitter(f"act_{n}:1") for n in range(100)}

    assert len(shares) > 50
    assert all(0 <= share < 0.25 for share in shares)


async def test_a_fuse_that_blows_again_after_a_person_resumed_tells_them_again() -> None:
    # given a fuse that has blown, and a person who lets the account go on
    stage = await open_stage(TIGHT)
    await charged(stage, times=3)
    await wants(stage, Trigger.OPERATOR)
    await stage.works()
    (account,) = await stage.find(ProviderAccount)
    stage.clock.instant += timedelta(minutes=5)
    await resume_account(stage.world, account, actor="test")
    (settled,) = await stage.find(Alert)

    # when it blows once more
    await wants(stage, Trigger.OPERATOR)
    await stage.works()

    # then they are told of that as well
    (again,) = await stage.find(Alert)
    assert settled.resolved_at == stage.clock.now()
    assert await paused(stage) is not None
    assert (again.resolved_at, again.told_at, again.at) == (None, None, stage.clock.now())
