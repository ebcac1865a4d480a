"""Telling the provider of a cancellation, and taking it back there before the end."""

from dataclasses import replace
from datetime import datetime

from app.domain.absorb import absorb
from app.domain.actions import Action, ActionKind
from app.domain.alerts import AlertKind
from app.domain.cancellations import (
    STANDS,
    CancelRequest,
    Choice,
    RequestState,
    Source,
    may_be_undone,
    standing_request,
)
from app.domain.changes import PlanEnd
from app.domain.departures import is_to_plan_again, to_plan_again
from app.domain.dunning import IllegalMove
from app.domain.evidence import EvidenceKind, of_request
from app.domain.merchants import ProviderAccount
from app.domain.mirror import Subscription
from app.domain.notices import Notice
from app.domain.sessions import CancelSession, SessionState
from app.ports.payments import ProviderRefused
from app.ports.store import Conflict
from app.ports.world import World
from app.services import agreed
from app.services.alarms import alert
from app.services.audit import audit
from app.services.books import Touched, account_terms, load_touched, write
from app.services.cancel_settling import finish
from app.services.customer_desk import CustomerDesk, customer_desk
from app.services.parting import TERM

TAKEN_BACK = "taken_back"  # in an action: the provider heard of the end after it was taken back


class UnknownRequest(LookupError):
    """Nobody has cancelled this subscription, or it belongs to somebody else."""


async def cancel(world: World, action: Action) -> None:
    """Let the provider end the subscription as the customer was told.

    Safe to repeat: an end that is set is read first, and one ended already is fine. Each try has a
    key of its own, for the provider keeps the answer of a key for a day, a 500 too. What the
    provider then shows is absorbed as any other report. What the customer took back while the
    provider was told is taken back there too, and what was agreed and went for the end holds again.
    """
    if is_to_plan_again(action):
        await agreed.plan_again(world, action)
        return
    named = await _request_of(world, action)
    touched = Touched()
    if named is not None:
        touched.ends(named.subscription_id, named.customer_id)
    async with customer_desk(world, action, touched) as at:
        request = await _still_to_tell(at) if at is not None else None
        if at is None or request is None:
            return
        account, now = at.terms.account, at.terms.now
        planned = request.choice is Choice.PERIOD_END and await agreed.has_plan(at.tx, request)
    if request.state is RequestState.UNDONE:
        await _take_back(world, action, account, request)
        return
    if planned and not await agreed.remember(world, action, account, request):
        return
    # A provider that was away beyond the end has begun another period: that one nobody asked for.
    over = request.choice is Choice.NOW or request.ends_at <= now
    try:
        await world.payments.cancel(
            account,
            request.subscription_id,
            at_once=over,
            until=request.ends_at if request.source is Source.FORM else None,
            feedback=request.feedback,
            key=f"{action.action_id}:cancel:{action.claims}",
        )
    except ProviderRefused as refused:
        await _refused(world, action, request, refused)
        return
    notices = await _read(world, account, request, "cancel")
    async with customer_desk(world, action, touched, after_the_deed=True) as at:
        if at is not None:
            await _heard(at, request, notices, over=over)


async def _still_to_tell(at: CustomerDesk) -> CancelRequest | None:
    """The request that the provider is to hear of, or whose end it heard of too late; with None
    the action is done."""
    request = at.book.get(CancelRequest, at.action.subject)
    if request is not None and request.state is RequestState.ASKED:
        return request
    if request is not None and _was_taken_back(request, at.action):
        return request
    at.done("there is nothing to ask for any more")
    if request is not None:  # the provider's own report was faster
        await finish(at, request)
    return None


async def _heard(
    at: CustomerDesk, request: CancelRequest, notices: list[Notice], *, over: bool
) -> None:
    asked = at.book.get(CancelRequest, request.request_id) or request
    if asked.state is RequestState.UNDONE and not over:
        data = {**(at.action.data or {}), TAKEN_BACK: True}
        at.book.put(replace(at.action, due_at=at.terms.now, leased_until=None, data=data))
        return
    for notice in notices:
        absorb(at.book, notice, at.terms)
    at.done()
    asked = at.book.get(CancelRequest, request.request_id) or request
    if asked.state is RequestState.ASKED:
        state = RequestState.ENDED if over else RequestState.STANDING
        at.book.put(asked.moved(state, at=at.terms.now))
    await finish(at, asked)


def _was_taken_back(request: CancelRequest, action: Action) -> bool:
    """Whether the provider was told of an end that the customer had taken back by then."""
    return request.state is RequestState.UNDONE and TAKEN_BACK in (action.data or {})


async def _take_back(
    world: World, action: Action, account: ProviderAccount, request: CancelRequest
) -> None:
    key = f"{request.request_id}:undo-late:{action.claims}"
    await _give_back(world, account, request, key)
    touched = Touched(subscriptions={request.subscription_id})
    async with customer_desk(world, action, touched, after_the_deed=True) as at:
        if at is not None:
            at.done()
            at.book.add(to_plan_again(request, at.terms.now, nth=TAKEN_BACK))
            await finish(at, request)


