"""Which keys of metadata a merchant's ledgers keep as attributes."""

from collections.abc import Collection
from dataclasses import replace

from app.domain.merchants import Merchant
from app.ports.world import World
from app.services.audit import audit


async def attributes_of(world: World, merchant_id: str) -> Merchant:
    """The merchant, who knows them: those of now and those of before."""
    async with world.store.transaction(merchant_id) as tx:
        (merchant,) = await tx.load(Merchant, [(merchant_id,)])
    return merchant


async def name_attributes(
    world: World, merchant_id: str, names: Collection[str], *, actor: str
) -> Merchant:
    """Keep these from now on, and no others. What was recorded stays as it was recorded: a
    subscription has what is new from its next notice on. Safe to repeat."""
    async with world.store.transaction(merchant_id) as tx:
        await tx.lock("attributes", [merchant_id])
        (merchant,) = await tx.load(Merchant, [(merchant_id,)])
        former = {*merchant.attributes, *merchant.past_attributes} - {*names}
        named = replace(
            merchant, attributes=tuple(sorted(names)), past_attributes=tuple(sorted(former))
        )
        if named != merchant:
            await tx.save([named])
            done = audit(
                actor=actor,
                action="merchant.attributes_named",
                subject=merchant_id,
                at=world.clock.now(),
                before=merchant,
                after=named,
            )
            await tx.insert([done])
    return named
