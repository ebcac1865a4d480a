"""Sending letters: after a last look, at most once, never to somebody who has paid."""

import hashlib
from dataclasses import replace
from datetime import datetime, timedelta

from app.domain.actions import Action
from app.domain.declines import DeclineKind
from app.domain.dunning import Case, CaseKind, CaseState, Waits
from app.domain.ids import derive_id
from app.domain.merchants import Merchant
from app.domain.messages import Letter, LinkEvent, Mail, Message, MessageState, PaymentLink
from app.domain.mirror import Customer, Invoice, InvoiceStatus, Subscription
from app.domain.movements import what_became
from app.domain.sequence import (
    DUNNING_TEMPLATES,
    FINAL_NOTICE_AHEAD,
    send_action,
    sendable_at,
)
from app.domain.terms import note
from app.ports.mailer import MailDeferred, MailRefused, MailUnknown, TemplateFault
from app.ports.payments import InvoiceReading
from app.ports.world import World
from app.services.alarms import alert
from app.services.fuses import look_at_letters
from app.services.looks import is_under_way, take
from app.services.work import Desk, desk, glance

LINK_OUTLIVES = timedelta(days=30)  # a link works that long after the window, for late payers
HELD_AGAIN = timedelta(days=1)
DEFERRED_AGAIN = timedelta(minutes=15)
OVERTAKEN = DUNNING_TEMPLATES - {"final_notice"}  # without a final notice no case may end

# Letters that say something is owed, and the state of the case in which that is true.
ONLY_WHILE = dict.fromkeys(DUNNING_TEMPLATES, CaseState.ACTIVE) | {
    "subscription_ended": CaseState.EXHAUSTED
}

REASON_KEYS = {
    DeclineKind.NEW_METHOD: "bank_declined",
    DeclineKind.FIX_DATA: "card_data",
    DeclineKind.CUSTOMER_AUTHENTICATE: "authentication",
    DeclineKind.NO_PAYMENT_METHOD: "no_method",
    DeclineKind.INSUFFICIENT_FUNDS: "insufficient_funds",
    DeclineKind.LIMIT_EXCEEDED: "limit",
    DeclineKind.PROCESSOR_ERROR: "temporary",
    DeclineKind.RETRY_LATER: "temporary",
    DeclineKind.RECONCILE_FIRST: "temporary",
    DeclineKind.RETRY_FEW_AND_ASK: "bank_declined",
    DeclineKind.NEVER: "bank_declined",
}


def reason_key(case: Case) -> str:
    """Which plain words a letter uses for the refusal; loss, theft and fraud look like any."""
    if case.kind is CaseKind.INVOICE:
        return "overdue"
    if (case.decline or {}).get("code") == "expired_card":
        return "card_expired"
    return REASON_KEYS.get(case.decline_kind or DeclineKind.UNKNOWN, "unknown")


async def send(world: World, action: Action) -> None:
    """Send one planned letter.

    `sending` is committed before the mail leaves. Found in that state again, the mail may have
    gone: it becomes `unknown`, is shown, and is never sent a second time.
    """
    async with glance(world, action, Message, Customer) as at:
        if at is None or not _may_leave(at, action):
            return
        await look_at_letters(at)
        account, case = at.terms.account, at.case
        claims_debt = _message(at, action).template in ONLY_WHILE
    reading = await world.payments.read_invoice(account, case.invoice_id) if claims_debt else None
    async with desk(world, action, reading.method if reading else None) as at:
        if at is None:
            return
        if reading is not None:
            take(at, reading)
        if reading is not None and _must_wait(at, action, reading):
            return
        mail_parts = _begin(at, action, world)
    if mail_parts is not None:
        await _leave(world, action, *mail_parts)


def _must_wait(at: Desk, action: Action, reading: InvoiceReading) -> bool:
    """Nobody is urged to pay while a bank debit is on its way or the case is on hold."""
    held = is_under_way(reading) or at.case.waits is Waits.ON_HOLD
    message = _message(at, action)
    if at.case.state is not CaseState.ACTIVE or not held:
        return False
    if message.state is not MessageState.PLANNED:
        return False
    moved = replace(message, due_at=at.terms.now + HELD_AGAIN)
    at.book.put(moved)
    at.book.add(send_action(moved))
    at.done(action, "a payment is under way, or the case is on hold")
    return True


def _message(at: Desk, action: Action) -> Message:
    message = at.book.get(Message, action.subject)
    if message is None:
        raise LookupError("the letter of this action does not exist")
    return message


def _may_leave(at: Desk, action: Action) -> bool:
    message = _message(at, action)
    if message.state is MessageState.SENDING:
        _settle(at, message, MessageState.UNKNOWN, "interrupted while sending")
        at.done(action)
        return False
    if message.state is not MessageState.PLANNED or action.key != send_action(message).key:
        moved = message.state is MessageState.PLANNED
        at.done(action, "the letter was moved" if moved else f"the letter is {message.state}")
        return False
    if (why := _needless(at, message)) is not None:
        _settle(at, message, MessageState.DROPPED, why)
        at.done(action, why)
        return False
    return _is_time(at, message, action)


def _needless(at: Desk, message: Message) -> str | None:
    if not message.recipient:
        return "no address is known"
    if at.case.state is not ONLY_WHILE.get(message.template, at.case.state):
        return f"the case is {at.case.state}"
    if _is_overtaken(at, message):
        return "a newer letter is due as well"
    return None


