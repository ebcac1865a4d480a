"""Finding what no webhook told, by reading the provider, page by page; safe at any speed of theirs.

One action for each account, due again and again. What it found out so far stands in its `data`
after every page, so that whoever goes on after a crash goes on there. What it finds is not
treated here: a missed event goes into the inbox as if its webhook had come, what differs is read
like the object of a thin event, and a quiet case is looked at like any other.
"""

from dataclasses import asdict, replace
from datetime import datetime, timedelta

import structlog

from app.domain.actions import Action, ActionKind, ActionState, action_for, still_claimed
from app.domain.alerts import AlertKind
from app.domain.merchants import ProviderAccount
from app.domain.operations import Alert
from app.ports.store import Transaction
from app.ports.world import World
from app.services.alarms import alert
from app.services.merchants import raise_alert
from app.services.reconciling_parts import (
    BEGINNING,
    DONE,
    EVERY,
    OVERLAP,
    PARTS,
    PER_SECOND,
    Round,
)
from app.services.saves import catch_up

NAMES = [name for name, _ in PARTS]
AT_ONCE = 10  # pages in one go, well within a lease; then as long a pause as the pace asks for
MISSED = AlertKind.MISSED_WEBHOOKS
log = structlog.get_logger()


async def begin_reconciling(world: World, account: ProviderAccount) -> None:
    """See to it that the account is reconciled. Safe to repeat: it has one such action, and one
    that was parked begins again."""
    async with world.store.transaction(account.merchant_id) as tx:
        await _begin(tx, world, [account])
    await world.wake.now()


async def begin_everywhere(world: World) -> None:
    """The same for every connected account of the deployment: for those that were there before."""
    async with world.store.system() as tx:
        found = await tx.find(ProviderAccount, where={})
        accounts = [account for account in found if account.webhook_secrets_sealed]
        await tx.act_for(sorted({account.merchant_id for account in accounts}))
        await _begin(tx, world, accounts)


async def _begin(tx: Transaction, world: World, accounts: list[ProviderAccount]) -> None:
    """What was before is not looked for among the events: it is in what is unpaid."""
    now = world.clock.now()
    await tx.insert([_first(account, now) for account in accounts])
    where = {
        "account_id": [account.account_id for account in accounts],
        "key": [_first(account, now).key for account in accounts],
        "state": ActionState.PARKED,
    }
    for parked in await tx.find(Action, where=where):
        kept = {name: value for name, value in (parked.data or {}).items() if name != "faults"}
        again = replace(parked, state=ActionState.PENDING, leased_until=None)
        await tx.save([replace(again, due_at=now, data=kept)])


def _first(account: ProviderAccount, now: datetime) -> Action:
    return action_for(
        ActionKind.RECONCILE,
        subject=account.account_id,
        merchant_id=account.merchant_id,
        account_id=account.account_id,
        due_at=now,
        data=asdict(_round(now, now, None)),
    )


async def last_round(world: World, account: ProviderAccount) -> Action | None:
    """The action that reconciles an account, with the figures of its last round; None if none."""
    where = {"account_id": account.account_id, "key": f"reconcile:{account.account_id}:0"}
    async with world.store.transaction(account.merchant_id) as tx:
        found = await tx.find(Action, where=where)
    return found[0] if found else None


async def reconcile(world: World, action: Action) -> None:
    """Go on with the round, at most `AT_ONCE` pages of it.

    Raises the provider's errors: the action is then put off, `Retry-After` heeded, and goes on
    behind the last page that was taken in.
    """
    async with world.store.transaction(action.merchant_id) as tx:
        accounts = await tx.load(ProviderAccount, [(action.account_id,)])
    turn = _read_round(action, world)
    if turn.after is None and turn.part == PARTS[0][0]:
        await catch_up(world, accounts[0])
    for _ in range(AT_ONCE):
        going_on = await _page(world, accounts[0], action, turn)
        if going_on is None or going_on.part == DONE:
            return
        turn = going_on
    async with world.store.transaction(action.merchant_id) as tx:
        if current := await _standing(tx, action):
            due = world.clock.now() + timedelta(seconds=AT_ONCE / PER_SECOND)
            await tx.save([replace(current, due_at=due, leased_until=None, data=asdict(turn))])


def _read_round(action: Action, world: World) -> Round:
    """The round as it was left; one that begins looks up to this instant."""
    known = {name: value for name, value in (action.data or {}).items() if name in Round.__slots__}
    turn = Round(**known)
    if turn.part != BEGINNING:
        return turn
    return replace(turn, part=PARTS[0][0], until=world.clock.now().isoformat())


async def _page(
    world: World, account: ProviderAccount, action: Action, turn: Round
) -> Round | None:
    """One page and what follows from it, in one transaction with the new place of the cursor;
    None where somebody else has taken the action over. A page that brought nothing is written down
    with the next that brought something, or at the end of this go: after a crash it is asked for
    again."""
    place = NAMES.index(turn.part) if turn.part in NAMES else 0
    take = await PARTS[place][1](world, account, turn)
    if isinstance(take, Round) and _onward(take, place).part != DONE:
        return _onward(take, place)
    async with world.store.transaction(action.merchant_id) as tx:
        current = await _standing(tx, action)
        if current is None:
            return None
        then = _onward(take if isinstance(take, Round) else await take(tx), place)
        if then.part == DONE:
            await _finish(tx, world, current, then)
        else:
            await tx.save([replace(current, data=asdict(then))])
    if then.missed > turn.missed:
        await world.wake.now()
    return then


def _onward(turn: Round, place: int) -> Round:
    """The round where this part's pages are at their end: at the next part."""
    if turn.after is not None:
        return turn
    parts = NAMES if turn.full else NAMES[:1]
    return replace(turn, part=parts[place + 1] if place + 1 < len(parts) else DONE)


async def _standing(tx: Transaction, action: Action) -> Action | None:
    """The action, unless another worker has claimed it meanwhile."""
    return still_claimed(await tx.load(Action, [(action.action_id,)]), action)


async def _finish(tx: Transaction, world: World, action: Action, turn: Round) -> None:
    """Plan the next round behind this one, and tell a person if webhooks were missed."""
    figures = {"missed": turn.missed, "read": turn.read, "quiet": turn.quiet}
    since = max(turn.began_at - OVERLAP, datetime.fromisoformat(turn.since))
    following = replace(_round(since, turn.began_at, figures), full=not turn.full)
    due = max(turn.began_at + EVERY, world.clock.now())
    await tx.save([replace(action, due_at=due, leased_until=None, data=asdict(following))])
    log.info("reconciled", account=action.account_id, **figures)
    if turn.missed:
        text = (
            f"{turn.missed} events of the provider never came as webhooks; they were found by "
            "reading. `holdfast doctor` looks at the endpoint"
        )
        told = alert(world.clock.now(), action.merchant_id, MISSED, action.account_id, text)
        await raise_alert(tx, told)
        return
    where = {"merchant_id": action.merchant_id, "kind": MISSED, "subject": action.account_id}
    for known in await tx.find(Alert, where=where):
        if known.resolved_at is None:
            await tx.save([replace(known, resolved_at=world.clock.now())])


def _round(since: datetime, until: datetime, of_last: dict[str, int] | None) -> Round:
    return Round(since=since.isoformat(), until=until.isoformat(), part=BEGINNING, of_last=of_last)
