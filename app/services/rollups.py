"""Keeping the rollups of all merchants near the present, and making them anew."""

from collections.abc import Awaitable, Callable
from datetime import timedelta

from app.domain.merchants import ProviderAccount
from app.ports.rollups import Rollups
from app.ports.store import StoreUnavailable
from app.ports.world import World

# Ledger transactions end within 5 s; the rest is for clocks of workers that go wrong.
BEHIND = timedelta(minutes=1)
IsOver = Callable[[], bool]  # asked between two merchants: whoever stops does not wait for all


def never() -> bool:
    return False


async def fold_due(world: World, rollups: Rollups, *, is_over: IsOver = never) -> bool:
    """Fold the next stretch of each merchant. Whether there is more to do at once.

    Safe to repeat, and to be done by several workers: a line is folded once. Nothing younger than
    `BEHIND` is folded, because something might still be recorded beside it. Raises the last error,
    once all were tried: what could not be folded of one merchant concerns nobody else.
    """
    until = world.clock.now() - BEHIND
    return await _each(world, lambda merchant_id: rollups.fold(merchant_id, until=until), is_over)


async def keep_due(world: World, rollups: Rollups, *, is_over: IsOver = never) -> bool:
    """Keep one period more of each merchant. Whether there may be more to do at once.

    Safe to repeat, as folding. Raises the last error, once all were tried: what cannot be kept of
    one merchant is read from the ledgers, and concerns nobody else.
    """
    return await _each(world, rollups.keep, is_over)


async def _each(world: World, step: Callable[[str], Awaitable[bool]], is_over: IsOver) -> bool:
    more, failed = False, None
    for merchant_id in await _merchants(world):
        if is_over():
            break
        try:
            more |= await step(merchant_id)
        except StoreUnavailable as error:
            failed = error
    if failed is not None:
        raise failed
    return more


async def rebuild(world: World, rollups: Rollups, merchant_id: str) -> None:
    """Drop a merchant's rollups and make them anew. Figures are right and fast all the while."""
    await rollups.rebuild(merchant_id, until=world.clock.now() - BEHIND)
    while await rollups.keep(merchant_id):
        pass


async def _merchants(world: World) -> list[str]:
    async with world.store.system() as tx:
        accounts = await tx.find(ProviderAccount, where={})
    return sorted({account.merchant_id for account in accounts})