def _is_overtaken(at: Desk, message: Message) -> bool:
    """After an outage the newest letter of a case goes out and the older ones do not. Where they
    wait for one morning, the later row of the policy is the newer one."""
    steps = [row.step for row in at.policy.messages]

    def place(one: Message) -> tuple[datetime, int]:
        return one.due_at, steps.index(one.step) if one.step in steps else -1

    return message.template in OVERTAKEN and any(
        other.case_id == message.case_id
        and other.state is MessageState.PLANNED
        and other.template in DUNNING_TEMPLATES
        and place(message) < place(other)
        and other.due_at <= at.terms.now
        for other in at.book.all(Message)
    )


def _is_time(at: Desk, message: Message, action: Action) -> bool:
    customer = at.book.get(Customer, message.account_id, message.customer_id)
    others = list(at.book.all(Message))
    when, why = sendable_at(message, others, customer, at.terms)
    if when is None:
        _settle(at, message, MessageState.DROPPED, why)
        at.done(action, why)
        return False
    if when > at.terms.now:
        moved = replace(message, due_at=when, reason=why)
        at.book.put(moved)
        at.book.add(send_action(moved))
        at.done(action, why)
        return False
    return True


def _settle(at: Desk, message: Message, state: MessageState, why: str | None = None) -> None:
    at.book.put(replace(message, state=state, reason=why))
    words = f"letter {message.step}: {state}" + (f" ({why})" if why else "")
    note(at.book, at.case, at.terms.now, "message", words, {"template": message.template})


def _begin(at: Desk, action: Action, world: World) -> tuple[Message, Letter, Merchant] | None:
    """Commit `sending` together with the link the letter carries; None if it became needless."""
    message = _message(at, action)
    if message.state is not MessageState.PLANNED:
        return None
    if (why := _needless(at, message)) is not None:
        _settle(at, message, MessageState.DROPPED, why)
        at.done(action, why)
        return None
    token = _token_of(at, message, world)
    _hold_the_end(at, message)
    _add_link(at, message, token)
    at.book.put(replace(message, state=MessageState.SENDING))
    letter = _letter(at, message, f"{world.public_url}/p/{token}")
    return message, letter, at.terms.merchant


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


def _letter(at: Desk, message: Message, link: str) -> Letter:
    case, merchant = at.case, at.terms.merchant
    invoice = at.book.get(Invoice, case.account_id, case.invoice_id)
    customer = at.book.get(Customer, case.account_id, case.customer_id)
    paid = invoice is not None and invoice.status is InvoiceStatus.PAID
    return Letter(
        template=message.template,
        language=message.language,
        time_zone=at.terms.zone_of(customer).key,
        merchant_name=merchant.name,
        customer_name=customer.name if customer else None,
        plan=_plan_name(at, case),
        invoice_number=invoice.number if invoice else None,
        amount_minor=case.recovered_minor or case.amount_minor if paid else case.due_minor,
        currency=case.currency,
        reason_key=reason_key(case),
        link=None if paid or _nothing_owed(invoice) else link,
        next_retry_at=_still_to_come(case.next_attempt_at, at.terms.now),
        last_day=case.window_ends_at if case.driven else None,
        end_action=what_became(case, at.policy.end.subscription) if case.driven else None,
        paid_at=invoice.paid_at if invoice and paid else None,
    )


def _still_to_come(at: datetime | None, now: datetime) -> datetime | None:
    """A retry that an outage put off has no instant that could be told."""
    return at if at is not None and at > now else None


def _nothing_owed(invoice: Invoice | None) -> bool:
    return invoice is not None and invoice.status in {InvoiceStatus.VOID, InvoiceStatus.DELETED}


def _plan_name(at: Desk, case: Case) -> str | None:
    subscription = at.book.get(Subscription, case.account_id, case.subscription_id)
    return (subscription.plan if subscription else None) or case.plan


async def _leave(
    world: World, action: Action, message: Message, letter: Letter, merchant: Merchant
) -> None:
    state, why, subject = MessageState.SENT, None, None
    try:
        body = world.renderer.render(letter)
        subject = body.subject
        await world.mailer.send(
            Mail(
                message_id=message.message_id,
                sender=merchant.sender_email,
                sender_name=merchant.sender_name or merchant.name,
                recipient=message.recipient,
                reply_to=merchant.reply_to,
                language=message.language,
                body=body,
            )
        )
    except (MailRefused, TemplateFault) as fault:
        state, why = MessageState.FAILED, f"{type(fault).__name__}: {fault}"[:300]
    except MailUnknown as fault:
        state, why = MessageState.UNKNOWN, str(fault)[:300]
    except MailDeferred as fault:
        state, why = MessageState.PLANNED, str(fault)[:300]
    await _record(world, action, message, state, why, subject)


def is_our_fault(message: Message) -> bool:
    """Whether a letter that failed did so by a template of ours, and not by its address."""
    return (message.reason or "").startswith(TemplateFault.__name__)


async def _record(
    world: World,
    action: Action,
    message: Message,
    state: MessageState,
    why: str | None,
    subject: str | None,
) -> None:
    async with desk(world, action, after_the_deed=True) as at:
        if at is None:
            return
        at.done(action)
        now = at.terms.now
        if state is MessageState.PLANNED:
            moved = replace(message, due_at=now + DEFERRED_AGAIN, reason=why)
            at.book.put(moved)
            at.book.add(send_action(moved))
            return
        sent = state is MessageState.SENT
        _settle(at, replace(message, subject=subject, sent_at=now if sent else None), state, why)
        if sent:
            _note_sent(at, message)
        if state is not MessageState.FAILED:
            at.book.put(replace(at.case, wrote=True))
        elif is_our_fault(replace(message, reason=why)):
            text = f"{message.template} in {message.language}: {why}"
            at.book.add(alert(now, message.merchant_id, "template", message.template, text))
