"""What there is to tell ahead of a charge, decided upon the live subscription when it is due."""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from app.domain.actions import Action
from app.domain.mirror import Invoice, InvoiceStatus, PaymentMethod, Subscription
from app.domain.notice_windows import is_courtesy
from app.domain.reminders import (
    Renewal,
    card_name,
    charged_after,
    expires_at,
    expiry_of,
    pays_with,
    plan_for_card,
    reminders_of,
    will_renew,
)
from app.ports.payments import RenewalReading
from app.services.customer_desk import CustomerDesk

CYCLES = frozenset({"subscription_cycle", "subscription_create"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Occasion:
    """What is told: a step that makes it once, the letter's facts, whether one may unsubscribe
    from it, and whether its button leads to where a card is entered. `dated` dates its ids."""

    template: str
    step: str
    dated: datetime
    facts: dict[str, Any]
    courtesy: bool
    asks_for_card: bool


def stale(subscription: Subscription | None, at: CustomerDesk) -> str | None:
    """Why a planned reminder is not about this subscription any more."""
    if subscription is None or not will_renew(subscription, at.terms.now):
        return "it will not renew"
    if subscription.period_end != Renewal.of(at.action).at:
        return "the renewal was moved"
    return None


async def renewal_occasion(at: CustomerDesk, reading: RenewalReading) -> Occasion | str:
    """The occasion of a reminder, or why there is none."""
    renewal = Renewal.of(at.action)
    if (why := stale(reading.subscription, at)) is not None:
        return why
    if not reading.amount_minor:
        return "nothing will be charged"
    month = expiry_of(reading.method) if reading.method else None
    expired = month is not None and expires_at(month) <= renewal.at
    former = await _former(at, renewal, reading)
    if renewal.why == "card" and not expired:
        return "the card will not have expired"
    if renewal.why == "price" and former is None:
        return "the price does not change"
    facts: dict[str, Any] = {"renews_at": renewal.at, "former_minor": former}
    if expired:
        facts |= {"card": card_name(reading.method), "card_expires": month}
    return Occasion(
        template="renewal_reminder",
        step=renewal.step,
        dated=renewal.at,
        facts=facts,
        courtesy=is_courtesy(renewal.days),
        asks_for_card=expired,
    )


async def card_occasion(at: CustomerDesk, reading: RenewalReading) -> Occasion | str:
    """The occasion of a warning that a card expires, or why there is none."""
    data = at.action.data or {}
    month, days, method = data["month"], data["days"], reading.method
    if method is None or method.method_id != at.action.subject or expiry_of(method) != month:
        return "another card is charged"
    when = charged_after(reading.subscription, expires_at(month))
    if when is None or not reading.amount_minor:
        return "no charge falls after the expiry"
    return Occasion(
        template="card_expiring",
        step=f"card-{days}:{month}",
        dated=expires_at(month),
        facts={"renews_at": when, "card": card_name(method), "card_expires": month},
        courtesy=True,
        asks_for_card=True,
    )


async def charged_to_card(at: CustomerDesk) -> Subscription | None:
    """The subscription that is charged first to this card after its expiry, if any is. The
    reminders of those whose coming renewal will find it expired are planned."""
    method = at.book.get(PaymentMethod, at.action.account_id, at.action.subject)
    month = (at.action.data or {})["month"]
    if method is None or method.detached or expiry_of(method) != month:
        return None
    where = {"account_id": at.action.account_id, "customer_id": at.action.customer_id}
    found = await at.tx.find(Subscription, where=where)
    end = expires_at(month)
    mine = [one for one in found if pays_with(one, at.customer, method)]
    for one in mine:
        if one.period_end is not None and one.period_end >= end:
            plan_for_card(at.book, one, at.terms)
    charged = [(when, one) for one in mine if (when := charged_after(one, end))]
    first = min(charged, key=lambda row: (row[0], row[1].subscription_id), default=None)
    return first[1] if first else None


async def _former(at: CustomerDesk, renewal: Renewal, reading: RenewalReading) -> int | None:
    """The price until now where it changes: as told when it was changed, else, under a schedule,
    what the last renewal cost."""
    days = reminders_of(reading.subscription, at.customer, at.terms).changed_days
    keys = [replace(renewal, days=day, why="price").key(at.action.subject) for day in days]
    planned = await at.tx.find(Action, where={"account_id": at.action.account_id, "key": keys})
    mine = [Renewal.of(action) for action in planned]
    if not mine:
        return None
    told = next((r.former_minor for r in mine if r.former_minor is not None), None)
    former = told if told is not None else await _last_paid(at)
    return former if former != reading.amount_minor else None


async def _last_paid(at: CustomerDesk) -> int | None:
    where = {"account_id": at.action.account_id, "subscription_id": at.action.subject}
    paid = await at.tx.find(Invoice, where=where | {"status": InvoiceStatus.PAID})
    dated = [(i.created_at, i.due_minor) for i in paid if i.billing_reason in CYCLES]
    known = [(created, minor) for created, minor in dated if created is not None]
    return max(known)[1] if known else None
