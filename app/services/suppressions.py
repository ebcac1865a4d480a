"""Addresses nothing is sent to: told by mail providers, by the customer, by an operator."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from app.domain.correspondence import (
    Channel,
    MessageEvent,
    ReportKind,
    Suppression,
    SuppressionReason,
    folded,
    spellings,
)
from app.domain.ids import derive_id
from app.domain.languages import language_for
from app.domain.merchants import Merchant
from app.domain.messages import BY_PERMISSION, Message, MessageState, PaymentLink
from app.domain.mirror import Customer
from app.domain.personal import is_veiled, masked, veiled, without_person
from app.ports.mail_reports import MailReport
from app.ports.store import Transaction
from app.ports.world import World
from app.services.audit import audit
from app.services.books import account_terms

# What each report means for the address. A soft bounce passes; it is only counted.
MEANS = {
    ReportKind.BOUNCED: SuppressionReason.BOUNCED,
    ReportKind.COMPLAINED: SuppressionReason.COMPLAINED,
    ReportKind.UNSUBSCRIBED: SuppressionReason.UNSUBSCRIBED,
}
LEFT = frozenset({MessageState.SENT, MessageState.UNKNOWN})
TOKEN_AT_MOST = 200


class Courtesy(StrEnum):
    """What a letter was that one unsubscribes from; all of them end together."""

    REMINDERS = "reminders"
    AFTER_LEAVING = "after_leaving"


@dataclass(frozen=True, slots=True, kw_only=True)
class UnsubscribeView:
    """What the page behind an unsubscribe link may show; `about` is what its letter was."""

    merchant_name: str
    language: str
    about: Courtesy = Courtesy.REMINDERS


async def take_reports(
    world: World, merchant_id: str, provider: str, reports: Sequence[MailReport]
) -> int:
    """Note what a mail provider reports and suppress what must not be written to again.

    Safe to repeat: a report is known by the provider's own id. Returns how many were new.
    """
    new = 0
    async with world.store.transaction(merchant_id) as tx:
        for report in reports:
            event = _event(report, merchant_id, provider, world.clock.now())
            event = await _untold(tx, event)
            if not await tx.insert([event]):
                continue
            new += 1
            if (reason := MEANS.get(report.kind)) is not None:
                await _suppress(tx, event, reason)
            if report.kind is ReportKind.BOUNCED:
                await _undeliverable(tx, event)
    return new


def _event(report: MailReport, merchant_id: str, provider: str, now: datetime) -> MessageEvent:
    return MessageEvent(
        event_id=derive_id("message_event", now, merchant_id, provider, report.ref),
        merchant_id=merchant_id,
        provider=provider,
        provider_ref=report.ref,
        kind=report.kind,
        recipient=folded(report.recipient),
        message_id=report.message_id,
        detail=report.detail,
        at=report.at,
        received_at=now,
    )


async def _untold(tx: Transaction, event: MessageEvent) -> MessageEvent:
    """The event as it may be kept: of a message to somebody who was erased since, without them."""
    found = await tx.load(Message, [(event.message_id,)]) if event.message_id else []
    if not found or not is_veiled(found[0].recipient):
        return event
    (merchant,) = await tx.load(Merchant, [(event.merchant_id,)])
    return without_person(event, merchant.assignment_key)


async def _suppress(tx: Transaction, event: MessageEvent, reason: SuppressionReason) -> None:
    await put(
        tx,
        Suppression(
            suppression_id=derive_id(
                "suppression", event.received_at, event.merchant_id, event.recipient, reason
            ),
            merchant_id=event.merchant_id,
            recipient=event.recipient,
            reason=reason,
            detail=event.detail,
            at=event.received_at,
        ),
    )


async def put(tx: Transaction, new: Suppression) -> Suppression:
    """Suppress an address, or again one that was lifted; the row as it is."""
    if await tx.insert([new]):
        return new
    where = {
        "merchant_id": new.merchant_id,
        "channel": new.channel,
        "recipient": new.recipient,
        "reason": new.reason,
    }
    (known,) = await tx.find(Suppression, where=where)
    if known.lifted_at is not None:
        known = replace(new, suppression_id=known.suppression_id)
        await tx.save([known])
    return known


async def _undeliverable(tx: Transaction, event: MessageEvent) -> None:
    """A message that came back did not arrive: that is recorded on it, as on those that went in
    the same mail, so that nobody counts on it."""
    if event.message_id is None:
        return
    found = await tx.load(Message, [(event.message_id,)])
    if not found or found[0].merchant_id != event.merchant_id:
        return
    if event.recipient not in spellings(found[0].recipient):
        return
    lead = found[0]
    if lead.customer_id is not None:
        await tx.lock(lead.account_id, [lead.customer_id])
        where = {"account_id": lead.account_id, "customer_id": lead.customer_id}
        found += await tx.find(Message, where=where | {"carried_by": lead.message_id})
    fresh = await tx.load(Message, [(one.message_id,) for one in found])
    why = masked(f"bounced: {event.detail or 'no reason given'}"[:300])
    came_back = [one for one in fresh if one.state in LEFT]
    await tx.save([replace(one, state=MessageState.FAILED, reason=why) for one in came_back])


async def find(
    world: World,
    merchant_id: str,
    *,
    recipient: str | None = None,
    with_lifted: bool = False,
    after: tuple[datetime, str] | None = None,
    limit: int = 50,
) -> list[Suppression]:
    """Suppressions of a merchant, the latest first: those in force, or the lifted ones as well.
    `after` is (at, suppression_id) of the last one seen. That of an address whose owner was erased
    is found by the address, and shows it no more."""
    where: dict[str, object] = {"merchant_id": merchant_id}
    if not with_lifted:
        where["lifted_at"] = None
    async with world.store.transaction(merchant_id) as tx:
        if recipient is not None:
            (merchant,) = await tx.load(Merchant, [(merchant_id,)])
            plain, key = spellings(recipient), merchant.assignment_key
            where["recipient"] = {*plain, *(veiled(one, key) for one in plain)}
        return await tx.find(
            Suppression,
            where=where,
            order=("-at", "-suppression_id"),
            after=after,
            limit=limit,
        )


async def suppress(
    world: World, merchant_id: str, recipient: str, *, channel: Channel, actor: str
) -> Suppression:
    """An operator's own suppression, with its audit line. Repeated it is one."""
    now, address = world.clock.now(), folded(recipient)
    reason = SuppressionReason.OPERATOR
    row = Suppression(
        suppression_id=derive_id("suppression", now, merchant_id, channel, address, reason),
        merchant_id=merchant_id,
        channel=channel,
        recipient=address,
        reason=reason,
        at=now,
    )
    async with world.store.transaction(merchant_id) as tx:
        kept = await put(tx, row)
        if kept.at == now:
            subject = kept.suppression_id
            made = audit(
                actor=actor, action="suppression.made", subject=subject, at=now, after=kept
            )
            await tx.insert([made])
    return kept


