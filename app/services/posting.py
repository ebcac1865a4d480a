"""Handing a message over, whatever its channel, and what the answer means for it."""

import json
from dataclasses import dataclass, replace
from datetime import timedelta

from app.domain.correspondence import Channel
from app.domain.merchants import Merchant
from app.domain.messages import Letter, Mail, Message, MessageState
from app.domain.personal import ERASED, is_veiled, masked
from app.ports.mailer import MailDeferred, MailRefused, MailUnknown, TemplateFault
from app.ports.world import World

COME_BACK = frozenset({408, 425, 429, 503})
NOT_CONNECTED = frozenset({"no answer: ConnectError", "no answer: ConnectTimeout"})
FIRST_SERVER_FAULT = 500
DEFERRED_AGAIN = timedelta(minutes=15)
DEFERRED_AT_MOST = timedelta(hours=2)


@dataclass(frozen=True, slots=True, kw_only=True)
class Gateway:
    """Where a merchant's short texts go; its secret is still sealed."""

    url: str
    sender: str | None
    secret_sealed: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Outgoing:
    """A message on its way, begun and committed. `headers` are beyond those of every mail."""

    message: Message
    letter: Letter
    merchant: Merchant
    headers: tuple[tuple[str, str], ...] = ()
    gateway: Gateway | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Posted:
    """What became of it: `SENT`, `FAILED`, `UNKNOWN`, or `PLANNED`: to be tried again."""

    state: MessageState
    why: str | None = None
    subject: str | None = None


async def post(world: World, out: Outgoing) -> Posted:
    """Write the letter and hand it over. Never raises for what a server or a template does. What
    a server says of an address is kept without it."""
    posted = await _handed_over(world, out)
    return posted if posted.why is None else replace(posted, why=masked(posted.why))


async def _handed_over(world: World, out: Outgoing) -> Posted:
    try:
        if out.message.channel == Channel.SMS:
            return await _by_sms(world, out)
        return await _by_mail(world, out)
    except (MailRefused, TemplateFault) as fault:
        return Posted(state=MessageState.FAILED, why=f"{type(fault).__name__}: {fault}"[:300])
    except MailUnknown as fault:
        return Posted(state=MessageState.UNKNOWN, why=str(fault)[:300])
    except MailDeferred as fault:
        return Posted(state=MessageState.PLANNED, why=str(fault)[:300])


def after_all(posted: Posted, message: Message) -> Posted:
    """What became of a message as it is kept: one that was put off is dropped where its recipient
    was erased meanwhile."""
    if posted.state is MessageState.PLANNED and is_veiled(message.recipient):
        return Posted(state=MessageState.DROPPED, why=ERASED)
    return posted


def again_after(times: int) -> timedelta:
    """How long a message waits that was put off `times` times before: a server that is away for
    days is not asked by everybody four times an hour."""
    return min(DEFERRED_AGAIN * (1 << min(times, 8)), DEFERRED_AT_MOST)


async def _by_mail(world: World, out: Outgoing) -> Posted:
    body = world.renderer.render(out.letter)
    merchant, message = out.merchant, out.message
    await world.mailer.send(
        Mail(
            message_id=message.message_id,
            sender=merchant.sender_email,
            sender_name=merchant.sender_name or merchant.name,
            recipient=message.recipient,
            reply_to=merchant.reply_to,
            language=message.language,
            body=body,
            headers=out.headers,
        )
    )
    return Posted(state=MessageState.SENT, subject=body.subject)


async def _by_sms(world: World, out: Outgoing) -> Posted:
    """One POST of `{"id", "to", "from", "text"}` to the merchant's gateway. The id is stable and
    goes as `Idempotency-Key` too. An answer that leaves open whether the text went is `UNKNOWN`."""
    if out.gateway is None:
        raise MailRefused("SMS is off")
    text = world.renderer.short(out.letter)
    message = out.message
    body = {
        "id": message.message_id,
        "to": message.recipient,
        "from": out.gateway.sender,
        "text": text,
    }
    headers = {"content-type": "application/json", "idempotency-key": message.message_id}
    if out.gateway.secret_sealed:
        headers["authorization"] = f"Bearer {world.sealer.open(out.gateway.secret_sealed)}"
    answer = await world.outgoing.post(out.gateway.url, json.dumps(body).encode(), headers)
    if answer.is_taken:
        return Posted(state=MessageState.SENT, subject=text)
    if answer.status in COME_BACK or (answer.status is None and answer.text in NOT_CONNECTED):
        raise MailDeferred(f"the gateway asks to come back: {answer.status or answer.text}")
    if answer.status is None and not answer.text.startswith("refused"):
        raise MailUnknown(answer.text)
    if answer.status is not None and answer.status >= FIRST_SERVER_FAULT:
        raise MailUnknown(f"the gateway answered {answer.status}")
    raise MailRefused(f"the gateway refused: {answer.status or answer.text}")


def is_our_fault(message: Message) -> bool:
    """Whether a message that failed did so by a template of ours, and not by its address."""
    return (message.reason or "").startswith(TemplateFault.__name__)
