"""Cancel sessions: opened, answered, left. Nothing here asks the provider for anything."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from app.domain.actions import Action, ActionKind, ActionState, action_for
from app.domain.cancellations import GONE, CancelRequest, standing_request
from app.domain.compliance.places import place_of
from app.domain.compliance.rules import may_offer
from app.domain.dunning import IllegalMove
from app.domain.evidence import EvidenceKind
from app.domain.experiments import Assignment, arm_of
from app.domain.flow_default import DEFAULT_DOCUMENT, DEFAULT_FLOW
from app.domain.flows import Flow, FlowStep, StepKind, leaving
from app.domain.ids import derive_id
from app.domain.languages import language_for
from app.domain.mirror import Customer, PaymentMethod, Subscription
from app.domain.records import Book
from app.domain.sessions import (
    EXPERIMENT,
    LASTS,
    UNDER_WAY,
    CancelSession,
    SessionState,
    first_step,
    may,
    require_open,
)
from app.domain.survey import (
    KEPT_FOR,
    LONGEST_NAME,
    SurveyAnswer,
    own_words,
    red_flags,
)
from app.domain.terms import Terms
from app.ports.store import Transaction
from app.ports.world import World
from app.services.alarms import alert
from app.services.books import Touched, account_terms, load_touched, write
from app.services.exits import (
    ExitDesk,
    UnknownSession,
    exit_desk,
    hash_of,
    renamed,
    token_of,
)
from app.services.flows import flow_for, flow_kept


class UnknownSubscription(LookupError):
    """Whoever asks has no such subscription."""


class SeveralSubscriptions(ValueError):
    """The customer has several: one must be named."""


class NotAsked(ValueError):
    """The step asks for nothing like this; says what is wrong with which field."""

    def __init__(self, where: str, why: str) -> None:
        super().__init__(f"{where} {why}")
        self.where, self.why = where, why


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """Who wants to leave what. `customer_id` is proved by a token, or None where the merchant's
    backend asks; `account_id` is needed only where several accounts know the id."""

    merchant_id: str
    account_id: str | None = None
    customer_id: str | None = None
    subscription_id: str | None = None
    language: str | None = None
    place: str | None = None
    attributes: Mapping[str, str] = field(default_factory=dict)
    opened_by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What was answered at a step; everything may be left out."""

    reason: str | None = None
    follow_up: str | None = None
    words: str | None = None
    competitor: str | None = None
    rating: int | None = None
    likely: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionView:
    """A session as it is shown."""

    session: CancelSession
    flow: Flow
    step: FlowStep
    may: tuple[str, ...]
    plan: str | None
    merchant_name: str
    answers: tuple[SurveyAnswer, ...] = ()
    request: CancelRequest | None = None


async def open_session(world: World, wish: Wish) -> tuple[SessionView, str]:
    """Open a session, or resume the one that is under way; with its token.

    Asked twice, by two tabs, or by the backend and the browser, it is one session. One whose
    subscription is to end already by a session is shown as it ended. Raises `UnknownSubscription`
    before anything is asked of the provider, `SeveralSubscriptions`, and `IllegalMove` for a
    subscription that has ended.
    """
    subscription = await _wanted(world, wish)
    async with world.store.transaction(wish.merchant_id) as tx:
        touched = Touched(
            customers={subscription.customer_id or ""},
            subscriptions={subscription.subscription_id},
        )
        book = await load_touched(tx, subscription.account_id, touched)
        terms = await account_terms(tx, world, wish.merchant_id, subscription.account_id)
        where = {
            "account_id": subscription.account_id,
            "subscription_id": subscription.subscription_id,
        }
        sessions = await tx.find(CancelSession, where=where)
        book.know(sessions)
        session = _resumed(book, sessions, subscription, terms)
        if session is None:
            flow, session = await _opened(tx, world, book, terms, subscription, wish, len(sessions))
        else:
            flow = await flow_kept(tx, wish.merchant_id, session.flow)
            session = renamed(session, world)
            book.put(session)
        desk = ExitDesk(tx, book, terms, flow, session.session_id)
        view = _view(desk)
        await write(tx, book, at=terms.now)
    return view, token_of(world, session.session_id)


async def show(world: World, session: CancelSession) -> SessionView:
    """A session as it stands."""
    async with exit_desk(world, session) as at:
        return _view(at)


async def answer(world: World, session: CancelSession, step_id: str, said: Said) -> SessionView:
    """Take an answer and go on. A step shown before may be answered again: the way goes on from
    there. Repeated it changes nothing. Raises `IllegalMove`, and `NotAsked`."""
    async with exit_desk(world, session) as at:
        require_open(at.session, at.terms.now)
        step = _shown_step(at, step_id)
        if step.kind in {StepKind.OFFER, StepKind.CONFIRM, StepKind.SUCCESS}:
            raise IllegalMove(f"a step of the kind `{step.kind}` takes no answer")
        kept = _kept(at, step, said)
        if said.reason is not None and said.reason != at.session.reason:
            at.note(EvidenceKind.REASON_SELECTED, said.reason, step=step.id, reason=said.reason)
            at.book.put(replace(at.session, reason=said.reason))
        before = at.book.get(SurveyAnswer, *kept_key(kept))
        if before is None or replace(before, at=kept.at) != kept:
            at.book.put(kept)
            given = [name for name in Said.__slots__ if getattr(kept, name) is not None]
            at.note(EvidenceKind.ANSWERED, step.id, step=step.id, given=given)
            _raise_flags(at, kept)
        if kept.words or kept.follow_up or kept.competitor:
            at.book.add(_forgetting(at))
        at.go_on(at.session, step.id)
        return _view(at)


