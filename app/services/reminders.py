"""Telling of renewals and expiring cards: looked at live when due, sent at most once."""

from collections.abc import Awaitable, Callable
from dataclasses import replace

from app.domain.actions import Action
from app.domain.ids import derive_id
from app.domain.languages import language_for
from app.domain.messages import Letter, LinkEvent, Message, PaymentLink
from app.domain.mirror import Subscription
from app.domain.mirroring import forward
from app.domain.reminders import reminders_of
from app.ports.payments import RenewalReading
from app.ports.world import World
from app.services import mailing
from app.services.books import Touched
from app.services.customer_desk import CustomerDesk, customer_desk
from app.services.occasions import (
    Occasion,
    card_occasion,
    charged_to_card,
    renewal_occasion,
    stale,
)
from app.services.posting import Outgoing, post

CARD = "card"
Finder = Callable[[CustomerDesk, RenewalReading], Awaitable[Occasion | str]]


async def remind(world: World, action: Action) -> None:
    """Tell of a renewal, if it still comes as announced.

    Safe to repeat: the message is unique for its subscription, renewal and day. One found half
    sent is `unknown` and never sent again.
    """
    account = None
    async with customer_desk(world, action, Touched(subscriptions={action.subject})) as at:
        if at is None or not at.is_day():
            return
        why = stale(at.book.get(Subscription, action.account_id, action.subject), at)
        if why is not None:
            at.done(why)
            return
        account = at.terms.account
    reading = await world.payments.read_renewal(account, action.subject)
    await tell_customer(world, action, reading, renewal_occasion)


async def look_at_card(world: World, action: Action) -> None:
    """Tell of an expiring card if a charge falls after its expiry, and plan the reminders of a
    renewal that will find it expired. Safe to repeat."""
    async with customer_desk(world, action, Touched(methods={action.subject})) as at:
        if at is None or not at.is_day():
            return
        subscription = await charged_to_card(at)
        if subscription is None:
            at.done("no charge falls after the expiry")
            return
        policy = reminders_of(subscription, at.customer, at.terms)
        if int((action.data or {})["days"]) not in policy.card_days:
            at.done()
            return
        account = at.terms.account
    reading = await world.payments.read_renewal(account, subscription.subscription_id)
    await tell_customer(world, action, reading, card_occasion)


async def tell_customer(
    world: World, action: Action, reading: RenewalReading, occasion_of: Finder
) -> None:
    """Send what a live reading gives occasion for, once, and close the action."""
    out: Outgoing | None = None
    touched = Touched(subscriptions={reading.subscription.subscription_id})
    if reading.method is not None:
        touched.methods.add(reading.method.method_id)
    async with customer_desk(world, action, touched) as at:
        if at is None:
            return
        forward(at.book, reading.subscription, at.terms)
        if reading.method is not None:
            forward(at.book, reading.method, at.terms)
        occasion = await occasion_of(at, reading)
        if isinstance(occasion, Occasion):
            out = await _begin(at, occasion, reading, world)
        else:
            at.done(occasion)
    if out is not None:
        posted = await post(world, out)
        await mailing.record(world, action, out, posted, when_sent=_note_sent)


async def _begin(
    at: CustomerDesk, occasion: Occasion, reading: RenewalReading, world: World
) -> Outgoing | None:
    """Commit `sending` with the links the letter carries; None where it must not leave."""
    planned = _message(at, occasion, reading.subscription)
    begun = await mailing.begin(at, planned, courtesy=occasion.courtesy)
    if begun is None:
        return None
    message, paper = begun
    letter = _letter(at, message, occasion, reading)
    letter = replace(letter, look=paper.look, wording=paper.wording, link=paper.look.manage_url)
    return _with_links(at, message, letter, occasion, world)


def _with_links(
    at: CustomerDesk, message: Message, letter: Letter, occasion: Occasion, world: World
) -> Outgoing:
    headers: tuple[tuple[str, str], ...] = ()
    if occasion.asks_for_card:
        token = mailing.add_link(at, message, CARD, letter.currency, world)
        letter = replace(letter, link=f"{world.public_url}/p/{token}")
    if occasion.courtesy:
        url, headers = mailing.unsubscribing(at, message, letter.currency, world)
        letter = replace(letter, unsubscribe_url=url)
    return Outgoing(message=message, letter=letter, merchant=at.terms.merchant, headers=headers)


def _message(at: CustomerDesk, occasion: Occasion, subscription: Subscription) -> Message:
    customer, action = at.customer, at.action
    facts = (action.account_id, action.subject, occasion.step)
    return Message(
        message_id=derive_id("message", occasion.dated, *facts),
        merchant_id=action.merchant_id,
        account_id=action.account_id,
        customer_id=action.customer_id,
        subscription_id=subscription.subscription_id,
        step=occasion.step,
        template=occasion.template,
        recipient=(customer.email if customer else None) or "",
        language=language_for(customer.language if customer else None, at.terms.merchant.language),
        due_at=at.terms.now,
    )


def _letter(
    at: CustomerDesk, message: Message, occasion: Occasion, reading: RenewalReading
) -> Letter:
    customer = at.customer
    return Letter(
        template=message.template,
        language=message.language,
        time_zone=at.terms.zone_of(customer).key,
        merchant_name=at.terms.merchant.name,
        customer_name=customer.name if customer else None,
        plan=reading.subscription.plan,
        invoice_number=None,
        amount_minor=reading.amount_minor or 0,
        currency=reading.currency or reading.subscription.currency or "usd",
        link=None,
        **occasion.facts,
    )


async def _note_sent(at: CustomerDesk, message: Message) -> None:
    for link in await at.tx.load(PaymentLink, [(mailing.link_id(message, CARD),)]):
        at.book.add(
            LinkEvent(
                event_id=derive_id("link_event", at.terms.now, link.link_id, "sent"),
                merchant_id=link.merchant_id,
                link_id=link.link_id,
                kind="sent",
                at=at.terms.now,
            )
        )
