"""Offers in a session: what becomes of the one that is accepted."""

from dataclasses import replace

from app.domain.dunning import IllegalMove
from app.domain.evidence import EvidenceKind
from app.domain.flows import FlowStep, StepKind
from app.domain.merchants import ProviderAccount
from app.domain.redemptions import FOR_A_PAYMENT, Redemption, RedemptionState
from app.domain.sessions import CancelSession, SessionState, require_open
from app.domain.staying import follow
from app.ports.world import World
from app.services import redeeming, redemptions
from app.services.exits import ExitDesk, SessionView, exit_desk, view_of
from app.services.quoting import about, offers_in, renewed_quote, says_the_same
from app.services.redemptions import OfferRefused

TAKEN = frozenset({SessionState.APPLYING, SessionState.SAVED})


async def accept(world: World, session: CancelSession, step_id: str, *, key: str) -> SessionView:
    """Accept the offer of the step that is shown.

    There is one redemption for a session: whoever asks again, in another tab or with another key,
    is shown what became of the first; one that waits for its payment is looked at. Raises
    `IllegalMove` for a session that was cancelled or left, and for another offer; `OfferRefused`
    where it may not be made any more.
    """
    await _look_again(world, session)
    async with exit_desk(world, session) as at:
        settle_offer(at)
        if at.session.state in TAKEN:
            return view_of(at)
        step = _offered(at, step_id)
        account = at.terms.account
    try:
        await _require_told(world, session, account, step)
    except OfferRefused:
        if not await _is_taken(world, session):  # else another tab was quicker
            raise
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
            about(at, at.session),
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


async def _look_again(world: World, session: CancelSession) -> None:
    if session.state is not SessionState.APPLYING:
        return
    async with exit_desk(world, session) as at:
        found = next(at.book.all(Redemption, session_id=session.session_id), None)
        waits = at.waits
    if found is not None and waits:
        await redemptions.carry_on(world, session.merchant_id, found.redemption_id)


async def pay_page(world: World, session: CancelSession) -> str | None:
    """The provider's page on which an accepted offer that waits is paid for, made now; None where
    nothing waits. Changes nothing. Raises what `Payments` raises."""
    async with exit_desk(world, session) as at:
        waits, account = at.waits, at.terms.account
    if not waits:
        return None
    standing = await world.payments.read_standing(account, session.subscription_id)
    if not standing.pending or standing.latest_invoice is None:
        return None
    return await world.payments.invoice_page(account, standing.latest_invoice)


async def _is_taken(world: World, session: CancelSession) -> bool:
    async with exit_desk(world, session) as at:
        return at.session.state in TAKEN


async def _require_told(
    world: World, session: CancelSession, account: ProviderAccount, step: FlowStep
) -> None:
    """Nobody accepts what has become dearer since it was told: it is shown anew instead."""
    anew = await renewed_quote(world, session, account, step)
    if anew is None:
        return
    async with exit_desk(world, session) as at:
        same = says_the_same(at.session.quote, anew)
        at.book.put(replace(at.session, quote=anew))
        if not same:
            at.note(EvidenceKind.OFFER_SHOWN, step.id, "anew", step=step.id, quote=anew)
    if not same:
        raise IllegalMove("what the offer costs has changed: look at it again")


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
        waits = at.waits
    if found is None or not waits:
        return
    await redeeming.give_up(world, session.merchant_id, found.redemption_id)
    async with exit_desk(world, session) as at:
        settle_offer(at)


async def give_up_all_waiting(world: World, account: ProviderAccount, subscription: str) -> None:
    """`give_up_waiting` for who leaves outside a session: whatever waits for its payment on this
    subscription would stand as an unpaid period."""
    about = {"account_id": account.account_id, "subscription_id": subscription}
    async with world.store.transaction(account.merchant_id) as tx:
        found = await tx.find(Redemption, where={**about, "state": RedemptionState.WAITING})
    for one in found:
        if one.reason == FOR_A_PAYMENT:
            await redeeming.give_up(world, one.merchant_id, one.redemption_id)


def settle_offer(at: ExitDesk) -> None:
    """Let the session follow the redemption, whoever carried it on."""
    redemption = next(at.book.all(Redemption, session_id=at.session.session_id), None)
    if redemption is not None:
        follow(at.book, at.session, redemption, at.flow, at.terms.now)