async def decline(world: World, session: CancelSession, step_id: str) -> SessionView:
    """Turn an offer down and go on. Repeated it changes nothing. Raises `IllegalMove`."""
    async with exit_desk(world, session) as at:
        require_open(at.session, at.terms.now)
        step = _shown_step(at, step_id)
        if step.kind is not StepKind.OFFER:
            raise IllegalMove("there is no offer at this step")
        if at.session.step == step.id:
            at.note(EvidenceKind.OFFER_DECLINED, step.id, step=step.id)
            at.go_on(at.session, step.id)
        return _view(at)


async def close(world: World, session: CancelSession) -> SessionView:
    """The customer went away without a word: nothing changes for them. Repeated it does nothing
    more; a session that has an outcome keeps it."""
    async with exit_desk(world, session) as at:
        _abandon(at)
        return _view(at)


async def expire(world: World, action: Action) -> None:
    """Nobody came back to a session in time. Safe to repeat."""
    found = await _load(world, action)
    if found is None:
        return
    async with exit_desk(world, found) as at:
        _abandon(at)
        at.book.put(replace(action, state=ActionState.DONE, leased_until=None))


async def forget(world: World, action: Action) -> None:
    """Empty what a customer wrote, a year after: the reason stays for the counts."""
    found = await _load(world, action)
    if found is None:
        return
    async with exit_desk(world, found) as at:
        for row in list(at.book.all(SurveyAnswer)):
            empty = replace(row, words=None, follow_up=None, competitor=None)
            at.book.put(replace(empty, forgotten_at=at.terms.now))
        at.book.put(replace(action, state=ActionState.DONE, leased_until=None))


async def _load(world: World, action: Action) -> CancelSession | None:
    async with world.store.transaction(action.merchant_id) as tx:
        found = await tx.load(CancelSession, [(action.subject,)])
        if not found:
            await tx.save([replace(action, state=ActionState.DROPPED, note="no such session")])
    return found[0] if found else None


async def _wanted(world: World, wish: Wish) -> Subscription:
    """The subscription meant, if it is the asker's own."""
    where = {
        "account_id": wish.account_id,
        "customer_id": wish.customer_id,
        "subscription_id": wish.subscription_id,
    }
    named = {name: value for name, value in where.items() if value is not None}
    async with world.store.transaction(wish.merchant_id) as tx:
        found = await tx.find(Subscription, where={"merchant_id": wish.merchant_id} | named)
    if wish.subscription_id is None:
        found = [one for one in found if one.status not in GONE]
    found = [one for one in found if one.customer_id is not None]
    if not found:
        raise UnknownSubscription(wish.subscription_id or "")
    if len(found) > 1:
        raise SeveralSubscriptions("several subscriptions: name one")
    return found[0]


def _resumed(
    book: Book, sessions: list[CancelSession], subscription: Subscription, terms: Terms
) -> CancelSession | None:
    """The session under way, or the one by which it is to end; one whose time is over is closed
    where it is found."""
    for session in sessions:
        if session.state is SessionState.OPEN and session.expires_at <= terms.now:
            book.put(session.moved(SessionState.ABANDONED, at=terms.now))
        elif session.state in UNDER_WAY:
            return session
    request = standing_request(book.all(CancelRequest), subscription.subscription_id)
    if request is not None and request.session_id is not None:
        return book.get(CancelSession, request.session_id)
    if request is not None or subscription.cancel_at or subscription.cancel_at_period_end:
        raise IllegalMove("the subscription is cancelled already")
    if subscription.status in GONE:
        raise IllegalMove("the subscription has ended")
    return None


