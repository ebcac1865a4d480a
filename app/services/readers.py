"""Which login of the database reads which merchant's rows through the views of `reporting`."""

from app.domain.merchants import Reader
from app.domain.records import changed
from app.ports.reporting import Reporting
from app.ports.world import World
from app.services.audit import audit


async def allow(
    world: World, reporting: Reporting, merchant_id: str, login: str, *, actor: str
) -> Reader:
    """Let a login read a merchant's rows. Safe to repeat: views that came since are open to it as
    well. Raises `UnknownLogin`."""
    await reporting.open_to(login)
    now = world.clock.now()
    reader = Reader(login=login, merchant_id=merchant_id, begun_at=now)
    async with world.store.transaction(merchant_id) as tx:
        known = await tx.load(Reader, [(login, merchant_id)])
        if known and known[0].ended_at is None:
            return known[0]
        await tx.save([reader])
        line = audit(actor=actor, action="reader.allowed", subject=login, at=now, after=reader)
        await tx.insert([line])
    return reader


async def end(world: World, merchant_id: str, login: str, *, actor: str) -> bool:
    """No longer let a login read a merchant's rows; whether it did. Safe to repeat."""
    now = world.clock.now()
    async with world.store.transaction(merchant_id) as tx:
        known = await tx.load(Reader, [(login, merchant_id)])
        if not known or known[0].ended_at is not None:
            return False
        ended = changed(known[0], ended_at=now)
        await tx.save([ended])
        line = audit(actor=actor, action="reader.ended", subject=login, at=now, after=ended)
        await tx.insert([line])
    return True


async def of_merchant(world: World, merchant_id: str) -> list[Reader]:
    """The logins that read a merchant's rows, by name."""
    async with world.store.transaction(merchant_id) as tx:
        where = {"merchant_id": merchant_id}
        found = await tx.find(Reader, where=where, order=("login",))
    return [reader for reader in found if reader.ended_at is None]
