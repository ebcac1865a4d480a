"""A customer's methods as they are at the provider now, before another card of theirs is tried."""

from dataclasses import replace

from app.domain.actions import Action
from app.domain.merchants import ProviderAccount
from app.domain.mirror import PaymentMethod
from app.domain.mirroring import forward
from app.ports.world import World
from app.services.work import desk


async def look_into_wallet(world: World, action: Action, account: ProviderAccount) -> None:
    """Mirror the live customer, whose consent may be withdrawn by now, and their cards; what is no
    longer among these is marked as detached. Safe to repeat."""
    if action.customer_id is None:
        return
    wallet = await world.payments.read_wallet(account, action.customer_id)
    async with desk(world, action) as at:
        if at is None:
            return
        if wallet.customer is not None:
            forward(at.book, wallet.customer, at.terms)
        for method in wallet.methods:
            forward(at.book, method, at.terms)
        there = {method.method_id for method in wallet.methods}
        known = at.book.all(PaymentMethod, customer_id=action.customer_id)
        for method in list(known):
            if method.type == "card" and method.method_id not in there:
                at.book.put(replace(method, detached=True))
