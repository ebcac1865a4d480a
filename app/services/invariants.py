"""Asking every five minutes whether the invariants hold, and telling a person where they do not.

One action for each merchant, due again and again, on its first account. Asking changes nothing of
what is asked about, so a round may be repeated, come late, or be made by two at once.
"""

import asyncio
from collections.abc import Collection, Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import structlog

from app.domain.actions import Action, ActionKind, ActionState, action_for
from app.domain.alerts import AlertKind
from app.domain.invariants import EVERY, INVARIANTS, Finding, Invariant, Level
from app.domain.merchants import ProviderAccount
from app.domain.operations import Alert
from app.ports.store import StoreUnavailable, Transaction
from app.ports.world import World
from app.services.alarms import alert
from app.services.merchants import raise_alert

BROKEN = AlertKind.INVARIANT_BROKEN
# What is over and done stays an alert so long after it was seen last.
KEPT_OPEN = timedelta(days=30)
BEGINNING = datetime(2026, 1, 1, tzinfo=UTC)  # an id's instant, where the key alone is asked for
AT_ONCE = 4  # questions asked side by side
log = structlog.get_logger()


async def findings(world: World, merchant_id: str, *, now: datetime) -> list[Finding]:
    """What is found of each invariant at `now`, in their order. A question that the database does
    not answer in time is found with a count of None, and is logged."""
    turn = asyncio.Semaphore(AT_ONCE)

    async def ask(invariant: Invariant) -> Finding:
        async with turn:
            try:
                return await world.invariants.ask(merchant_id, invariant, now=now)
            except StoreUnavailable as fault:
                why = type(fault).__name__
                log.warning("invariant_not_asked", invariant=invariant.name, fault=why)
                return Finding(invariant=invariant, count=None)

    return list(await asyncio.gather(*map(ask, INVARIANTS.values())))


async def plan_everywhere(world: World) -> None:
    """See to it that the rows of each merchant who is connected are asked. Safe to repeat: there is
    one such action for each, and one that was parked begins again."""
    now = world.clock.now()
    async with world.store.system() as tx:
        accounts = await tx.find(ProviderAccount, where={})
        firsts = _first_accounts(accounts)
        await tx.act_for([account.merchant_id for account in firsts])
        await tx.insert([_round(account, now) for account in firsts])
        for parked in await tx.find(
            Action, where=of_rounds(firsts) | {"state": ActionState.PARKED}
        ):
            await tx.save([replace(parked, state=ActionState.PENDING, due_at=now, data=None)])


def _first_accounts(accounts: Iterable[ProviderAccount]) -> list[ProviderAccount]:
    firsts: dict[str, ProviderAccount] = {}
    for account in sorted(accounts, key=lambda one: one.account_id):
        if account.webhook_secrets_sealed:
            firsts.setdefault(account.merchant_id, account)
    return list(firsts.values())


def of_rounds(accounts: Collection[ProviderAccount]) -> dict[str, Any]:
    """What finds the rounds planned on these accounts, by their unique keys."""
    return {
        "account_id": [account.account_id for account in accounts],
        "key": [_round(account, BEGINNING).key for account in accounts],
    }


def _round(account: ProviderAccount, due: datetime) -> Action:
    return action_for(
        ActionKind.CHECK_INVARIANTS,
        subject=account.merchant_id,
        merchant_id=account.merchant_id,
        account_id=account.account_id,
        due_at=due,
    )


async def check(world: World, action: Action) -> None:
    """One round: ask, tell, and plan the next; its result stands in the action's `data`."""
    began = world.clock.now()
    found = await findings(world, action.merchant_id, now=began)
    async with world.store.transaction(action.merchant_id) as tx:
        rows = await tx.load(Action, [(action.action_id,)])
        if not rows or rows[0].state is not ActionState.PENDING or rows[0].claims != action.claims:
            return
        for finding in found:
            await _tell(tx, action.merchant_id, finding, began)
        due = max(began + EVERY, world.clock.now())
        await tx.save([replace(rows[0], due_at=due, leased_until=None, data=_kept(found, began))])


def _kept(found: Iterable[Finding], at: datetime) -> dict[str, Any]:
    return {"at": at.isoformat(), "found": {one.invariant.name: one.count for one in found}}


async def _tell(tx: Transaction, merchant_id: str, finding: Finding, now: datetime) -> None:
    name = finding.invariant.name
    if finding.is_alarming:
        log.error("invariant_broken", invariant=name, count=finding.count)
        named = "; ".join(f"{breach.subject}: {breach.said}" for breach in finding.broken_by)
        text = f"{finding.count} times: {finding.invariant.meaning} ({named})"
        await raise_alert(tx, alert(now, merchant_id, BROKEN, name, text))
        return
    if finding.count is None or finding.invariant.level is Level.NOTE:
        return
    where = {"merchant_id": merchant_id, "kind": BROKEN, "subject": name, "resolved_at": None}
    for known in await tx.find(Alert, where=where):
        if finding.invariant.stands or known.at < now - KEPT_OPEN:
            await tx.save([replace(known, resolved_at=now)])


async def last_round(world: World, merchant_id: str) -> datetime | None:
    """When the last round of a merchant began; None before the first."""
    async with world.store.transaction(merchant_id) as tx:
        accounts = await tx.find(ProviderAccount, where={"merchant_id": merchant_id})
        rounds = await tx.find(Action, where=of_rounds(accounts))
    told = [datetime.fromisoformat(one.data["at"]) for one in rounds if one.data]
    return max(told, default=None)
