"""What webhooks said is kept for a month, and then that they came."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from app.domain.actions import Action, ActionKind, ActionState
from app.domain.dunning import Case
from app.domain.mirror import Invoice
from app.domain.operations import BODIES_KEPT, InboxEvent, InboxState
from app.services import actions, intake, nights
from tests.stories.cards import REFUSED
from tests.stories.stage import Stage

pytestmark = pytest.mark.anyio


async def old_ones(stage: Stage, many: int, **more: Any) -> None:
    """So many webhooks that were handled long ago."""
    at = stage.now - 2 * BODIES_KEPT
    settled: dict[str, Any] = {"state": InboxState.HANDLED, "handled_at": at} | more
    rows = [
        InboxEvent(
            merchant_id=stage.merchant.merchant_id,
            account_id=stage.account.account_id,
            event_id=f"evt_old_{n:04d}",
            type="invoice.paid",
            body="{}",
            created_at=at,
            received_at=at,
            **settled,
        )
        for n in range(many)
    ]
    async with stage.world.store.transaction(stage.merchant.merchant_id) as tx:
        await tx.insert(rows)


async def forgetting(stage: Stage) -> Action:
    """The one action that does it."""
    rows = await stage.find(Action)
    (action,) = [row for row in rows if row.kind is ActionKind.FORGET_BODIES]
    return action


async def test_a_body_is_dropped_a_month_after_it_was_handled(stage: Stage) -> None:
    # given an account that was connected, and somebody whose payment was refused
    await nights.begin_nights(stage.world, stage.account)
    await nights.begin_nights(stage.world, stage.account)
    await stage.fails(await stage.subscriber(REFUSED))
    heard = [row for row in await stage.find(InboxEvent) if row.state is InboxState.HANDLED]
    first = min(row.handled_at for row in heard if row.handled_at)

    # when nearly a month passes, and then the month and a night
    await stage.reaches(first + BODIES_KEPT - timedelta(hours=1))
    before = await stage.find(InboxEvent)
    await stage.passes(days=2)

    # then what is as old is empty, what is younger is not, and that they came is still known
    after = {row.event_id: row for row in await stage.find(InboxEvent)}
    oldest = [row for row in heard if row.handled_at == first]
    youngest = max(row.handled_at for row in after.values() if row.handled_at)
    assert all(row.body for row in before)
    assert [after[row.event_id] for row in oldest] == [replace(row, body=None) for row in oldest]
    assert all(row.body for row in after.values() if row.handled_at == youngest)
    assert (await forgetting(stage)).due_at > stage.now


async def test_many_are_emptied_some_at_a_time_in_one_night(stage: Stage) -> None:
    await nights.begin_nights(stage.world, stage.account)
    await old_ones(stage, 1200)

    await stage.passes(days=1)

    assert [row.event_id for row in await stage.find(InboxEvent) if row.body == "{}"] == []
    assert (await forgetting(stage)).due_at > stage.now


async def test_what_former_releases_set_aside_is_emptied_as_well(stage: Stage) -> None:
    # given webhooks that were set aside when nobody wrote down when, and one of today
    await old_ones(stage, 520, state=InboxState.QUARANTINED, handled_at=None)
    await nights.begin_nights(stage.world, stage.account)
    young = InboxEvent(
        merchant_id=stage.merchant.merchant_id,
        account_id=stage.account.account_id,
        event_id="evt_young",
        type="invoice.paid",
        body="{}",
        state=InboxState.QUARANTINED,
        created_at=stage.now,
        received_at=stage.now,
    )
    async with stage.world.store.transaction(stage.merchant.merchant_id) as tx:
        await tx.insert([young])

    await stage.passes(days=1)

    kept = [row for row in await stage.find(InboxEvent) if row.body == "{}"]
    assert [(row.event_id, row.handled_at) for row in kept] == [("evt_young", young.received_at)]
    assert (await forgetting(stage)).data == {"dated": True}


async def test_a_paused_account_forgets_all_the_same(stage: Stage) -> None:
    await nights.begin_nights(stage.world, stage.account)
    await old_ones(stage, 3)
    async with stage.world.store.transaction(stage.merchant.merchant_id) as tx:
        await tx.save([replace(stage.account, paused_reason="by an operator")])

    await stage.passes(days=1)

    assert [row.event_id for row in await stage.find(InboxEvent) if row.body == "{}"] == []


async def test_who_comes_with_a_claim_that_ran_out_does_nothing(stage: Stage) -> None:
    await nights.begin_nights(stage.world, stage.account)
    await old_ones(stage, 3)
    stale = replace(await forgetting(stage), claims=7)

    await actions.HANDLERS[ActionKind.FORGET_BODIES](stage.world, stale)

    assert len([row for row in await stage.find(InboxEvent) if row.body == "{}"]) == 3
    assert (await forgetting(stage)).state is ActionState.PENDING


async def test_an_inbox_without_bodies_may_be_heard_once_more(stage: Stage) -> None:
    # given a case whose webhooks are empty by now
    await nights.begin_nights(stage.world, stage.account)
    case = await stage.fails(await stage.subscriber(REFUSED))
    await stage.passes(days=60)
    before = (await stage.find(Case), await stage.find(Invoice))
    empty = [row for row in await stage.find(InboxEvent) if row.body is None]

    # when they are put back to be drained
    async with stage.world.store.transaction(stage.merchant.merchant_id) as tx:
        await tx.save([replace(row, state=InboxState.PENDING) for row in empty])
    settled = await intake.drain(stage.world)

    # then each is settled, none is set aside, and nothing is changed
    after = await stage.find(InboxEvent)
    assert settled == len(empty) > 0
    assert {row.state for row in after} == {InboxState.HANDLED}
    assert (await stage.find(Case), await stage.find(Invoice)) == before
    assert case.case_id in {row.case_id for row in before[0]}
