"""What the links in letters after leaving lead to: one question, and the way back."""

import hashlib
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from app.domain.actions import ActionKind, action_for
from app.domain.afterwards import ExitFeedback
from app.domain.alerts import AlertKind
from app.domain.cancellations import (
    GONE,
    CancelRequest,
    RequestState,
    may_be_undone,
    standing_request,
)
from app.domain.languages import language_for
from app.domain.messages import Message, PaymentLink, link_event
from app.domain.mirror import Customer, Subscription
from app.domain.survey import KEPT_FOR, own_words, red_flags
from app.ports.store import Transaction
from app.ports.world import World
from app.services.afterwards import BACK, FEEDBACK, settings_of
from app.services.alarms import alert
from app.services.books import account_terms
from app.services.cancel_telling import uncancel
from app.services.merchants import raise_alert

TOKEN_AT_MOST = 200


class WayBack(StrEnum):
    """How a way back stands: the cancellation can be taken back, was taken back, or it has ended
    (where one subscribes again)."""

    OPEN = "open"
    KEPT = "kept"
    ENDED = "ended"


@dataclass(frozen=True, slots=True, kw_only=True)
class AfterView:
    """What a page behind such a link may show. `ends_at` is None where it has ended."""

    merchant_name: str
    language: str
    time_zone: str
    plan: str | None
    way: WayBack
    ends_at: datetime | None = None
    return_url: str | None = None
    answered: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class _Found:
    link: PaymentLink
    message: Message
    request: CancelRequest


async def look(world: World, token: str, purpose: str) -> AfterView | None:
    """What the page of a link shows; None for one that never was. Changes nothing."""
    async with world.store.system() as tx:
        found = await _found(tx, world, token, purpose)
        return None if found is None else await _view(tx, world, found)


async def answer(world: World, token: str, words: str | None) -> AfterView | None:
    """Keep the answer to the one question: bounded, without card numbers. Answered again it
    replaces the former answer; nothing written changes nothing. None for a link that never was."""
    async with world.store.system() as tx:
        found = await _alone_with(tx, world, token)
        if found is None:
            return None
        request, now, said = found.request, world.clock.now(), own_words(words)
        if said is not None:
            kept = ExitFeedback(
                request_id=request.request_id,
                merchant_id=request.merchant_id,
                account_id=request.account_id,
                customer_id=request.customer_id,
                subscription_id=request.subscription_id,
                words=said,
                flags=red_flags(said),
                at=now,
            )
            await tx.save([kept])
            await tx.insert([link_event(found.link, "answered", now)])
            await tx.insert(
                [
                    action_for(
                        ActionKind.FORGET_FEEDBACK,
                        subject=request.request_id,
                        merchant_id=request.merchant_id,
                        account_id=request.account_id,
                        due_at=now + KEPT_FOR,
                    )
                ]
            )
            await _raise_flags(tx, kept)
        view = await _view(tx, world, found)
        return replace(view, answered=said is not None)


async def come_back(world: World, token: str) -> AfterView | None:
    """Take the cancellation back, while access runs. Repeated it does nothing more; after the end
    it changes nothing. None for a link that never was.

    Raises what `uncancel` raises where the provider does not answer.
    """
    async with world.store.system() as tx:
        found = await _found(tx, world, token, BACK)
        if found is None:
            return None
        view, request = await _view(tx, world, found), found.request
    if view.way is WayBack.OPEN:
        whose = (request.merchant_id, request.account_id, request.subscription_id)
        await uncancel(world, *whose, actor="customer")
    return await look(world, token, BACK)


async def _raise_flags(tx: Transaction, kept: ExitFeedback) -> None:
    if kept.flags:
        text = f"what a customer wrote after leaving needs a person: {', '.join(kept.flags)}"
        raised = alert(kept.at, kept.merchant_id, AlertKind.RED_FLAG, kept.request_id, text)
        await raise_alert(tx, raised)


async def _found(tx: Transaction, world: World, token: str, purpose: str) -> _Found | None:
    if not token or len(token) > TOKEN_AT_MOST:
        return None
    hashed = hashlib.sha256(token.encode("utf-8", "replace")).hexdigest()
    links = await tx.find(PaymentLink, where={"token_hash": hashed, "purpose": purpose})
    if not links or links[0].revoked_at or links[0].expires_at <= world.clock.now():
        return None
    await tx.act_for([links[0].merchant_id])
    for message in await tx.load(Message, [(links[0].message_id,)]):
        for request in await tx.load(CancelRequest, [(message.step.rpartition(":")[2],)]):
            if purpose == BACK:
                request = await _newest(tx, request)
            return _Found(link=links[0], message=message, request=request)
    return None


async def _alone_with(tx: Transaction, world: World, token: str) -> _Found | None:
    """What a link for an answer is about, read with its customer locked: who was erased while it
    was looked for has nothing to answer."""
    found = await _found(tx, world, token, FEEDBACK)
    if found is None:
        return None
    await tx.lock(found.link.account_id, [found.link.customer_id or found.link.link_id])
    return await _found(tx, world, token, FEEDBACK)


async def _newest(tx: Transaction, request: CancelRequest) -> CancelRequest:
    """The request; where it was taken back, the one that stands since."""
    about = {"account_id": request.account_id, "subscription_id": request.subscription_id}
    later = standing_request(await tx.find(CancelRequest, where=about), request.subscription_id)
    return later if later and request.state is RequestState.UNDONE else request


async def _view(tx: Transaction, world: World, found: _Found) -> AfterView:
    request = found.request
    terms = await account_terms(tx, world, request.merchant_id, request.account_id)
    settings = await settings_of(tx, request.merchant_id)
    customers = await tx.load(Customer, [(request.account_id, request.customer_id)])
    customer = customers[0] if customers else None
    left = await tx.load(Subscription, [(request.account_id, request.subscription_id)])
    gone = any(one.status in GONE for one in left)
    return AfterView(
        merchant_name=terms.merchant.name,
        language=language_for(found.message.language, terms.merchant.language),
        time_zone=terms.zone_of(customer).key,
        plan=request.plan,
        way=WayBack.ENDED if gone else _way(request, terms.now),
        ends_at=request.ends_at if request.ends_at > terms.now else None,
        return_url=settings.return_url,
    )


def _way(request: CancelRequest, now: datetime) -> WayBack:
    if request.state is RequestState.UNDONE:
        return WayBack.KEPT
    return WayBack.OPEN if may_be_undone(request, now) else WayBack.ENDED
