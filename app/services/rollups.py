"""Keeping the rollups of all merchants near the present, and making them anew."""

from datetime import timedelta

from app.domain.merchants import ProviderAccount
from app.ports.rollups import Rollups
from app.ports.store import StoreUnavailable
from app.ports.world import World

# Ledger transactions end within 5 s; the rest is for clocks of workers that go wrong.
BEHIND = timedelta(minutes=1)


async def fold_due(world: World, rollups: Rollups) -> bool:
    """Fold the next stretch of each merchant. Whether there is more to do at once.

    Safe to repeat, and to be done by several workers: a line is folded once. Nothing younger than
    `BEHIND` is folded, because something might still be recorded beside it.
    """
    until = world.clock.now() - BEHIND
    more = False
    for merchant_id in await _merchants(world):
        more |= await rollups.fold(merchant_id, until=until)
    return more


async def keep_due(world: World, rollups: Rollups) -> bool:
    """Keep one period more of each merchant. Whether there may be more to do at once.

    Safe to repeat, as folding. Raises the last error, once all were tried: what cannot be kept of
    one merchant is read from the ledgers, and concerns nobody else.
    """
    more, failed = False, None
    for merchant_id in await _merchants(world):
        try:
            more |= await rollups.keep(merchant_id)
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
