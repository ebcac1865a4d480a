"""The money of an offer, told before anybody can accept it: read live, kept with the session.

An offer whose money nobody could tell is not made.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from app.domain.flow_documents import offer_of
from app.domain.flows import Flow, FlowStep, StepKind, is_for
from app.domain.merchants import ProviderAccount
from app.domain.offers import Offer, in_order, judge
from app.domain.offers.common import Eligible, Facts
from app.domain.offers.quotes import Quote, quote_document, quote_from
from app.domain.sessions import CancelSession, SessionState, following
from app.ports.payments import AccountRefused, ProviderRefused, ProviderUnavailable
from app.ports.world import World
from app.services import redemptions
from app.services.exits import ExitDesk, exit_desk
from app.services.redemptions import QUOTE_HOLDS, About, Look, OfferRefused

NO_ANSWER = (ProviderUnavailable, ProviderRefused, AccountRefused)
Quotes = dict[str, dict[str, Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ahead:
    """What comes next, as far as it is known: where the session stands, and the offers that may be
    made to this customer, the one that helps most with their reason first."""

    session: CancelSession
    account: ProviderAccount
    facts: Facts
    offers: tuple[Offer, ...]


def offers_in(steps: Iterable[FlowStep]) -> list[Offer]:
    """The offers of these steps."""
    found = (offer_of(step) for step in steps if step.kind is StepKind.OFFER)
    return [offer for offer in found if not isinstance(offer, tuple)]


async def quotes_ahead(
    world: World, session: CancelSession, after: str, reason: str | None
) -> Quotes:
    """The offer that may follow this step, with its money, read live; empty where there is none.

    `reason` is the one just given. A provider without an answer, or an account that is paused,
    means no offer: nobody waits at the door because of it.
    """
    if not session.offers or session.state is not SessionState.OPEN:
        return {}
    async with exit_desk(world, session) as at:
        offers, account = _still_to_make(at.session, at.flow), at.terms.account
    if not offers or account.paused_reason is not None:
        return {}
    try:
        seen = await redemptions.look(world, account, session.subscription_id, offers)
        ahead = await _ahead(world, session, seen, after, reason)
        return await _told(world, ahead) if ahead else {}
    except NO_ANSWER:
        return {}


def _still_to_make(session: CancelSession, flow: Flow) -> list[Offer]:
    made = [step for step in flow.steps if step.id in session.seen]
    if any(step.kind is StepKind.OFFER for step in made):
        return []
    return offers_in(flow.steps)


async def _ahead(
    world: World, session: CancelSession, seen: Look, after: str, reason: str | None
) -> Ahead | None:
    """The offers that fit, or None where something else comes first."""
    async with exit_desk(world, session) as at:
        now = replace(at.session, reason=reason or at.session.reason)
        facts = await _facts(at, now, seen)
        for_them = [s for s in at.flow.steps if is_for(s.when, now.facts(at.facts))]
        fit = {
            offer.offer_id: offer
            for offer in in_order(offers_in(for_them), now.reason)
            if isinstance(judge(offer, facts), Eligible)
        }

        def eligible(step: FlowStep) -> bool:
            return step.id in fit or (step.kind is not StepKind.OFFER and at.eligible(step))

        step = following(now, at.flow, at.facts, after, eligible=eligible)
        if step.kind is not StepKind.OFFER:
            return None
        return Ahead(session=now, account=at.terms.account, facts=facts, offers=tuple(fit.values()))


async def _facts(at: ExitDesk, session: CancelSession, seen: Look) -> Facts:
    budgeted = [o.offer_id for o in offers_in(at.flow.steps) if o.limits.monthly_minor]
    told = about(at, session)
    return await redemptions.facts_of(
        at.tx, at.terms.account, seen, told, now=at.terms.now, budgeted=budgeted
    )


def about(at: ExitDesk, session: CancelSession) -> About:
    """What a session knows beside; with the instant of the quote that was shown."""
    quote = quote_from(session.quote)
    return About(
        reason=session.reason,
        plan=at.subscription.plan,
        interval=at.subscription.interval,
        started_at=at.subscription.started_at,
        lifetime_minor=at.flow.lifetime_minor,
        dated=quote.dated if quote else None,
    )


async def _told(world: World, ahead: Ahead) -> Quotes:
    for offer in ahead.offers:
        try:
            quote = await redemptions.preview(world, ahead.account, offer, ahead.facts)
        except (OfferRefused, ProviderRefused):
            continue
        return {offer.offer_id: quote_document(quote)}
    return {}


async def renewed_quote(
    world: World, session: CancelSession, account: ProviderAccount, step: FlowStep
) -> dict[str, Any] | None:
    """The money of the offer that is shown, told anew where it was told too long ago, where its
    next charge has begun meanwhile, or where something is charged at once: for the instant it was
    told for, so that it differs only where the subscription does. None where it still holds.
    Raises `OfferRefused` where it may not be made any more, and what `Payments` raises."""
    told, now = quote_from(session.quote), world.clock.now()
    fresh = told is not None and (told.dated is None or told.dated > now - QUOTE_HOLDS)
    ahead = told is not None and (told.next_at is None or told.next_at > now)
    if fresh and ahead and told is not None and not told.now_minor:
        return None
    (offer,) = offers_in([step])
    seen = await redemptions.look(world, account, session.subscription_id, [offer])
    async with exit_desk(world, session) as at:
        known = at.session if fresh else replace(at.session, quote=None)
        facts = await _facts(at, known, seen)
    return quote_document(await redemptions.preview(world, account, offer, facts))


def says_the_same(one: dict[str, Any] | None, other: dict[str, Any]) -> bool:
    """Whether two quotes tell the same money and days, whenever they were made."""
    former, latter = quote_from(one), quote_from(other)
    return former is not None and _undated(former) == _undated(latter)


def _undated(quote: Quote | None) -> Quote | None:
    return replace(quote, dated=None) if quote else None
