"""Setting the ledger beside the provider's own lists, every night and on demand.

One action for each account is due every night; a comparison that somebody asks for is an action of
its own. How far one has come stands in its row after every page, so that whoever goes on after a
crash goes on there. What differs is read once more and taken in; what differs still is listed
line by line, and a person is told.
"""

from dataclasses import replace
from datetime import datetime, timedelta

import structlog

from app.domain.actions import Action, ActionKind, ActionState, action_for, still_claimed
from app.domain.alerts import AlertKind
from app.domain.calendar import zone
from app.domain.comparing import (
    FIRST_LOOK,
    NIGHT,
    UNDER_WAY,
    Comparison,
    next_night,
    span_of_night,
)
from app.domain.ids import derive_id
from app.domain.merchants import Merchant, ProviderAccount
from app.domain.operations import Alert
from app.ports.figures import EARLIEST
from app.ports.payments import ProviderRefused
from app.ports.store import Transaction
from app.ports.world import World
from app.services.alarms import alert
from app.services.comparing_looks import AGAIN, PARTS
from app.services.merchants import raise_alert
from app.services.reconciling_parts import GONE, PER_SECOND

NAMES = list(PARTS)
LONGEST = timedelta(days=366)
AT_ONCE = 10  # questions in one go, well within a lease; then as long a pause as the pace asks for
TAKEN_IN = timedelta(minutes=15)  # by then what was read about a difference has been absorbed
DIFFERS = AlertKind.LEDGER_DIFFERS
log = structlog.get_logger()


class SpanTooLong(ValueError):
    """A comparison looks at a year of charges at most, and at none of the last hour."""


async def begin_nightly(world: World, account: ProviderAccount) -> None:
    """See to it that the account is compared every night. Safe to repeat: one such action."""
    async with world.store.transaction(account.merchant_id) as tx:
        merchants = await tx.load(Merchant, [(account.merchant_id,)])
        due = next_night(world.clock.now(), zone(merchants[0].time_zone if merchants else None))
        await tx.insert([_action(account, due, NIGHT, None)])


async def begin_comparison(
    world: World,
    account: ProviderAccount,
    *,
    asked_by: str,
    since: datetime | None = None,
    until: datetime | None = None,
) -> Comparison:
    """Have one comparison carried out now, of charges made from `since` (35 days ago) to `until`
    (an hour ago). Asked again for the same span within the same minute it is the same one.

    Raises `SpanTooLong`.
    """
    now = world.clock.now()
    until = min(until or now - UNDER_WAY, now - UNDER_WAY)
    since = since or max(until, EARLIEST) - FIRST_LOOK
    if until < EARLIEST or not timedelta(0) < until - since <= LONGEST:
        raise SpanTooLong("a year of charges at most, and none of the last hour")
    began = _comparison(account, now.replace(second=0, microsecond=0), since, until, asked_by)
    async with world.store.transaction(account.merchant_id) as tx:
        await tx.insert([began])
        nth = began.comparison_id
        await tx.insert([_action(account, now, nth, began.comparison_id)])
        stored = await tx.load(Comparison, [(began.comparison_id,)])
    await world.wake.now()
    return stored[0]


def _comparison(
    account: ProviderAccount, at: datetime, since: datetime, until: datetime, asked_by: str
) -> Comparison:
    return Comparison(
        comparison_id=derive_id("comparison", at, account.account_id, since, until, asked_by),
        merchant_id=account.merchant_id,
        account_id=account.account_id,
        asked_by=asked_by,
        since=since,
        until=until,
        began_at=at,
        part=NAMES[0],
    )


def _action(account: ProviderAccount, due: datetime, nth: str, about: str | None) -> Action:
    return action_for(
        ActionKind.COMPARE,
        subject=account.account_id,
        merchant_id=account.merchant_id,
        account_id=account.account_id,
        due_at=due,
        nth=nth,
        data={"comparison": about},
    )