async def lift(
    world: World, merchant_id: str, suppression_id: str, *, actor: str
) -> Suppression | None:
    """Let an address be written to again; None where there is no such suppression."""
    now = world.clock.now()
    async with world.store.transaction(merchant_id) as tx:
        found = await tx.load(Suppression, [(suppression_id,)])
        if not found or found[0].merchant_id != merchant_id:
            return None
        if found[0].lifted_at is not None:
            return found[0]
        after = replace(found[0], lifted_at=now, lifted_by=actor)
        await tx.save([after])
        line = audit(
            actor=actor,
            action="suppression.lifted",
            subject=suppression_id,
            at=now,
            before=found[0],
            after=after,
        )
        await tx.insert([line])
    return after


async def look(world: World, token: str) -> UnsubscribeView | None:
    """What the page of an unsubscribe link shows; None for a token that never was."""
    async with world.store.system() as tx:
        link = await _link(tx, token)
        if link is None:
            return None
        await tx.act_for([link.merchant_id])
        return await _view(tx, world, link)


async def unsubscribe(world: World, token: str) -> UnsubscribeView | None:
    """Send no courtesy letters to this customer's address any more. Repeatable; None for a token
    that never was. A link that is old still works: nobody is to be kept from leaving."""
    async with world.store.system() as tx:
        link = await _link(tx, token)
        if link is None:
            return None
        await tx.act_for([link.merchant_id])
        # An erasure ends before the letter is read, or waits until its address is written down.
        await tx.lock(link.account_id, [link.customer_id or link.link_id])
        messages = await tx.load(Message, [(link.message_id,)])
        for message in messages:
            if is_veiled(message.recipient):
                continue  # nobody writes to them any more
            now, reason = world.clock.now(), SuppressionReason.UNSUBSCRIBED
            address = folded(message.recipient)
            row = Suppression(
                suppression_id=derive_id("suppression", now, link.merchant_id, address, reason),
                merchant_id=link.merchant_id,
                recipient=address,
                reason=reason,
                detail="by the link in a letter",
                at=now,
            )
            await put(tx, row)
        return await _view(tx, world, link)


async def _link(tx: Transaction, token: str) -> PaymentLink | None:
    if not token or len(token) > TOKEN_AT_MOST:
        return None
    hashed = hashlib.sha256(token.encode("utf-8", "replace")).hexdigest()
    found = await tx.find(PaymentLink, where={"token_hash": hashed, "purpose": "unsubscribe"})
    return found[0] if found else None


async def _view(tx: Transaction, world: World, link: PaymentLink) -> UnsubscribeView:
    terms = await account_terms(tx, world, link.merchant_id, link.account_id)
    found = await tx.load(Customer, [(link.account_id, link.customer_id)])
    language = language_for(found[0].language if found else None, terms.merchant.language)
    letters = await tx.load(Message, [(link.message_id,)])
    left = any(letter.template in BY_PERMISSION for letter in letters)
    return UnsubscribeView(
        merchant_name=terms.merchant.name,
        language=language,
        about=Courtesy.AFTER_LEAVING if left else Courtesy.REMINDERS,
    )
