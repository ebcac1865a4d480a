"""Payments of an account that fail more often than they use to: a person is told, once."""

from datetime import date, timedelta

import pytest

from app.domain.actions import Action, ActionKind
from app.domain.jumps import KEPT, AttemptDay
from app.domain.operations import Alert
from app.domain.recovery import Failure
from app.services import nights
from app.services.jumps import JUMPED
from tests.stories.cards import REFUSED, REFUSED_ONCE
from tests.stories.stage import Stage

pytestmark = pytest.mark.anyio
USUAL = (100, 10)


async def remembers(stage: Stage, attempts: int, failed: int) -> None:
    """The account has half a year behind it in which so many failed each day."""
    today = stage.now.date()
    days = [
        AttemptDay(
            account_id=stage.account.account_id,
            day=(today - timedelta(days=n)).isoformat(),
            merchant_id=stage.merchant.merchant_id,
            attempts=attempts,
            failed=failed,
        )
        for n in range(1, KEPT + 2)
    ]
    async with stage.world.store.transaction(stage.merchant.merchant_id) as tx:
        await tx.save(days)


async def fail(stage: Stage, many: int) -> None:
    """So many invoices were refused for the first time this noon."""
    at = stage.now.replace(hour=12)
    rows = [
        Failure(
            merchant_id=stage.merchant.merchant_id,
            account_id=stage.account.account_id,
            invoice_id=f"in_{at:%d}_{n}",
            version=1,
            customer_id=None,
            subscription_id=None,
            case_id=None,
            currency="usd",
            amount_minor=1000,
            plan=None,
            interval=None,
            trial_conversion=False,
            exclusion=None,
            failed_at=at,
            recorded_at=at,
        )
        for n in range(many)
    ]
    async with stage.world.store.transaction(stage.merchant.merchant_id) as tx:
        await tx.insert(rows)


async def counted(stage: Stage, day: date) -> tuple[int, int]:
    (row,) = await stage.find(AttemptDay, day=day.isoformat())
    return row.attempts, row.failed


async def test_a_jump_is_told_once_and_settles_itself_when_it_is_over(stage: Stage) -> None:
    # given an account of which one in ten fails, and a day on which ninety do
    await remembers(stage, *USUAL)
    await nights.begin_nights(stage.world, stage.account)
    await fail(stage, 90)
    await stage.passes(days=1.5)
    (told,) = await stage.find(Alert)

    # when days go by in which nothing fails
    await stage.passes(days=3)
    (same,) = await stage.find(Alert)
    await stage.passes(days=5)

    (settled,) = await stage.find(Alert)
    assert told.kind == JUMPED
    assert "120 of 390" in told.text
    assert "10.0%" in told.text
    assert same.at == told.at
    assert settled.resolved_at is not None


async def test_a_day_like_any_other_is_no_jump(stage: Stage) -> None:
    await remembers(stage, 12, 10)
    await nights.begin_nights(stage.world, stage.account)
    await fail(stage, 9)
    await stage.passes(days=1.5)

    assert await stage.alerts() == []


async def test_a_day_counts_who_was_refused_and_who_paid_at_once(stage: Stage) -> None:
    # given three subscribers, of whom two are refused at the renewal, and one of them pays later
    recovers = await stage.subscriber(REFUSED_ONCE)
    await stage.subscriber(REFUSED, address=None)
    await stage.subscriber({"kind": "approve"})
    case = await stage.fails(recovers)
    renewed = case.opened_at.date()
    await stage.reaches(case.next_attempt_at, hours=1)
    await nights.begin_nights(stage.world, stage.account)
    await stage.passes(days=1.5)

    paid = (await stage.case(recovers)).closed_at
    assert paid is not None
    assert await counted(stage, renewed) == (3, 2)
    assert await counted(stage, paid.date()) == (0, 0)


async def test_an_account_is_looked_at_by_one_action_from_its_first_night_on(stage: Stage) -> None:
    for _ in range(3):
        await nights.begin_nights(stage.world, stage.account)
    await stage.passes(days=1.5)

    looks = [a for a in await stage.find(Action) if a.kind is ActionKind.LOOK_FOR_JUMP]
    assert [look.due_at - stage.now for look in looks] == [timedelta(hours=16)]
    assert len(await stage.find(AttemptDay)) == KEPT + 1