async def _give_back(
    world: World, account: ProviderAccount, request: CancelRequest, key: str
) -> None:
    """Let it go on there: until the day that it had by its own terms, where it had one, or that the
    merchant set since."""
    if await _is_others(world, account, request):
        return
    where = {"account_id": request.account_id, "kind": ActionKind.CANCEL}
    async with world.store.transaction(request.merchant_id) as tx:
        told = await tx.find(Action, where=where | {"subject": request.request_id})
    kept = ((row.data or {}).get(TERM) for row in told)
    terms = [datetime.fromisoformat(end) for end in kept if end]
    owner, customer = request.subscription_id, request.customer_id
    if terms and terms[0] > world.clock.now():
        end = PlanEnd(at=terms[0])
        await world.payments.change(account, owner, end, customer=customer, key=key)
    else:
        await world.payments.uncancel(account, owner, key=key)


async def _is_others(world: World, account: ProviderAccount, request: CancelRequest) -> bool:
    """Whether the end that stands there is none of this word: a word of ours for the period's end
    sets the flag. Where the provider keeps that as a day, it is the one on which the period ends.
    """
    if request.source not in {Source.SESSION, Source.API}:
        return False
    shown = (notice.snapshot for notice in await _read(world, account, request, "term"))
    return any(
        isinstance(live, Subscription)
        and live.cancel_at not in {None, live.period_end}
        and not live.cancel_at_period_end
        for live in shown
    )


async def _refused(
    world: World, action: Action, request: CancelRequest, fault: ProviderRefused
) -> None:
    """The provider will not end it, ever: a person must. What was forgiven stays forgiven."""
    touched = Touched(subscriptions={request.subscription_id})
    async with customer_desk(world, action, touched, after_the_deed=True) as at:
        if at is None:
            return
        now, text = at.terms.now, f"the provider refuses to cancel: {fault}"
        at.done(text)
        at.book.put(request.moved(RequestState.REFUSED, at=now))
        at.book.know(await at.tx.load(CancelSession, [(request.session_id,)]))
        session = at.book.get(CancelSession, request.session_id)
        if session is not None and session.state is SessionState.CANCELLING:
            at.book.put(session.moved(SessionState.FAILED, at=now))
        late = alert(now, request.merchant_id, AlertKind.CANCEL_REFUSED, request.request_id, text)
        at.book.add(late)


async def _request_of(world: World, action: Action) -> CancelRequest | None:
    async with world.store.transaction(action.merchant_id) as tx:
        found = await tx.load(CancelRequest, [(action.subject,)])
    return found[0] if found else None


async def _read(
    world: World, account: ProviderAccount, request: CancelRequest, what: str
) -> list[Notice]:
    return await world.payments.read_object(
        account,
        type="subscription",
        id=request.subscription_id,
        event=f"{what}:{request.request_id}",
        at=world.clock.now(),
    )


async def uncancel(
    world: World, merchant_id: str, account_id: str | None, subscription_id: str, *, actor: str
) -> CancelRequest:
    """Take a cancellation back before the end. Repeated it does nothing more.

    Raises `UnknownRequest` where none was made, `IllegalMove` where it has ended, and `Conflict`
    where the provider was told of the end at this very moment: it is then repeated. Whoever
    cancelled at the provider's own portal may take it back here too.
    """
    request = await _latest(world, merchant_id, account_id, subscription_id)
    if request.state is RequestState.UNDONE:
        return request
    if not may_be_undone(request, world.clock.now()):
        raise IllegalMove("the subscription has ended, or its end is not one to be taken back")
    async with world.store.transaction(merchant_id) as tx:
        account = (await account_terms(tx, world, merchant_id, request.account_id)).account
    # It sets what is read first: asked for anew it has another key, or a kept 500 were the answer.
    key = f"{request.request_id}:undo:{int(world.clock.now().timestamp())}"
    await _give_back(world, account, request, key)
    notices = await _read(world, account, request, "uncancel")
    async with world.store.transaction(merchant_id) as tx:
        touched = Touched()
        touched.ends(subscription_id, request.customer_id)
        book = await load_touched(tx, request.account_id, touched)
        terms = await account_terms(tx, world, merchant_id, request.account_id)
        asked = book.get(CancelRequest, request.request_id) or request
        moved = asked.state is not request.state and asked.state in STANDS
        if moved:  # the provider was told of the end just now
            raise Conflict("the cancellation moved while it was taken back")
        undone = asked
        if asked.state is not RequestState.UNDONE:  # else the provider's own report was faster
            undone = asked.moved(RequestState.UNDONE, at=terms.now)
            book.put(undone)
            book.add(of_request(undone, EvidenceKind.UNCANCELLED, terms.now, by=actor))
            book.add(to_plan_again(undone, terms.now))
        for notice in notices:
            absorb(book, notice, terms)
        line = audit(
            actor=actor,
            action="subscription.uncancelled",
            subject=subscription_id,
            at=terms.now,
            before=request,
            after=undone,
        )
        book.add(line)
        await write(tx, book, at=terms.now)
    await world.wake.now()
    return undone


async def _latest(
    world: World, merchant_id: str, account_id: str | None, subscription_id: str
) -> CancelRequest:
    where = {"merchant_id": merchant_id, "subscription_id": subscription_id}
    if account_id is not None:
        where["account_id"] = account_id
    async with world.store.transaction(merchant_id) as tx:
        found = await tx.find(CancelRequest, where=where)
    if not found:
        raise UnknownRequest(subscription_id)
    standing = standing_request(found, subscription_id)
    return standing or max(found, key=lambda one: (one.requested_at, one.request_id))
