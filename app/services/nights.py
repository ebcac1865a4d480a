"""What is done for each account every night; each is an action of its own, planned once."""

from app.domain.merchants import ProviderAccount
from app.ports.world import World
from app.services.comparing import begin_nightly
from app.services.forgetting import begin_forgetting
from app.services.jumps import begin_looking


async def begin_nights(world: World, account: ProviderAccount) -> None:
    """Plan the nightly work of an account. Safe to repeat."""
    await begin_nightly(world, account)
    await begin_looking(world, account)
    await begin_forgetting(world, account)


async def begin_nights_everywhere(world: World) -> None:
    """The same for every connected account of the deployment."""
    async with world.store.system() as tx:
        found = await tx.find(ProviderAccount, where={})
    for account in found:
        if account.webhook_secrets_sealed:
            await begin_nights(world, account)
