"""Offers in a session: which of them may be made, and what becomes of the one that is accepted."""

from collections.abc import Iterable
from dataclasses import replace

from app.domain.dunning import IllegalMove
from app.domain.evidence import EvidenceKind
from app.domain.flow_documents import offer_of
from app.domain.flows import Flow, FlowStep, StepKind
from app.domain.offers import Offer, judge
from app.domain.offers.common import Eligible
from app.domain.redemptions import FOR_A_PAYMENT, Redemption, RedemptionState
from app.domain.sessions import CancelSession, SessionState, require_open
from app.domain.staying import follow
from app.ports.payments import AccountRefused, ProviderRefused, ProviderUnavailable
from app.ports.world import World
from app.services import redeeming, redemptions
from app.services.exits import ExitDesk, SessionView, exit_desk, view_of
from app.services.redemptions import About, Look

TAKEN = frozenset({SessionState.APPLYING, SessionState.SAVED})


def offers_in(steps: Iterable[FlowStep]) -> list[Offer]:
    """The offers of these steps."""
    found = (offer_of(step) for step in steps if step.kind is StepKind.OFFER)
    return [offer for offer in found if not isinstance(offer, tuple)]


async def look_for(world: World, session: CancelSession) -> Look | None:
    """What the offers of a session are judged by, read live; None where there is none to make.

    A provider without an answer, or an account that is paused, means no offer: nobody waits at the
    door because of it.
    """
    if not session.offers or session.state is not SessionState.OPEN:
        return None
    async with exit_desk(world, session) as at:
        offers, account = _still_to_make(at.session, at.flow), at.terms.account
    if not offers or account.paused_reason is not None:
        return None
    try:
        return await redemptions.look(world, account, session.subscription_id, offers)
    except (ProviderUnavailable, ProviderRefused, AccountRefused):
        return None


def _still_to_make(session: CancelSession, flow: Flow) -> list[Offer]:
    made = [step for step in flow.steps if step.id in session.seen]
    if any(step.kind is StepKind.OFFER for step in made):
        return []
    return offers_in(flow.steps)


async def judge_offers(at: ExitDesk, seen: Look | None) -> None:
    """Let the desk know which offers may be made to this customer now."""
    if seen is None:
        return
    offers = _still_to_make(at.session, at.flow)
    budgeted = [offer.offer_id for offer in offers if offer.limits.monthly_minor]
    facts = await redemptions.facts_of(
        at.tx, at.terms.account, seen, _about(at), now=at.terms.now, budgeted=budgeted
    )
    fit = (offer.offer_id for offer in offers if isinstance(judge(offer, facts), Eligible))
    at.offered = frozenset(fit)


def _about(at: ExitDesk) -> About:
    return About(
        reason=at.session.reason,
        started_at=at.subscription.started_at,
        lifetime_minor=at.flow.lifetime_minor,
    )


async def accept(world: World, session: CancelSession, step_id: str, *, key: str) -> SessionView:
    """Accept the offer of the step that is shown.

    There is one redemption for a session: whoever asks again, in another tab or with another key,
    is shown what became of the first. Raises `IllegalMove` for a session that was cancelled or
    left, and for another offer; `OfferRefused` where it may not be made any more.
    """
    async with exit_desk(world, session) as at:
        settle_offer(at)
        if at.session.state in TAKEN:
            return view_of(at)
        step = _offered(at, step_id)
        account = at.terms.account
    offers = offers_in([step])
    seen = await redemptions.look(world, account, session.subscription_id, offers)
    async with exit_desk(world, session) as at:
        if at.session.state in TAKEN:
            return view_of(at)
        step = _offered(at, step_id)
        redemption = await redemptions.claim(
            at.tx,
            account,
            session.session_id,
            offers[0],
            seen,
            _about(at),
            now=at.terms.now,
            terms=dict(step.offer or {}),
        )
        moved = at.session.moved(SessionState.APPLYING, at=at.terms.now)
        at.book.put(replace(moved, outcome_key=key))
        at.note(EvidenceKind.OFFER_ACCEPTED, step.id, step=step.id)
    await redemptions.carry_on(world, session.merchant_id, redemption.redemption_id)
    async with exit_desk(world, session) as at:
        settle_offer(at)
        return view_of(at)


def _offered(at: ExitDesk, step_id: str) -> FlowStep:
    require_open(at.session, at.terms.now)
    step = at.flow.step(step_id)
    if step is None or step.kind is not StepKind.OFFER or at.session.step != step_id:
        raise IllegalMove("this offer is not the one that is shown")
    if at.terms.account.paused_reason is not None:
        raise IllegalMove("nothing is offered while the account is paused")
    return step


async def give_up_waiting(world: World, session: CancelSession) -> None:
    """Give up what this session accepted and nobody has paid for: whoever goes away or leaves does
    not want it any more. What was paid at this very moment stays.

    Safe to repeat. Raises what `Payments` raises.
    """
    async with exit_desk(world, session) as at:
        settle_offer(at)
        found = next(at.book.all(Redemption, session_id=session.session_id), None)
        waits = found is not None and found.state is RedemptionState.WAITING
    if found is None or not waits or found.reason != FOR_A_PAYMENT:
        return
    await redeeming.give_up(world, session.merchant_id, found.redemption_id)
    async with exit_desk(world, session) as at:
        settle_offer(at)


def settle_offer(at: ExitDesk) -> None:
    """Let the session follow the redemption, whoever carried it on."""
    redemption = next(at.book.all(Redemption, session_id=at.session.session_id), None)
    if redemption is not None:
        follow(at.book, at.session, redemption, at.flow, at.terms.now)
