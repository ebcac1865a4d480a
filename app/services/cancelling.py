"""Leaving: what it would do, the word itself, and taking it back before the end.

The word is one transaction: the request, the stop of every case, an action for each open invoice
and for the subscription, the letter, the evidence. The provider is asked afterwards, and again by
a worker until it has it. So a cancel beats every charge that was not sent yet, ours or theirs.
"""

from dataclasses import dataclass, replace
from datetime import timedelta

from app.domain.absorb import absorb
from app.domain.actions import Action, ActionKind, action_for
from app.domain.cancellations import (
    STANDS,
    CancelRequest,
    Choice,
    Departing,
    Preview,
    RequestState,
    Source,
    choices,
    may_be_undone,
    preview,
    request_of,
    standing_request,
)
from app.domain.closings import close_case
from app.domain.dunning import Case, CaseState, IllegalMove
from app.domain.evidence import EvidenceKind, of_request
from app.domain.flows import Flow
from app.domain.merchants import ProviderAccount
from app.domain.mirroring import forward
from app.domain.notices import Notice
from app.domain.reasons import feedback_of
from app.domain.sessions import CancelSession, SessionState, require_open
from app.ports.payments import AccountRefused, ProviderRefused, ProviderUnavailable
from app.ports.store import Conflict
from app.ports.world import World
from app.services.accepting import give_up_waiting
from app.services.alarms import alert
from app.services.audit import audit
from app.services.books import Touched, account_terms, load_touched, write
from app.services.cancel_letters import plan_confirmation
from app.services.cancel_settling import finish, settle, settlements
from app.services.customer_desk import CustomerDesk, customer_desk
from app.services.exits import ExitDesk, exit_desk

RECEIPT_KEPT = timedelta(days=30)  # a session's token shows the receipt so long after the end
BY_WORKERS_AFTER = timedelta(minutes=1)  # what is carried out in the request is theirs after that
AT_MOST_AT_ONCE = 3  # invoices settled while the customer waits; more are left to the workers
STOPPED = "the customer cancelled"
TAKEN_BACK = "taken_back"  # in an action: the provider heard of the end after it was taken back


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlook:
    """What may be chosen, the default first, and what each choice would do. `time_zone` is the
    customer's, for the days in it."""

    previews: tuple[Preview, ...]
    time_zone: str = "UTC"

    def of(self, choice: Choice | None) -> Preview:
        """The preview of a choice, of the default where none is named. Raises `IllegalMove`."""
        for told in self.previews:
            if choice in (None, told.choice):
                return told
        raise IllegalMove(f"an end of the kind `{choice}` is not offered here")


async def outlook(world: World, session: CancelSession) -> Outlook:
    """What leaving would do now, read live. Changes nothing but the evidence that it was shown.

    Raises `IllegalMove` where the session has an outcome.
    """
    async with exit_desk(world, session) as at:
        require_open(at.session, at.terms.now)
        account, flow = at.terms.account, at.flow
    standing = await world.payments.read_departing(account, session.subscription_id)
    async with exit_desk(world, session) as at:
        forward(at.book, standing.subscription, at.terms)
        seen = _previews(at, flow, standing)
        for told in seen.previews:
            at.note(EvidenceKind.PREVIEWED, told.choice, **_shown(told))
    return seen


def _previews(at: ExitDesk, flow: Flow, standing: Departing) -> Outlook:
    open_to = choices(standing, immediately=flow.immediately)
    return Outlook(
        previews=tuple(preview(standing, one, at.terms.now) for one in open_to),
        time_zone=at.terms.zone_of(at.customer).key,
    )


def _shown(told: Preview) -> dict[str, object]:
    return {
        "choice": told.choice,
        "access_until": told.access_until.isoformat(),
        "invoices": list(told.invoices),
        "next_minor": told.next_minor,
    }


async def confirm(
    world: World, session: CancelSession, choice: Choice | None, *, key: str
) -> CancelRequest:
    """Cancel, as the session's preview said. The request is the receipt.

    There is one outcome: whoever asks again, in another tab or with another key, gets the same
    receipt, and `IllegalMove` if they ask for another end. Raises `IllegalMove` too where the
    session was saved or abandoned. A provider without an answer leaves the session `cancelling`;
    the workers go on.
    """
    if session.state is SessionState.APPLYING:
        await give_up_waiting(world, session)
    async with exit_desk(world, session) as at:
        if at.request is not None:
            return _once(at.request, choice)
        require_open(at.session, at.terms.now)
        account = at.terms.account
    standing = await world.payments.read_departing(account, session.subscription_id)
    async with exit_desk(world, session) as at:
        if at.request is not None:
            return _once(at.request, choice)
        require_open(at.session, at.terms.now)
        forward(at.book, standing.subscription, at.terms)
        told = _previews(at, at.flow, standing).of(choice)
        request, todo = _asked(at, told, key)
    await _at_once(world, todo)
    return await _newest(world, request)


