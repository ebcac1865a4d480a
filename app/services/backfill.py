"""Taking in what was there before us. Writes to nobody: history opens no conversation."""

from app.domain.merchants import ProviderAccount
from app.ports.world import World
from app.services.books import account_terms
from app.services.intake import absorb_notices

PAGE = 100


async def backfill_subscriptions(world: World, account: ProviderAccount) -> int:
    """Read every subscription with its customer and mirror it; MRR begins with an opening
    balance. Returns how many there were.

    Resumable and safe to repeat: what is known is moved forward, and an opening balance is
    written once. Raises the provider's errors; pages taken in so far stay.
    """
    after: str | None = None
    taken = 0
    while True:
        page = await world.payments.list_subscriptions(account, after=after, limit=PAGE)
        async with world.store.transaction(account.merchant_id) as tx:
            terms = await account_terms(tx, world, account.merchant_id, account.account_id)
            await absorb_notices(tx, terms, page.notices)
        taken += page.count
        if page.next is None:
            return taken
        after = page.next
