"""Emptying the webhooks that were kept: of all, a month after they were handled; of a person who
was erased, at once. Type, instants and the fact that they came stay."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

from app.domain.actions import Action, ActionKind, ActionState, action_for, still_claimed
from app.domain.comparing import next_night
from app.domain.merchants import ProviderAccount
from app.domain.operations import BODIES_KEPT, InboxEvent, InboxState
from app.domain.personal import names
from app.domain.records import key_of
from app.ports.store import Transaction
from app.ports.world import World
from app.services.jumps import zone_of

AFTER_THE_OTHERS = timedelta(hours=2)  # of the night: comparing and looking come first
AT_ONCE = 500  # emptied in one transaction
DATED = "dated"  # in the action: no webhook of former releases is without its instant
READ_AT_ONCE = 200  # bodies looked into in one transaction: a few megabytes


async def begin_forgetting(world: World, account: ProviderAccount) -> None:
    """See to it that old webhooks of the account are emptied every night. Safe to repeat: one such
    action."""
    async with world.store.transaction(account.merchant_id) as tx:
        tz = await zone_of(tx, account.merchant_id)
        forgetting = action_for(
            ActionKind.FORGET_BODIES,
            subject=account.account_id,
            merchant_id=account.merchant_id,
            account_id=account.account_id,
            due_at=next_night(world.clock.now(), tz) + AFTER_THE_OTHERS,
        )
        await tx.insert([forgetting])


async def forget_bodies(world: World, action: Action) -> None:
    """Empty what was handled `BODIES_KEPT` ago, some at a time, and come back in the next night.

    Safe to run twice, late or after a crash: what is empty stays so, and nothing that waits to be
    handled is touched.
    """
    now = world.clock.now()
    async with world.store.transaction(action.merchant_id) as tx:
        current = await _claimed(tx, action)
        if current is None:
            return
        current, dated = await _date_set_aside(tx, current)
        before = now - BODIES_KEPT
        emptied = await tx.drop_bodies(action.account_id, before=before, limit=AT_ONCE)
        tz = await zone_of(tx, action.merchant_id)
        later = next_night(now, tz) + AFTER_THE_OTHERS
        due = now if AT_ONCE in {emptied, dated} else later
        await tx.save([replace(current, due_at=due, leased_until=None)])


async def _date_set_aside(tx: Transaction, action: Action) -> tuple[Action, int]:
    """Former releases did not say when a webhook was set aside: they did when it came. Looked for
    until there is none left, and never again; how many there were."""
    if (action.data or {}).get(DATED):
        return action, 0
    where = {
        "merchant_id": action.merchant_id,
        "account_id": action.account_id,
        "state": InboxState.QUARANTINED,
        "handled_at": None,
    }
    undated = await tx.find(InboxEvent, where=where, order=InboxEvent.KEY, limit=AT_ONCE)
    await tx.save([replace(row, handled_at=row.received_at) for row in undated])
    if len(undated) == AT_ONCE:
        return action, AT_ONCE
    return replace(action, data={**(action.data or {}), DATED: True}), len(undated)


async def erase_bodies(world: World, action: Action) -> None:
    """Empty the webhooks that name a customer who was erased, some at a time.

    Goes through what the account keeps, in the order of event ids, and keeps its place in the
    action: safe to run twice, late or after a crash. What waits to be handled keeps its body until
    it is, and loses it then.
    """
    async with world.store.transaction(action.merchant_id) as tx:
        current = await _claimed(tx, action)
        if current is None:
            return
        where: dict[str, Any] = {"merchant_id": action.merchant_id, "account_id": action.account_id}
        place = (current.data or {}).get("after")
        after = None if place is None else (action.account_id, place)
        rows = await tx.find(
            InboxEvent, where=where, order=InboxEvent.KEY, after=after, limit=READ_AT_ONCE
        )
        theirs = [row for row in rows if row.state is not InboxState.PENDING and row.body]
        naming = [row for row in theirs if names(row.body or "", action.subject)]
        await tx.empty_bodies([key_of(row) for row in naming])
        if len(rows) < READ_AT_ONCE:
            await tx.save([replace(current, state=ActionState.DONE, leased_until=None)])
            return
        data = {**(current.data or {}), "after": rows[-1].event_id}
        again = replace(current, due_at=world.clock.now(), leased_until=None, data=data)
        await tx.save([again])


async def _claimed(tx: Transaction, action: Action) -> Action | None:
    return still_claimed(await tx.load(Action, [(action.action_id,)]), action)