async def compare(world: World, action: Action) -> None:
    """Go on with a comparison, at most `AT_ONCE` pages of it, or begin tonight's.

    Raises the provider's errors: the action is then put off, `Retry-After` heeded, and goes on
    behind the last page that was taken in.
    """
    async with world.store.transaction(action.merchant_id) as tx:
        accounts = await tx.load(ProviderAccount, [(action.account_id,)])
        at = await _at_hand(tx, world, action, accounts[0])
    for _ in range(AT_ONCE):
        then = await _page(world, accounts[0], action, at)
        if then is None or then.ended_at is not None:
            return
        waits, at = then.part == AGAIN != at.part, then
        if waits:
            break
    else:
        waits = False
    pause = TAKEN_IN if waits else timedelta(seconds=AT_ONCE / PER_SECOND)
    async with world.store.transaction(action.merchant_id) as tx:
        if current := await _standing(tx, action):
            due = world.clock.now() + pause
            await tx.save([replace(current, due_at=due, leased_until=None)])


async def _at_hand(
    tx: Transaction, world: World, action: Action, account: ProviderAccount
) -> Comparison:
    """The comparison this action is about; where there is none yet, tonight's begins."""
    about = (action.data or {}).get("comparison")
    found = await tx.load(Comparison, [(about,)]) if about else []
    if found:
        return found[0]
    now = world.clock.now()
    where = {"account_id": account.account_id, "asked_by": NIGHT}
    last = await tx.find(Comparison, where=where, order=("-until",), limit=1)
    since, until = span_of_night(now, last[0].until if last else None)
    began = _comparison(account, now, since, until, NIGHT)
    if current := await _standing(tx, action):
        await tx.insert([began])
        await tx.save([replace(current, data={"comparison": began.comparison_id})])
    return began


async def _page(
    world: World, account: ProviderAccount, action: Action, at: Comparison
) -> Comparison | None:
    """One page and its lines, in one transaction with the new place of the cursor; None where
    somebody else has taken the action over."""
    try:
        take = await PARTS[at.part](world, account, at)
    except ProviderRefused as refusal:
        if refusal.code != GONE or at.after is None:
            raise
        async with world.store.transaction(action.merchant_id) as tx:  # the cursor's row is gone
            await tx.save([replace(at, after=None)])
        return replace(at, after=None)
    async with world.store.transaction(action.merchant_id) as tx:
        current = await _standing(tx, action)
        if current is None:
            return None
        then = _onward(await take(tx))
        if not then.part:
            then = replace(then, ended_at=world.clock.now())
            await _finish(tx, world, current, then)
        await tx.save([then])
    return then


def _onward(at: Comparison) -> Comparison:
    """At the next part where this one's pages are at their end; at none behind the last."""
    if at.after is not None:
        return at
    place = NAMES.index(at.part) + 1
    return replace(at, part=NAMES[place] if place < len(NAMES) else "")


async def _standing(tx: Transaction, action: Action) -> Action | None:
    """The action, unless another worker has claimed it meanwhile."""
    return still_claimed(await tx.load(Action, [(action.action_id,)]), action)


async def _finish(tx: Transaction, world: World, action: Action, at: Comparison) -> None:
    """Plan the next night, and tell a person where lines differ; where none does any more, the
    alert is settled."""
    figures = {"lines": at.lines, "mended": at.mended, "differing": at.differing}
    log.info("compared", account=at.account_id, **figures)
    now = world.clock.now()
    if at.asked_by == NIGHT:
        merchants = await tx.load(Merchant, [(at.merchant_id,)])
        due = next_night(now, zone(merchants[0].time_zone))
        await tx.save([replace(action, due_at=due, leased_until=None, data={"comparison": None})])
    else:
        await tx.save([replace(action, state=ActionState.DONE, leased_until=None)])
    if at.differing:
        text = (
            f"{at.differing} of {at.lines} lines differ between the ledger and the provider: "
            f"GET /v1/finance/reconciliation/comparisons/{at.comparison_id}/lines"
        )
        await raise_alert(tx, alert(now, at.merchant_id, DIFFERS, at.account_id, text))
    elif at.asked_by == NIGHT:
        await _settle(tx, at, now)


async def _settle(tx: Transaction, at: Comparison, now: datetime) -> None:
    where = {"merchant_id": at.merchant_id, "kind": DIFFERS, "subject": at.account_id}
    for known in await tx.find(Alert, where=where):
        if known.resolved_at is None:
            await tx.save([replace(known, resolved_at=now)])
