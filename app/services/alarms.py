"""Telling a person: alerts, and the pause of an account whose key is refused."""

from dataclasses import replace
from datetime import datetime

import structlog

from app.domain.alerts import AlertKind, alert
from app.domain.events_telling import Move
from app.domain.merchants import ProviderAccount
from app.domain.records import Book
from app.ports.store import Transaction
from app.ports.world import World
from app.services.events import tell_of
from app.services.merchants import KEY_REFUSED, PAUSED, raise_alert

log = structlog.get_logger()

__all__ = ["alert", "pause_account", "pause_merchant"]


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
