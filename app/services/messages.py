"""Sending messages: after a last look, at most once, never to somebody who has paid.

A customer with several open cases has one conversation: what is due about them at one time goes
out in one mail, claimed in one transaction.
"""

import hashlib
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from app.domain.actions import Action
from app.domain.alerts import AlertKind
from app.domain.closings import settle_letter
from app.domain.correspondence import Channel, Channels, suppressed_by
from app.domain.dunning import IN_DOUBT, Attempt, Case, CaseState, Waits
from app.domain.ids import derive_id
from app.domain.messages import LinkEvent, Message, MessageState, PaymentLink
from app.domain.mirror import Customer
from app.domain.outcomes import LATE_LOOK, resolve_action
from app.domain.personal import as_kept
from app.domain.recovery import Failure
from app.domain.sequence import (
    FINAL_NOTICE_AHEAD,
    ONLY_WHILE,
    due_together,
    is_overtaken,
    is_true_of,
    rank,
    readdressed,
    same_mail,
    send_action,
    sendable_at,
)
from app.ports.payments import InvoiceReading
from app.ports.world import World
from app.services.alarms import alert
from app.services.before_charging import has_ended_unheard
from app.services.fuses import look_at_letters
from app.services.letters import end_of, letter_of, stationery_for
from app.services.looks import is_under_way, take
from app.services.posting import (
    Gateway,
    Outgoing,
    Posted,
    after_all,
    again_after,
    is_our_fault,
    post,
)
from app.services.work import Desk, desk, glance, say_thanks

LINK_OUTLIVES = timedelta(days=30)  # a link works that long after the window, for late payers
HELD_AGAIN = timedelta(days=1)
AFTER_DOUBT = timedelta(minutes=1)  # behind the look that finds out about a charge


@dataclass(frozen=True, slots=True)
class Claimed:
    """The messages that leave in one mail, the one it is written about first."""

    messages: tuple[Message, ...]
    out: Outgoing


async def send(world: World, action: Action) -> None:
    """Send one planned message, and with it what is due about the customer's other cases.

    `sending` is committed before the mail leaves. Found in that state again, the mail may have
    gone: it becomes `unknown`, is shown, and is never sent a second time.
    """
    async with glance(world, action, Message, Customer, Case, Attempt) as at:
        if at is None:
            return
        _readdress(at)
        if not _may_leave(at, action) or _waits_for_a_doubt(at, action):
            return
        account, message = at.terms.account, _message(at, action)
        looked_at = _cases_of(at, message) if message.template in ONLY_WHILE else []
    readings = {
        case.case_id: await world.payments.read_invoice(account, case.invoice_id)
        for case in looked_at
    }
    own = readings.get(action.case_id or "")
    async with desk(world, action, own.method if own else None) as at:
        if at is None:
            return
        _readdress(at)
        await _take_all(at, readings)
        if own is not None and _must_wait(at, action, own):
            return
        await look_at_letters(at)
        claimed = await _begin(at, action, world, readings)
    if claimed is not None:
        await _record(world, action, claimed, await post(world, claimed.out))


def _readdress(at: Desk) -> None:
    """Let what is planned for the customer go to where they are reached now."""
    for message in list(at.book.all(Message, state=MessageState.PLANNED)):
        customer = at.book.get(Customer, message.account_id, message.customer_id)
        if (now := readdressed(message, customer, at.terms)) != message:
            at.book.put(now)


def _cases_of(at: Desk, message: Message) -> list[Case]:
    """The cases this mail is about: the message's own, and those with something due as well."""
    others = due_together(at.book, message, at.case, at.terms.now)
    ids = dict.fromkeys([at.case_id, *(m.case_id for m in others if m.case_id)])
    return [at.beside(case_id).case for case_id in ids]


async def _take_all(at: Desk, readings: dict[str, InvoiceReading]) -> None:
    others = [at.beside(case_id) for case_id in readings if case_id != at.case_id]
    if others:
        invoices = sorted(one.case.invoice_id for one in others)
        where = {"account_id": at.case.account_id, "invoice_id": invoices}
        at.book.know(await at.tx.find(Failure, where=where))
    for case_id, reading in readings.items():
        take(at.beside(case_id), reading)
    for one in others:
        say_thanks(one)


def _must_wait(at: Desk, action: Action, reading: InvoiceReading) -> bool:
    """Nobody is urged to pay while a bank debit is on its way, a charge was begun meanwhile, the
    case is on hold, or their subscription has ended, which may be by their own word."""
    message = _message(at, action)
    if message.state is not MessageState.PLANNED or not _is_held(at, reading):
        return False
    if _waits_for_a_doubt(at, action):
        return True
    why = "a payment is under way, the case is on hold, or its subscription has ended"
    return _put_off(at, action, at.terms.now + HELD_AGAIN, why)


