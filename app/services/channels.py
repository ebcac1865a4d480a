"""A merchant's letterhead and ways out, set with an audit line, secrets sealed."""

import secrets
from dataclasses import replace

from app.domain.correspondence import Channels, Letterhead
from app.ports.world import World
from app.services.audit import audit

SECRET_BYTES = 32


async def letterhead_of(world: World, merchant_id: str) -> Letterhead:
    """The merchant's letterhead; an empty one where none was set."""
    async with world.store.transaction(merchant_id) as tx:
        found = await tx.load(Letterhead, [(merchant_id,)])
    return found[0] if found else Letterhead(merchant_id=merchant_id)


async def set_letterhead(world: World, head: Letterhead, *, actor: str) -> Letterhead:
    """Write on this from now on. Repeated it changes nothing."""
    async with world.store.transaction(head.merchant_id) as tx:
        found = await tx.load(Letterhead, [(head.merchant_id,)])
        before = found[0] if found else None
        if before != head:
            await tx.save([head])
            line = audit(
                actor=actor,
                action="letterhead.set",
                subject=head.merchant_id,
                at=world.clock.now(),
                before=before,
                after=head,
            )
            await tx.insert([line])
    return head


async def channels_of(world: World, merchant_id: str) -> Channels:
    """The merchant's channels; all off where none were set."""
    async with world.store.transaction(merchant_id) as tx:
        found = await tx.load(Channels, [(merchant_id,)])
    return found[0] if found else Channels(merchant_id=merchant_id)


async def set_channels(
    world: World,
    merchant_id: str,
    *,
    actor: str,
    sms_on: bool,
    sms_url: str | None,
    sms_sender: str | None,
    sms_secret: str | None,
    alert_address: str | None,
    alert_url: str | None,
) -> Channels:
    """Set the ways out; a secret that is not given stays as it is."""
    async with world.store.transaction(merchant_id) as tx:
        found = await tx.load(Channels, [(merchant_id,)])
        before = found[0] if found else Channels(merchant_id=merchant_id)
        sealed = world.sealer.seal(sms_secret) if sms_secret else before.sms_secret_sealed
        after = replace(
            before,
            sms_on=sms_on,
            sms_url=sms_url,
            sms_sender=sms_sender,
            sms_secret_sealed=sealed,
            alert_address=alert_address,
            alert_url=alert_url,
        )
        if after != before or not found:
            await tx.save([after])
            line = audit(
                actor=actor,
                action="channels.set",
                subject=merchant_id,
                at=world.clock.now(),
                before=before,
                after=after,
            )
            await tx.insert([line])
    return after


async def new_report_secret(
    world: World, merchant_id: str, *, actor: str, secret: str | None = None
) -> str:
    """Take `secret` (a provider's signing key) or make one, by which reports about mail are
    proven from now on; the former is void. It is shown once, here."""
    given = secret or secrets.token_urlsafe(SECRET_BYTES)
    async with world.store.transaction(merchant_id) as tx:
        found = await tx.load(Channels, [(merchant_id,)])
        before = found[0] if found else Channels(merchant_id=merchant_id)
        after = replace(before, report_secret_sealed=world.sealer.seal(given))
        await tx.save([after])
        line = audit(
            actor=actor,
            action="report_secret.renewed",
            subject=merchant_id,
            at=world.clock.now(),
            after=after,
        )
        await tx.insert([line])
    return given
