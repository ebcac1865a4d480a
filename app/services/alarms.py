"""Telling a person: alerts, their end, and the pause of an account whose key is refused."""

from dataclasses import replace
from datetime import datetime

import structlog

from app.domain.alerts import STANDING, AlertKind, alert
from app.domain.dunning import IllegalMove
from app.domain.events_telling import Move
from app.domain.merchants import ProviderAccount
from app.domain.operations import Alert
from app.domain.records import Book
from app.ports.store import Transaction
from app.ports.world import World
from app.services.audit import audit
from app.services.events import tell_of
from app.services.merchants import KEY_REFUSED, PAUSED, raise_alert

log = structlog.get_logger()

__all__ = ["UnknownAlert", "alert", "pause_account", "pause_merchant", "put_away"]


class UnknownAlert(LookupError):
    """The merchant has no such alert."""


async def put_away(
    world: World, merchant_id: str, alert_id: str, *, seen: str, actor: str
) -> Alert:
    """A person saw to it. `seen` is the instant (ISO) at which it happened as far as they know:
    what happened once more meanwhile stays. Safe to repeat.

    Raises `UnknownAlert`, and `IllegalMove` for what stays, or is settled when it is over.
    """
    async with world.store.transaction(merchant_id) as tx:
        await tx.lock(merchant_id, ["alerts"])
        found = await tx.load(Alert, [(alert_id,)])
        if not found or found[0].merchant_id != merchant_id:
            raise UnknownAlert(alert_id)
        known, now = found[0], world.clock.now()
        if known.kind in STANDING:
            raise IllegalMove("it is settled when what it tells of is over")
        if known.at.isoformat() != seen:
            raise IllegalMove("it happened again meanwhile")
        if known.resolved_at is not None:
            return known
        settled = replace(known, resolved_at=now)
        await tx.save([settled])
        line = audit(
            actor=actor,
            action="alert.put_away",
            subject=alert_id,
            at=now,
            before=known,
            after=settled,
        )
        await tx.insert([line])
        return settled


async def pause_merchant(world: World, merchant_id: str, kind: AlertKind, reason: str) -> None:
    """A fuse has blown: stop all accounts of a merchant and tell a person, who resumes them."""
    log.error("fuse_blown", fuse=kind)
    now = world.clock.now()
    async with world.store.transaction(merchant_id) as tx:
        accounts = await tx.find(ProviderAccount, where={"merchant_id": merchant_id})
        for account in accounts:
            await _pause(tx, account.account_id, reason, now)
        await raise_alert(tx, alert(now, merchant_id, kind, merchant_id, reason))


async def pause_account(world: World, merchant_id: str, account_id: str, reason: str) -> None:
    """Stop calling a provider that refuses our key; spends no attempt. A new key resumes it."""
    reason = f"{KEY_REFUSED}{reason}"
    log.error("account_paused", account=account_id)
    now = world.clock.now()
    async with world.store.transaction(merchant_id) as tx:
        await _pause(tx, account_id, reason, now)
        await raise_alert(tx, alert(now, merchant_id, PAUSED, account_id, reason))


async def _pause(tx: Transaction, account_id: str, reason: str, now: datetime) -> None:
    """One paused before keeps its reason."""
    await tx.lock(account_id, ["provider_account"])
    for account in await tx.load(ProviderAccount, [(account_id,)]):
        if account.paused_reason is None:
            paused = replace(account, paused_at=now, paused_reason=reason[:500])
            await tx.save([paused])
            await tell_of(tx, [Move(account, paused)], Book(), at=now)
