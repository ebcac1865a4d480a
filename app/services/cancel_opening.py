"""Opening a cancel session: whose it is, by which flow, in which jurisdiction."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from app.domain.actions import ActionKind
from app.domain.cancellations import GONE, CancelRequest, standing_request
from app.domain.compliance.law import may_offer
from app.domain.compliance.places import place_of
from app.domain.departures import is_to_end
from app.domain.dunning import IllegalMove
from app.domain.evidence import EvidenceKind
from app.domain.experiments import Assignment, arm_of
from app.domain.flow_default import DEFAULT_DOCUMENT, DEFAULT_FLOW
from app.domain.flows import Flow, leaving
from app.domain.ids import derive_id
from app.domain.languages import language_for
from app.domain.mirror import Customer, PaymentMethod, Subscription
from app.domain.records import Book
from app.domain.redemptions import Redemption
from app.domain.sessions import (
    EXPERIMENT,
    LASTS,
    UNDER_WAY,
    CancelSession,
    SessionState,
    first_step,
)
from app.domain.terms import Terms
from app.ports.store import Transaction
from app.ports.world import World
from app.services.accepting import settle_offer
from app.services.books import Touched, account_terms, load_touched, write
from app.services.exits import (
    ExitDesk,
    SessionView,
    hash_of,
    know_usage,
    renamed,
    session_action,
    token_of,
    view_of,
)
from app.services.flows import flow_for, flow_kept


class UnknownSubscription(LookupError):
    """Whoever asks has no such subscription."""


class SeveralSubscriptions(ValueError):
    """The customer has several: one must be named."""


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
        await _follow_offers(tx, book, terms)
        session = _resumed(book, list(book.all(CancelSession)), subscription, terms)
        if session is None:
            flow, session = await _opened(tx, world, book, terms, subscription, wish, len(sessions))
        else:
            flow = await flow_kept(tx, wish.merchant_id, session.flow)
            session = _lasting(renamed(session, world), terms.now)
            book.put(session)
        desk = ExitDesk(tx, book, terms, flow, session.session_id)
        await know_usage(tx, book, flow, session)
        view = view_of(desk)
        await write(tx, book, at=terms.now)
    return view, token_of(world, session.session_id)


async def _follow_offers(tx: Transaction, book: Book, terms: Terms) -> None:
    """Let sessions follow what they accepted: the workers may have settled it unseen."""
    for session in list(book.all(CancelSession, state=SessionState.APPLYING)):
        book.know(await tx.find(Redemption, where={"session_id": session.session_id}))
        flow = await flow_kept(tx, session.merchant_id, session.flow)
        settle_offer(ExitDesk(tx, book, terms, flow, session.session_id))


def _lasting(session: CancelSession, now: datetime) -> CancelSession:
    """One under way is shown to whoever comes back, however long its offer takes."""
    return session if now < session.expires_at else replace(session, expires_at=now + LASTS)


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
    where it is found. Who is to pay for another period until their end may leave before."""
    for session in sessions:
        if session.state is SessionState.OPEN and session.expires_at <= terms.now:
            book.put(session.moved(SessionState.ABANDONED, at=terms.now))
        elif session.state in UNDER_WAY:
            return session
    request = standing_request(book.all(CancelRequest), subscription.subscription_id)
    if request is not None and request.session_id is not None:
        return book.get(CancelSession, request.session_id)
    if is_to_end(request, subscription):
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
        attributes=None if customer and customer.erased else dict(wish.attributes) or None,
        opened_by=wish.opened_by,
        opened_at=now,
        expires_at=now + LASTS,
    )
    book.put(session)
    desk = ExitDesk(tx, book, terms, flow, session_id)
    shipped = {"document": DEFAULT_DOCUMENT} if flow is DEFAULT_FLOW else {}
    await know_usage(tx, book, flow, session)
    desk.note(EvidenceKind.STARTED, place=place, arm=arm, language=session.language, **shipped)
    desk.show(session, first_step(flow, facts, offers=session.offers, eligible=desk.eligible))
    book.add(session_action(session, ActionKind.CLOSE_SESSION, "expiry"))
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