def _waits_for_a_doubt(at: Desk, action: Action) -> bool:
    """Until the next look at a charge of ours, which tells what the letter may say."""
    if _message(at, action).template not in ONLY_WHILE or at.case.state is not CaseState.ACTIVE:
        return False
    looks = [resolve_action(at.case, doubt).due_at for doubt in _doubts(at)]
    if not looks:
        return False
    now = at.terms.now
    again = min(looks) + AFTER_DOUBT if min(looks) >= now else now + LATE_LOOK
    return _put_off(at, action, again, "a charge of ours is in doubt")


def _put_off(at: Desk, action: Action, again: datetime, why: str) -> bool:
    moved = replace(_message(at, action), due_at=again)
    at.book.put(moved)
    at.book.add(send_action(moved))
    at.done(action, why)
    return True


def _is_held(at: Desk, reading: InvoiceReading) -> bool:
    rests = at.case.waits is Waits.ON_HOLD or has_ended_unheard(at, reading)
    held = is_under_way(reading) or rests or _doubts(at)
    return bool(held) and at.case.state is CaseState.ACTIVE


def _doubts(at: Desk) -> list[Attempt]:
    """Charges of ours that may have brought the money."""
    return [one for one in at.book.all(Attempt, case_id=at.case_id) if one.state in IN_DOUBT]


def _message(at: Desk, action: Action) -> Message:
    message = at.book.get(Message, action.subject)
    if message is None:
        raise LookupError("the letter of this action does not exist")
    return message


def _may_leave(at: Desk, action: Action) -> bool:
    message = _message(at, action)
    if message.state is MessageState.SENDING:
        for one in same_mail(at.book, message):
            _settle(at, one, MessageState.UNKNOWN, "interrupted while sending")
            _has_written(at, one)
            say_thanks(at.beside(one.case_id or at.case_id))
        at.done(action)
        return False
    if message.state is not MessageState.PLANNED or action.key != send_action(message).key:
        moved = message.state is MessageState.PLANNED
        at.done(action, "the letter was moved" if moved else f"the letter is {message.state}")
        return False
    if (why := _needless(at, message)) is not None:
        _drop(at, action, message, why)
        return False
    return _is_time(at, message, action)


def _needless(at: Desk, message: Message) -> str | None:
    if not message.recipient:
        return "no address is known"
    if not is_true_of(message, at.case):
        return f"the case is {at.case.state}"
    if is_overtaken(at.book, message, at.policy, at.terms.now):
        return "a newer letter is due as well"
    return None


def _is_time(at: Desk, message: Message, action: Action) -> bool:
    customer = at.book.get(Customer, message.account_id, message.customer_id)
    when, why = sendable_at(message, list(at.book.all(Message)), customer, at.terms)
    if when is None:
        _drop(at, action, message, why)
        return False
    if when > at.terms.now:
        moved = replace(message, due_at=when, reason=why)
        at.book.put(moved)
        at.book.add(send_action(moved))
        at.done(action, why)
        return False
    return True


def _drop(at: Desk, action: Action, message: Message, why: str) -> None:
    _settle(at, message, MessageState.DROPPED, why)
    at.done(action, why)


def _settle(at: Desk, message: Message, state: MessageState, why: str | None = None) -> None:
    case = at.beside(message.case_id or at.case_id).case
    settle_letter(at.book, case, replace(message, state=state, reason=why), at.terms.now)


async def _begin(
    at: Desk, action: Action, world: World, readings: dict[str, InvoiceReading]
) -> Claimed | None:
    """Commit `sending` together with the link the mail carries; None if it became needless."""
    message = _message(at, action)
    if message.state is not MessageState.PLANNED:
        return None
    paper = await stationery_for(at.tx, message, at.terms.merchant)
    why = _needless(at, message)
    if why is None and (reason := suppressed_by(paper.suppressions, message.recipient)):
        why = f"the address is suppressed: {reason}"
    if why is not None:
        _drop(at, action, message, why)
        return None
    claims = _claims(at, message, readings)
    lead, here = claims[0], at.beside(claims[0].case_id or at.case_id)
    token = _token_of(here, lead, world)
    for one in claims:
        _hold_the_end(at.beside(one.case_id or at.case_id), one)
        carried = None if one is lead else lead.message_id
        at.book.put(replace(one, state=MessageState.SENDING, carried_by=carried))
    _add_link(here, lead, token)
    also = [at.beside(one.case_id).case for one in claims[1:] if one.case_id]
    about = readings.get(here.case_id)
    status = about.subscription_status if about else None
    letter = replace(
        letter_of(here, lead, f"{world.public_url}/p/{token}", also, status),
        look=paper.look,
        wording=paper.wording if lead.template == message.template else None,
    )
    out = Outgoing(
        message=lead, letter=letter, merchant=at.terms.merchant, gateway=await _gateway(at, lead)
    )
    return Claimed(claims, out)


