"""What letters to a customer share that are about no case: begun once, with links, recorded."""

import hashlib
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta

from app.domain.actions import Action
from app.domain.alerts import AlertKind
from app.domain.correspondence import suppressed_by
from app.domain.ids import derive_id
from app.domain.messages import Message, MessageState, PaymentLink
from app.domain.personal import as_kept
from app.ports.world import World
from app.services.alarms import alert
from app.services.books import Touched
from app.services.customer_desk import CustomerDesk, customer_desk
from app.services.letters import Stationery, stationery_for
from app.services.posting import DEFERRED_AGAIN, Outgoing, Posted, after_all, is_our_fault

LINK_LIVES = timedelta(days=60)
UNSUBSCRIBE = "unsubscribe"
Headers = tuple[tuple[str, str], ...]
WhenSent = Callable[[CustomerDesk, Message], Awaitable[None]]


async def begin(
    at: CustomerDesk, message: Message, *, courtesy: bool
) -> tuple[Message, Stationery] | None:
    """Commit `sending`; None, with the action closed, where the letter must not leave.

    One found in `sending` may have left: it becomes `unknown` and is never sent again.
    """
    known = await at.tx.load(Message, [(message.message_id,)])
    if known:
        at.book.know(known)
        if known[0].state is MessageState.SENDING:
            why = "interrupted while sending"
            at.book.put(replace(known[0], state=MessageState.UNKNOWN, reason=why))
        if known[0].state is not MessageState.PLANNED:
            at.done(f"the letter is {known[0].state}")
            return None
        message = replace(message, due_at=known[0].due_at)
    paper = await stationery_for(at.tx, message, at.terms.merchant)
    why_not = "no address is known" if not message.recipient else None
    if by := suppressed_by(paper.suppressions, message.recipient, courtesy=courtesy):
        why_not = f"the address is suppressed: {by}"
    if why_not is not None:
        at.book.put(replace(message, state=MessageState.DROPPED, reason=why_not))
        at.done(why_not)
        return None
    at.book.put(replace(message, state=MessageState.SENDING))
    return message, paper


def add_link(at: CustomerDesk, message: Message, purpose: str, currency: str, world: World) -> str:
    """The token of a link for this purpose; the link itself is kept by its hash. A letter put off
    over a rotation of the keys has not left yet: its link takes the new hash."""
    token, now = world.tokens.link(message.message_id, purpose), at.terms.now
    at.book.put(
        PaymentLink(
            link_id=link_id(message, purpose),
            token_hash=hashlib.sha256(token.encode()).hexdigest(),
            merchant_id=message.merchant_id,
            account_id=message.account_id,
            customer_id=message.customer_id,
            message_id=message.message_id,
            purpose=purpose,
            currency=currency,
            created_at=now,
            expires_at=now + LINK_LIVES,
        )
    )
    return token


def link_id(message: Message, purpose: str) -> str:
    """The id of a letter's link for a purpose."""
    return derive_id("link", message.due_at, message.message_id, purpose)


def unsubscribing(
    at: CustomerDesk, message: Message, currency: str, world: World
) -> tuple[str, Headers]:
    """Where one unsubscribes, and the headers for the button of mail programs (RFC 8058)."""
    url = f"{world.public_url}/u/{add_link(at, message, UNSUBSCRIBE, currency, world)}"
    return url, (
        ("List-Unsubscribe", f"<{url}>"),
        ("List-Unsubscribe-Post", "List-Unsubscribe=One-Click"),
    )


async def record(
    world: World,
    action: Action,
    out: Outgoing,
    posted: Posted,
    *,
    when_sent: WhenSent | None = None,
) -> None:
    """Write down what became of a letter, and close its action; one that could not leave yet is
    tried again, also where another worker took it for one that may have left."""
    message = out.message
    touched = Touched(customers={message.customer_id} if message.customer_id else set())
    async with customer_desk(world, action, touched, after_the_deed=True) as at:
        if at is None:
            return
        now = at.terms.now
        at.book.know(await at.tx.load(Message, [(message.message_id,)]))
        kept = at.book.get(Message, message.message_id)
        posted = after_all(posted, as_kept(kept, message))
        if posted.state is MessageState.PLANNED:
            again = replace(message, state=MessageState.PLANNED, reason=posted.why)
            at.book.put(as_kept(kept, again))
            at.not_done(now + DEFERRED_AGAIN, posted.why or "put off")
            return
        at.done()
        sent = posted.state is MessageState.SENT
        told = replace(message, state=posted.state, reason=posted.why, subject=posted.subject)
        at.book.put(as_kept(kept, replace(told, sent_at=now if sent else None)))
        if sent and when_sent is not None:
            await when_sent(at, message)
        elif is_our_fault(told):
            text = f"{message.template} in {message.language}: {posted.why}"
            at.book.add(alert(now, message.merchant_id, AlertKind.TEMPLATE, message.template, text))
