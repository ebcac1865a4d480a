"""Due actions: claimed in batches, carried out one by one, never lost."""

from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import replace
from datetime import datetime, timedelta

import structlog

from app.domain.actions import CASE_ACTIONS, Action, ActionKind, jitter, still_claimed
from app.domain.dunning import CaseState
from app.domain.fuses import FuseBlown
from app.domain.merchants import ProviderAccount
from app.domain.records import Book
from app.domain.terms import note
from app.ports.payments import AccountRefused, ProviderRefused, ProviderUnavailable
from app.ports.store import Ask, Transaction
from app.ports.world import World
from app.services import (
    access,
    afterwards,
    cancel_letters,
    cancel_sessions,
    cancel_settling,
    cancel_telling,
    case_commands,
    charging,
    comparing,
    declared,
    driving,
    dunning,
    endings,
    event_deliveries,
    forgetting,
    invariants,
    jumps,
    messages,
    moving_in,
    new_cards,
    pauses,
    reads,
    reconciling,
    redeeming,
    reminders,
    saves,
    withdrawing,
)
from app.services.alarms import pause_account, pause_merchant
from app.services.books import load_case, write
from app.services.merchants import PAUSED_AGAIN
from app.services.parking import park

log = structlog.get_logger()
AT_MOST_FAULTS = 5
# Waits after a provider without an answer, by how often it was asked; the last repeats.
BACKOFF = tuple(timedelta(minutes=m) for m in (1, 2, 5, 15, 30, 60))
# What concerns no provider goes on while an account is paused: of the pause itself is told too.
NEVER_PAUSED = frozenset(
    {
        ActionKind.DELIVER_EVENT,
        ActionKind.ACCESS_CHANGE,
        ActionKind.CHECK_INVARIANTS,
        ActionKind.FORGET_BODIES,
        ActionKind.ERASE_BODIES,
        ActionKind.FORGET,
        ActionKind.FORGET_FEEDBACK,
        ActionKind.FORGET_IMPORTED,
    }
)
Handler = Callable[[World, Action], Awaitable[None]]

HANDLERS: dict[ActionKind, Handler] = {
    ActionKind.ASSESS: dunning.assess,
    ActionKind.RETRY: dunning.retry,
    ActionKind.RESOLVE: charging.resolve,
    ActionKind.WATCH: dunning.watch,
    ActionKind.END: endings.end,
    ActionKind.SEND: messages.send,
    ActionKind.NEW_CARD: new_cards.try_new_card,
    ActionKind.READ: reads.read,
    ActionKind.DELIVER_EVENT: event_deliveries.deliver,
    ActionKind.RECONCILE: reconciling.reconcile,
    ActionKind.COMPARE: comparing.compare,
    ActionKind.LOOK_FOR_JUMP: jumps.look_for_jump,
    ActionKind.GIVE_BACK: driving.give_back,
    ActionKind.RELEASE: case_commands.let_go,
    ActionKind.COLLECTION: driving.settle_collection,
    ActionKind.FORGIVE: endings.forgive,
    ActionKind.REMIND: reminders.remind,
    ActionKind.CARD_LOOK: reminders.look_at_card,
    ActionKind.ACCESS_CHANGE: access.record,
    ActionKind.CANCEL: cancel_telling.cancel,
    ActionKind.SETTLE: cancel_settling.settle,
    ActionKind.CONFIRM: cancel_letters.send_confirmation,
    ActionKind.CLOSE_SESSION: cancel_sessions.expire,
    ActionKind.FORGET: cancel_sessions.forget,
    ActionKind.PLAN_AFTER: afterwards.plan,
    ActionKind.AFTER_LETTER: afterwards.write,
    ActionKind.TELL_MENDED: afterwards.tell_mended,
    ActionKind.FORGET_FEEDBACK: afterwards.forget,
    ActionKind.DECLARE: declared.carry_out,
    ActionKind.REFUND: withdrawing.give_back,
    ActionKind.RESOLVE_REDEMPTION: redeeming.resolve,
    ActionKind.END_PAUSE: pauses.end_pause,
    ActionKind.TELL_OF_RESUMING: pauses.tell_of_resuming,
    ActionKind.CHECK_SAVE: saves.check,
    ActionKind.FORGET_IMPORTED: moving_in.forget,
    ActionKind.CHECK_INVARIANTS: invariants.check,
    ActionKind.FORGET_BODIES: forgetting.forget_bodies,
    ActionKind.ERASE_BODIES: forgetting.erase_bodies,
}


async def claim(
    world: World, *, limit: int, lease_s: float = 60.0, but: Collection[str] = ()
) -> list[Action]:
    """Claim due actions of all merchants for `lease_s` seconds of database time, none of the
    accounts in `but`.

    A claimed action that is not carried out by then is claimed again, by anybody. Raises
    `StoreUnavailable`, also where this machine's clock is not the database's.
    """
    async with world.store.system() as tx:
        return await _claimed(world, tx, limit, lease_s, but)


async def claim_looked_at(
    world: World, *, limit: int, lease_s: float = 60.0, but: Collection[str] = ()
) -> list[tuple[Action, bool]]:
    """`claim`, with the answer of `standing` about each at this moment."""
    async with world.store.system() as tx:
        return await _looked_at(tx, await _claimed(world, tx, limit, lease_s, but))


async def _claimed(
    world: World, tx: Transaction, limit: int, lease_s: float, but: Collection[str]
) -> list[Action]:
    now = world.clock.now()
    await tx.agree_on(now)
    return await tx.claim_actions(limit, now=now, lease_s=lease_s, but=but)


