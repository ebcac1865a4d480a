"""What decides about letters after leaving: the merchant's switch, a customer's permission, and a
reason that was put right. Each change has its line in the audit log."""

from collections.abc import Collection, Mapping
from dataclasses import replace
from datetime import datetime, timedelta

from app.domain.afterwards import AfterLetter, AfterLetters, MailPermission, MendedReason
from app.domain.correspondence import Letterhead
from app.domain.ids import derive_id
from app.domain.merchants import ProviderAccount
from app.domain.mirror import Customer
from app.ports.store import Transaction
from app.ports.world import World
from app.services.access import AmbiguousCustomer
from app.services.afterwards import settings_of, tell_action
from app.services.audit import audit

MENDED_AGAIN = timedelta(days=30)  # nobody is told of the same reason more often
NEEDS_RETURN = frozenset({AfterLetter.WIN_BACK, AfterLetter.WE_FIXED_IT})


class NotReady(ValueError):
    """A letter cannot be switched on yet; says what it still needs."""

    def __init__(self, where: str, why: str) -> None:
        super().__init__(f"{where} {why}")
        self.where, self.why = where, why


class UnknownCustomer(LookupError):
    """The merchant has no such customer."""


class MendedAlready(ValueError):
    """The same reason was put right a short while ago."""


async def show(world: World, merchant_id: str) -> AfterLetters:
    """What is switched on."""
    async with world.store.transaction(merchant_id) as tx:
        return await settings_of(tx, merchant_id)


async def switch(
    world: World,
    merchant_id: str,
    *,
    on: Collection[AfterLetter],
    feedback_hours: int,
    before_end_days: int,
    win_back_days: Mapping[str, int],
    return_url: str | None,
    actor: str,
) -> AfterLetters:
    """Replace the settings as a whole. A letter goes to those who leave from now on, to nobody who
    left before it was switched on. Repeated it changes nothing.

    Raises `NotReady` where a letter has nowhere to lead to, or the letterhead lacks the postal
    address that commercial mail must bear (15 U.S.C. 7704(a)(5)).
    """
    now = world.clock.now()
    async with world.store.transaction(merchant_id) as tx:
        await tx.lock("after_letters", [merchant_id])
        before = await settings_of(tx, merchant_id)
        await _require_ready(tx, merchant_id, on, return_url)
        after = replace(
            before.switched(on, now),
            feedback_hours=feedback_hours,
            before_end_days=before_end_days,
            win_back_days=dict(win_back_days),
            return_url=return_url,
        )
        if after != before:
            await tx.save([after])
            line = audit(
                actor=actor,
                action="after_letters.set",
                subject=merchant_id,
                at=now,
                before=before,
                after=after,
            )
            await tx.insert([line])
    return after


async def _require_ready(
    tx: Transaction, merchant_id: str, on: Collection[AfterLetter], return_url: str | None
) -> None:
    if NEEDS_RETURN & set(on) and not return_url:
        raise NotReady("return_url", "is where somebody subscribes again, and is missing")
    heads = await tx.load(Letterhead, [(merchant_id,)])
    if on and not (heads and heads[0].postal_address):
        raise NotReady("on", "needs a letterhead with a postal address")


async def permission_of(
    world: World, merchant_id: str, customer_id: str, *, account_id: str | None = None
) -> MailPermission | None:
    """What a customer said last; None where nobody recorded anything, which means no. Raises
    `UnknownCustomer` and `AmbiguousCustomer`."""
    async with world.store.transaction(merchant_id) as tx:
        customer = await _customer(tx, merchant_id, customer_id, account_id)
        found = await tx.load(MailPermission, [(customer.account_id, customer_id)])
    return found[0] if found else None


async def permit(
    world: World,
    merchant_id: str,
    customer_id: str,
    *,
    account_id: str | None,
    given: bool,
    at: datetime | None,
    how: str,
    actor: str,
) -> MailPermission:
    """Record that a customer agreed, or does not agree any more; the word that counts now.

    Words may arrive late and twice: the newest said counts, and of two at one instant the refusal.
    Raises `UnknownCustomer` and `AmbiguousCustomer`.
    """
    now = world.clock.now()
    async with world.store.transaction(merchant_id) as tx:
        customer = await _customer(tx, merchant_id, customer_id, account_id)
        await tx.lock(customer.account_id, [customer_id])
        word = MailPermission(
            merchant_id=merchant_id,
            account_id=customer.account_id,
            customer_id=customer_id,
            given=given,
            at=min(at or now, now),
            how=how,
            noted_at=now,
        )
        found = await tx.load(MailPermission, [(customer.account_id, customer_id)])
        before = found[0] if found else None
        if before is not None and before.outlives(word):
            return before
        await tx.save([word])
        line = audit(
            actor=actor,
            action="permission.given" if given else "permission.withdrawn",
            subject=customer_id,
            at=now,
            before=before,
            after=word,
        )
        await tx.insert([line])
    return word


async def _customer(
    tx: Transaction, merchant_id: str, customer_id: str, account_id: str | None
) -> Customer:
    where = {"merchant_id": merchant_id, "customer_id": customer_id}
    if account_id is not None:
        where["account_id"] = account_id
    found = await tx.find(Customer, where=where)
    if not found or found[0].erased:
        raise UnknownCustomer(customer_id)
    if len(found) > 1:
        raise AmbiguousCustomer(customer_id)
    return found[0]


async def mend(
    world: World, merchant_id: str, reason: str, note: Mapping[str, str], *, actor: str
) -> MendedReason:
    """Say that a reason to leave was put right. Who left for it within a year, since the letter was
    switched on, and agreed to such letters is told, over a day.

    Raises `NotReady` where the letter is switched off, and `MendedAlready` within 30 days of the
    same reason.
    """
    now = world.clock.now()
    async with world.store.transaction(merchant_id) as tx:
        await tx.lock("mended_reasons", [merchant_id])
        if (await settings_of(tx, merchant_id)).since_of(AfterLetter.WE_FIXED_IT) is None:
            raise NotReady("on", "does not name `we_fixed_it`: nobody would be told")
        where = {"merchant_id": merchant_id, "reason": reason, "at__gte": now - MENDED_AGAIN}
        if await tx.find(MendedReason, where=where, limit=1):
            raise MendedAlready(reason)
        mended = MendedReason(
            mended_id=derive_id("mended", now, merchant_id, reason),
            merchant_id=merchant_id,
            reason=reason,
            note=dict(note),
            at=now,
            by=actor,
        )
        await tx.insert([mended])
        accounts = await tx.find(ProviderAccount, where={"merchant_id": merchant_id})
        await tx.insert([tell_action(mended, row.account_id, now) for row in accounts])
        line = audit(
            actor=actor, action="reason.mended", subject=mended.mended_id, at=now, after=mended
        )
        await tx.insert([line])
    return mended


async def list_mended(world: World, merchant_id: str) -> list[MendedReason]:
    """What was put right, the latest first."""
    async with world.store.transaction(merchant_id) as tx:
        return await tx.find(
            MendedReason, where={"merchant_id": merchant_id}, order=("-at", "-mended_id"), limit=100
        )
