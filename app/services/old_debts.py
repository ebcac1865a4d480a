"""Releasing old debts: from here on they are collected like any other."""

from datetime import timedelta

from app.domain.dunning import Case, CaseState, Waits
from app.domain.holds import release_old_debt
from app.domain.merchants import ProviderAccount
from app.domain.old_debts import OLD_DEBT, is_held
from app.domain.terms import note
from app.ports.store import Transaction
from app.ports.world import World
from app.services.audit import audit
from app.services.books import load_case, write
from app.services.reconciling_parts import PER_SECOND

AT_ONCE = 100


async def count_held(world: World, account: ProviderAccount) -> int:
    """How many cases of old debts wait for their release."""
    async with world.store.transaction(account.merchant_id) as tx:
        return len(await _held(tx, account, None))


async def release_old_debts(world: World, account: ProviderAccount, *, actor: str) -> int:
    """Let every held case of an account be collected; returns how many there were.

    Each gets a first look of its own instant and its whole window from there, so that neither
    provider nor mail server meets all of them at once. Safe to repeat: a case released is not
    held any more.
    """
    released = 0
    while True:
        async with world.store.transaction(account.merchant_id) as tx:
            held = await _held(tx, account, AT_ONCE)
        for case in held:
            due = timedelta(seconds=released / PER_SECOND)
            released += await _release(world, case, due)
        if len(held) < AT_ONCE:
            break
    if released:
        now = world.clock.now()
        async with world.store.transaction(account.merchant_id) as tx:
            line = audit(
                actor=actor,
                action="account.old_debts_released",
                subject=account.account_id,
                at=now,
                after=account,
            )
            await tx.insert([line])
    return released


async def _held(tx: Transaction, account: ProviderAccount, limit: int | None) -> list[Case]:
    where = {
        "merchant_id": account.merchant_id,
        "account_id": account.account_id,
        "state": CaseState.ACTIVE,
        "waits": Waits.ON_HOLD,
        "reason": OLD_DEBT,
    }
    return await tx.find(Case, where=where, order=("opened_at", "case_id"), limit=limit)


async def _release(world: World, found: Case, wait: timedelta) -> int:
    """One case, its customer locked; 0 where it is held no more."""
    async with world.store.transaction(found.merchant_id) as tx:
        book, case, _ = await load_case(tx, found.case_id)
        if case is None or not is_held(case):
            return 0
        now = world.clock.now()
        release_old_debt(book, case, now + wait)
        note(book, case, now, "hold_lifted", "the old debt was released")
        await write(tx, book, at=now)
    return 1