def _claims(at: Desk, message: Message, readings: dict[str, InvoiceReading]) -> tuple[Message, ...]:
    """The message and what leaves with it, first in rank first, one for each case. Only what was
    looked at live: whatever became due meanwhile has its own action, and so has what would end in
    another way."""
    found = {at.case_id: message}
    end = _end_of(at, readings)
    for one in due_together(at.book, message, at.case, at.terms.now):
        beside = at.beside(one.case_id or "")
        reading = readings.get(beside.case_id)
        if reading is None or _is_held(beside, reading) or _needless(beside, one):
            continue
        if _end_of(beside, readings) != end:
            continue
        found[beside.case_id] = min(found.get(beside.case_id, one), one, key=rank)
    return tuple(sorted(found.values(), key=rank))


def _end_of(at: Desk, readings: dict[str, InvoiceReading]) -> str | None:
    reading = readings.get(at.case_id)
    return end_of(at, reading.subscription_status if reading else None)[0]


async def _gateway(at: Desk, message: Message) -> Gateway | None:
    """Where a short text goes; None for a mail, and where SMS is off."""
    if message.channel != Channel.SMS:
        return None
    for row in await at.tx.load(Channels, [(message.merchant_id,)]):
        if row.sms_on and row.sms_url:
            return Gateway(
                url=row.sms_url, sender=row.sms_sender, secret_sealed=row.sms_secret_sealed
            )
    return None


def _hold_the_end(at: Desk, message: Message) -> None:
    """A final notice names the last day: none that comes earlier than it allows."""
    allowed = at.terms.now + FINAL_NOTICE_AHEAD
    if message.template == "final_notice" and at.case.window_ends_at < allowed:
        at.book.put(replace(at.case, window_ends_at=allowed))


def _link_of(at: Desk, message: Message) -> PaymentLink | None:
    links = at.book.all(PaymentLink)
    return next((link for link in links if link.message_id == message.message_id), None)


def _token_of(at: Desk, message: Message, world: World) -> str:
    """The token of the letter's link: of one put off the same again, also after the master keys
    were rotated, as long as the key it was made with is configured."""
    link, known = _link_of(at, message), world.tokens.known(message.message_id)
    same = (token for token in known if link is not None and _hashed(token) == link.token_hash)
    return next(same, known[0])


def _hashed(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def _add_link(at: Desk, message: Message, token: str) -> None:
    """The link a letter carries; one whose sending was put off has its link already."""
    case, now, former = at.case, at.terms.now, _link_of(at, message)
    if former is not None:
        at.book.put(replace(former, token_hash=_hashed(token)))
        return
    link = PaymentLink(
        link_id=derive_id("link", now, message.message_id),
        token_hash=_hashed(token),
        merchant_id=case.merchant_id,
        account_id=case.account_id,
        customer_id=case.customer_id,
        case_id=case.case_id,
        message_id=message.message_id,
        created_at=now,
        expires_at=max(now, case.window_ends_at) + LINK_OUTLIVES,
    )
    at.book.add(link)


def _note_sent(at: Desk, message: Message) -> None:
    now, link = at.terms.now, _link_of(at, message)
    if link is not None:
        at.book.add(
            LinkEvent(
                event_id=derive_id("link_event", now, link.link_id, "sent"),
                merchant_id=link.merchant_id,
                link_id=link.link_id,
                kind="sent",
                at=now,
            )
        )


async def _record(world: World, action: Action, claimed: Claimed, posted: Posted) -> None:
    async with desk(world, action, after_the_deed=True) as at:
        if at is None:
            return
        at.done(action)
        now, lead = at.terms.now, claimed.messages[0]
        for one in claimed.messages:
            carried = None if one is lead else lead.message_id
            kept = at.book.get(Message, one.message_id)
            _note_posted(at, action, as_kept(kept, replace(one, carried_by=carried)), posted)
        if posted.state is MessageState.SENT:
            _note_sent(at, lead)
        elif is_our_fault(replace(lead, reason=posted.why)):
            text = f"{lead.template} in {lead.language}: {posted.why}"
            at.book.add(alert(now, lead.merchant_id, AlertKind.TEMPLATE, lead.template, text))


def _note_posted(at: Desk, action: Action, message: Message, posted: Posted) -> None:
    now, posted = at.terms.now, after_all(posted, message)
    if posted.state is MessageState.PLANNED:
        times = int((action.data or {}).get("put_off", 0))
        moved = replace(
            message,
            state=MessageState.PLANNED,
            due_at=now + again_after(times),
            reason=posted.why,
            carried_by=None,
        )
        at.book.put(moved)
        at.book.add(replace(send_action(moved), data={"put_off": times + 1}))
        return
    sent_at = now if posted.state is MessageState.SENT else None
    told = replace(message, subject=posted.subject, sent_at=sent_at)
    _settle(at, as_kept(message, told), posted.state, posted.why)
    if posted.state not in {MessageState.FAILED, MessageState.DROPPED}:
        _has_written(at, message)


def _has_written(at: Desk, message: Message) -> None:
    """Whoever may have read of a failure is to hear how it was settled."""
    case = at.beside(message.case_id or at.case_id).case
    at.book.put(replace(case, wrote=True))