async def standing(
    world: World, claims: Mapping[str, int]
) -> tuple[list[tuple[Action, bool]], float]:
    """What of these claims (action id and number) stands, each with whether nothing keeps it from
    being carried out at once; and for how many seconds all of these are leased."""
    async with world.store.system() as tx:
        await tx.agree_on(world.clock.now())
        instant = await tx.lease_clock()
        rows = await tx.load(Action, [(action_id,) for action_id in claims])
        found = [
            row for row in rows if row.is_claimed(claims[row.action_id]) and row.is_leased(instant)
        ]
        ends = min((row.leased_until for row in found if row.leased_until), default=instant)
        return await _looked_at(tx, found), (ends - instant).total_seconds()


async def unclaim(world: World, claims: Mapping[str, int]) -> None:
    """Give claimed actions back that were not begun, so that nobody has to wait for the lease.
    Raises `StoreUnavailable`."""
    async with world.store.system() as tx:
        await tx.unclaim_actions(claims)


async def _looked_at(tx: Transaction, rows: list[Action]) -> list[tuple[Action, bool]]:
    accounts = await tx.load(ProviderAccount, list({(row.account_id,) for row in rows}))
    open_to = {account.account_id for account in accounts if account.paused_reason is None}
    return [(row, row.account_id in open_to) for row in rows]


async def carry_out(world: World, action: Action, *, looked_at: bool = False) -> None:
    """Carry out one claimed action.

    Safe to run twice or late: a stale claim does nothing, and every handler looks at the state
    again before it acts. `looked_at` says that `standing` found a moment ago that nothing keeps
    it. A provider without an answer postpones it, one that refuses our key pauses the account, a
    fuse that blows pauses the merchant. Raises `Conflict` or `StoreUnavailable` (temporary; the
    lease runs out and it is claimed again), or whatever else went wrong, for `failed`.
    """
    current = action if looked_at else await _look(world, action)
    if current is None:
        return
    try:
        await HANDLERS[current.kind](world, current)
    except ProviderUnavailable as fault:
        await _provider_away(world, current, fault)
    except FuseBlown as blown:
        await pause_merchant(world, current.merchant_id, blown.kind, str(blown))
        await _put_off(world, current, PAUSED_AGAIN, str(blown))
    except AccountRefused as fault:
        await pause_account(world, current.merchant_id, current.account_id, str(fault))
        await _put_off(world, current, PAUSED_AGAIN, f"provider: {fault}")
    except ProviderRefused as fault:
        await failed(world, current, fault)


async def _look(world: World, action: Action) -> Action | None:
    """The action as it is; None where the claim stands no more or its account is paused."""
    async with world.store.transaction(action.merchant_id) as tx:
        rows, accounts = await tx.ask(
            Ask(Action, keys=[(action.action_id,)]),
            Ask(ProviderAccount, keys=[(action.account_id,)]),
        )
        current = still_claimed(rows, action)
        reason = accounts[0].paused_reason if accounts else "the account is gone"
        if current is None or reason is None or current.kind in NEVER_PAUSED:
            return current
        await _postpone(tx, current, world.clock.now() + PAUSED_AGAIN, reason)
        return None


async def _current(tx: Transaction, action: Action) -> Action | None:
    """The action as it is, unless it was done, dropped or claimed again meanwhile."""
    return still_claimed(await tx.load(Action, [(action.action_id,)]), action)


async def _postpone(tx: Transaction, action: Action, at: datetime, why: str) -> None:
    await tx.save([replace(action, due_at=at, leased_until=None, note=why[:500])])


async def _provider_away(world: World, action: Action, fault: ProviderUnavailable) -> None:
    """Asked again by how often it was away: an action is claimed for other reasons as well, and
    one that waited for its day often enough would begin with the longest wait."""
    away = int((action.data or {}).get("away", 0)) + 1
    wait = BACKOFF[min(away, len(BACKOFF)) - 1]
    asked = timedelta(seconds=fault.retry_after_s or 0)
    extra = wait * jitter(f"{action.action_id}:{away}")
    await _put_off(world, action, max(wait, asked) + extra, f"provider: {fault}", away=away)


async def _put_off(world: World, action: Action, wait: timedelta, why: str, **counted: int) -> None:
    async with world.store.transaction(action.merchant_id) as tx:
        if current := await _current(tx, action):
            data = {**(current.data or {}), **counted} or None
            put_off = replace(current, data=data)
            await _postpone(tx, put_off, world.clock.now() + wait, why)


async def failed(world: World, action: Action, fault: BaseException) -> None:
    """An action that went wrong in a way we did not foresee: again later, and after five times
    parked with its reason, its case with it, for a person to look at."""
    log.error("action_failed", kind=action.kind, fault=type(fault).__name__)
    why = f"{type(fault).__name__}: {fault}"[:500]
    async with world.store.transaction(action.merchant_id) as tx:
        current = await _current(tx, action)
        if current is None:
            return
        faults = int((current.data or {}).get("faults", 0)) + 1
        data = {**(current.data or {}), "faults": faults}
        if faults < AT_MOST_FAULTS:
            at = world.clock.now() + BACKOFF[faults - 1]
            await _postpone(tx, replace(current, data=data), at, why)
            return
        parked = replace(current, data=data, note=why)
        book = await _park_case(tx, parked, world)
        await park(tx, book, parked, why, world.clock.now())
        await write(tx, book, at=world.clock.now())


async def _park_case(tx: Transaction, action: Action, world: World) -> Book:
    """The book of the action's case, which is parked with it where it has one."""
    if action.kind not in CASE_ACTIONS or action.case_id is None:
        return Book()
    book, case, _ = await load_case(tx, action.case_id)
    if case is not None and case.can_become(CaseState.PARKED):
        reason = f"{action.kind} failed: {action.note}"
        book.put(case.moved(CaseState.PARKED, at=world.clock.now(), reason=reason))
        note(book, case, world.clock.now(), "parked", reason)
    return book