def _once(request: CancelRequest, choice: Choice | None) -> CancelRequest:
    if choice not in (None, request.choice):
        raise IllegalMove(f"it was cancelled already, with the end `{request.choice}`")
    return request


def _asked(at: ExitDesk, told: Preview, key: str) -> tuple[CancelRequest, list[Action]]:
    """Commit the word with everything that follows from it."""
    session, now = at.session, at.terms.now
    request = request_of(
        told,
        at.subscription,
        source=Source.SESSION,
        at=now,
        session=session.session_id,
        reason=session.reason,
        feedback=feedback_of(session.reason, {row.id: row for row in at.flow.reasons}),
        language=session.language,
    )
    request = _instead(at, request)
    at.book.put(request)
    moved = session.moved(SessionState.CANCELLING, at=now)
    kept = max(moved.expires_at, request.ends_at + RECEIPT_KEPT)
    at.book.put(replace(moved, request_id=request.request_id, outcome_key=key, expires_at=kept))
    if request.ends_at <= now:
        for case in list(at.book.all(Case, subscription_id=request.subscription_id)):
            close_case(at.book, case, CaseState.STOPPED, STOPPED, at.terms)
    todo = [_cancel_action(request), *settlements(at.book, request, at.terms)]
    for action in todo:
        at.book.add(action)
    plan_confirmation(at.book, request, at.terms)
    at.note(EvidenceKind.CANCELLED, request.request_id, **_shown(told))
    return request, todo


def _instead(at: ExitDesk, request: CancelRequest) -> CancelRequest:
    """The request in the place of one that stands already, made at the provider while this session
    was open: one stands for a subscription, and the newest word counts."""
    former = standing_request(at.book.all(CancelRequest), request.subscription_id)
    return request if former is None else replace(request, request_id=former.request_id)


def _cancel_action(request: CancelRequest) -> Action:
    return action_for(
        ActionKind.CANCEL,
        subject=request.request_id,
        merchant_id=request.merchant_id,
        account_id=request.account_id,
        due_at=request.requested_at + BY_WORKERS_AFTER,
        customer_id=request.customer_id,
    )


async def _at_once(world: World, todo: list[Action]) -> None:
    """Carry out now what the customer waits for. Whatever does not work is left to the workers:
    the actions stand, and a person is told of an end that the provider does not know of yet."""
    for action in todo[: 1 + AT_MOST_AT_ONCE]:
        handler = cancel if action.kind is ActionKind.CANCEL else settle
        try:
            await handler(world, action)
        except (ProviderUnavailable, ProviderRefused, AccountRefused) as fault:
            text = f"the provider was not told of a cancellation at once ({fault}); it is tried on"
            late = alert(
                world.clock.now(), action.merchant_id, "cancel_delayed", action.subject, text
            )
            async with world.store.transaction(action.merchant_id) as tx:
                await tx.insert([late])


async def _newest(world: World, request: CancelRequest) -> CancelRequest:
    async with world.store.transaction(request.merchant_id) as tx:
        found = await tx.load(CancelRequest, [(request.request_id,)])
    return found[0] if found else request


async def cancel(world: World, action: Action) -> None:
    """Let the provider end the subscription as the customer was told.

    Safe to repeat: calls carry keys made of the request, and one ended already is fine. What the
    provider then shows is absorbed as any other report. What the customer took back while the
    provider was told is taken back there too.
    """
    named = await _request_of(world, action)
    touched = Touched()
    if named is not None:
        touched.ends(named.subscription_id, named.customer_id)
    async with customer_desk(world, action, touched) as at:
        request = await _still_to_tell(at) if at is not None else None
        if at is None or request is None:
            return
        account, now = at.terms.account, at.terms.now
    if request.state is RequestState.UNDONE:
        await _take_back(world, action, account, request)
        return
    # A provider that was away beyond the end has begun another period: that one nobody asked for.
    over = request.choice is Choice.NOW or request.ends_at <= now
    try:
        await world.payments.cancel(
            account,
            request.subscription_id,
            at_once=over,
            feedback=request.feedback,
            key=f"{request.request_id}:cancel",
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
    key = f"{request.request_id}:undo-late"
    await world.payments.uncancel(account, request.subscription_id, key=key)
    touched = Touched(subscriptions={request.subscription_id})
    async with customer_desk(world, action, touched, after_the_deed=True) as at:
        if at is not None:
            at.done()
            await finish(at, request)


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
        late = alert(now, request.merchant_id, "cancel_refused", request.request_id, text)
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
    key = f"{request.request_id}:undo"
    await world.payments.uncancel(account, subscription_id, key=key)
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
        for notice in notices:
            absorb(book, notice, terms)
        asked = book.get(CancelRequest, request.request_id) or request
        undone = asked.moved(RequestState.UNDONE, at=terms.now)
        book.put(undone)
        book.add(of_request(undone, EvidenceKind.UNCANCELLED, terms.now, by=actor))
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
    return undone


class UnknownRequest(LookupError):
    """Nobody has cancelled this subscription, or it belongs to somebody else."""


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
