"""That a customer wanted the service to begin before the 14 days were over, as the merchant
recorded it."""

from datetime import datetime, timedelta

from app.domain.ids import derive_id
from app.domain.mirror import Subscription
from app.domain.withdrawals import Consent
from app.ports.world import World
from app.services.audit import audit

CLOCKS_DIFFER = timedelta(minutes=5)


class UnknownContract(LookupError):
    """The merchant has no such subscription."""


class NotGivenYet(ValueError):
    """Nobody agrees in the future."""


class SeveralContracts(ValueError):
    """Several accounts know the id: one must be named."""


async def record_consent(
    world: World,
    merchant_id: str,
    subscription_id: str,
    *,
    account_id: str | None,
    wording: str,
    given_at: datetime,
    actor: str,
) -> Consent:
    """Keep a consent, once: the first stays, whatever is sent later. Raises `UnknownContract`,
    `SeveralContracts`, and `NotGivenYet` for an instant further ahead than clocks differ."""
    now = world.clock.now()
    where = {"merchant_id": merchant_id, "subscription_id": subscription_id}
    if account_id is not None:
        where["account_id"] = account_id
    async with world.store.transaction(merchant_id) as tx:
        contracts = await tx.find(Subscription, where=where)
        if not contracts:
            raise UnknownContract(subscription_id)
        if len(contracts) > 1:
            raise SeveralContracts(subscription_id)
        if given_at > now + CLOCKS_DIFFER:
            raise NotGivenYet(given_at.isoformat())
        account = contracts[0].account_id
        row = Consent(
            consent_id=derive_id("consent", given_at, account, subscription_id),
            merchant_id=merchant_id,
            account_id=account,
            subscription_id=subscription_id,
            wording=wording,
            given_at=given_at,
            recorded_at=now,
            recorded_by=actor,
        )
        if await tx.insert([row]):
            subject = row.consent_id
            line = audit(actor=actor, action="consent.recorded", subject=subject, at=now, after=row)
            await tx.insert([line])
            return row
        known = {"account_id": account, "subscription_id": subscription_id}
        return (await tx.find(Consent, where=known))[0]