async def _opened(
    tx: Transaction,
    world: World,
    book: Book,
    terms: Terms,
    subscription: Subscription,
    wish: Wish,
    nth: int,
) -> tuple[Flow, CancelSession]:
    now, customer = terms.now, book.get(Customer, subscription.account_id, subscription.customer_id)
    facts = leaving(subscription, customer, wish.attributes, now)
    flow = await flow_for(tx, wish.merchant_id, facts)
    place = place_of(wish.place, customer, await _card(tx, subscription, customer), flow.place)
    name = (subscription.account_id, subscription.subscription_id, nth)
    session_id = derive_id("session", now, *name)
    arm = _assigned(book, flow, session_id, subscription, terms)
    session = CancelSession(
        session_id=session_id,
        merchant_id=wish.merchant_id,
        account_id=subscription.account_id,
        customer_id=subscription.customer_id or "",
        subscription_id=subscription.subscription_id,
        token_hash=hash_of(token_of(world, session_id)),
        flow=flow.label,
        step=flow.steps[0].id,
        language=language_for(
            wish.language, customer.language if customer else None, terms.merchant.language
        ),
        place=place,
        offers=arm == "treated" and may_offer(place, now.date()),
        attributes=dict(wish.attributes) or None,
        opened_by=wish.opened_by,
        opened_at=now,
        expires_at=now + LASTS,
    )
    book.put(session)
    desk = ExitDesk(tx, book, terms, flow, session_id)
    shipped = {"document": DEFAULT_DOCUMENT} if flow is DEFAULT_FLOW else {}
    desk.note(EvidenceKind.STARTED, place=place, arm=arm, language=session.language, **shipped)
    desk.show(session, first_step(flow, facts, offers=session.offers, eligible=desk.eligible))
    book.add(_session_action(session, ActionKind.CLOSE_SESSION, "expiry"))
    return flow, session


async def _card(
    tx: Transaction, subscription: Subscription, customer: Customer | None
) -> PaymentMethod | None:
    method = subscription.default_method_id or (customer.default_method_id if customer else None)
    if method is None:
        return None
    found = await tx.load(PaymentMethod, [(subscription.account_id, method)])
    return found[0] if found else None


def _assigned(
    book: Book, flow: Flow, session_id: str, subscription: Subscription, terms: Terms
) -> str:
    """Draw whether offers are shown, and keep it: a row for each session."""
    who = subscription.customer_id or subscription.subscription_id
    arm = arm_of(
        key=terms.merchant.assignment_key,
        experiment=EXPERIMENT,
        customer=f"{subscription.account_id}:{who}",
        holdout_percent=flow.holdout_percent,
    )
    book.add(
        Assignment(
            merchant_id=terms.merchant.merchant_id,
            experiment=EXPERIMENT,
            unit=session_id,
            customer_id=subscription.customer_id,
            arm=arm,
            holdout_percent=flow.holdout_percent,
            drawn_at=terms.now,
        )
    )
    return arm


def _session_action(session: CancelSession, kind: ActionKind, nth: str) -> Action:
    return action_for(
        kind,
        subject=session.session_id,
        merchant_id=session.merchant_id,
        account_id=session.account_id,
        due_at=session.expires_at,
        nth=nth,
    )


def _forgetting(at: ExitDesk) -> Action:
    session = at.session
    return replace(
        _session_action(session, ActionKind.FORGET, "words"),
        due_at=session.opened_at + KEPT_FOR,
    )


def _shown_step(at: ExitDesk, step_id: str) -> FlowStep:
    step = at.flow.step(step_id)
    if step is None or step_id not in at.session.seen:
        raise IllegalMove("this step was not shown")
    return step


def kept_key(kept: SurveyAnswer) -> tuple[str, str]:
    """The key of an answer."""
    return kept.session_id, kept.step


def _kept(at: ExitDesk, step: FlowStep, said: Said) -> SurveyAnswer:
    """The answer as it is kept: bounded, without card numbers, with its red flags."""
    if said.reason is not None and step.kind is not StepKind.SURVEY:
        raise NotAsked("reason", "is asked by a survey alone")
    if said.reason is not None and at.flow.reason(said.reason) is None:
        raise NotAsked("reason", "is none of this flow")
    words, follow_up = own_words(said.words), own_words(said.follow_up)
    competitor = own_words(said.competitor, longest=LONGEST_NAME)
    return SurveyAnswer(
        session_id=at.session_id,
        step=step.id,
        merchant_id=at.session.merchant_id,
        subscription_id=at.session.subscription_id,
        reason=said.reason,
        follow_up=follow_up,
        words=words,
        competitor=competitor,
        rating=said.rating,
        likely=said.likely,
        flags=red_flags(words, follow_up),
        at=at.terms.now,
    )


def _raise_flags(at: ExitDesk, kept: SurveyAnswer) -> None:
    if kept.flags:
        text = f"what a customer wrote on leaving needs a person: {', '.join(kept.flags)}"
        merchant = at.session.merchant_id
        at.book.add(alert(at.terms.now, merchant, "red_flag", at.session_id, text))


def _abandon(at: ExitDesk) -> None:
    if at.session.state is SessionState.OPEN:
        at.note(EvidenceKind.ABANDONED, step=at.session.step)
        at.book.put(at.session.moved(SessionState.ABANDONED, at=at.terms.now))


def _view(at: ExitDesk) -> SessionView:
    session = at.session
    step = at.flow.step(session.step)
    if session.state not in {SessionState.OPEN, SessionState.ABANDONED}:
        step = at.flow.steps[-1]
    return SessionView(
        session=session,
        flow=at.flow,
        step=step or at.flow.steps[-2],
        may=may(session, at.flow),
        plan=at.subscription.plan,
        merchant_name=at.terms.merchant.name,
        answers=tuple(at.book.all(SurveyAnswer)),
        request=at.request,
    )


__all__ = ["NotAsked", "Said", "SessionView", "UnknownSession", "Wish"]
