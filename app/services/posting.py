"""Handing a message over, whatever its channel, and what the answer means for it."""

from dataclasses import dataclass

from app.domain.merchants import Merchant
from app.domain.messages import Letter, Mail, Message, MessageState
from app.ports.mailer import MailDeferred, MailRefused, MailUnknown, TemplateFault
from app.ports.world import World


@dataclass(frozen=True, slots=True, kw_only=True)
class Outgoing:
    """A message on its way, begun and committed. `headers` are beyond those of every mail."""

    message: Message
    letter: Letter
    merchant: Merchant
    headers: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Posted:
    """What became of it: `SENT`, `FAILED`, `UNKNOWN`, or `PLANNED`: to be tried again."""

    state: MessageState
    why: str | None = None
    subject: str | None = None


async def post(world: World, out: Outgoing) -> Posted:
    """Write the letter and hand it over. Never raises for what a server or a template does."""
    try:
        return await _by_mail(world, out)
    except (MailRefused, TemplateFault) as fault:
        return Posted(state=MessageState.FAILED, why=f"{type(fault).__name__}: {fault}"[:300])
    except MailUnknown as fault:
        return Posted(state=MessageState.UNKNOWN, why=str(fault)[:300])
    except MailDeferred as fault:
        return Posted(state=MessageState.PLANNED, why=str(fault)[:300])


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


def is_our_fault(message: Message) -> bool:
    """Whether a message that failed did so by a template of ours, and not by its address."""
    return (message.reason or "").startswith(TemplateFault.__name__)
