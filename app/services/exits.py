"""What the use cases of a cancellation share: the session on the desk, its customer locked."""

import hashlib
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from app.domain.actions import Action, ActionKind, action_for
from app.domain.cancellations import (
    AT_ONCE,
    GONE,
    CancelRequest,
    Choice,
    RequestState,
    may_be_undone,
    standing_request,
)
from app.domain.departures import ends_at, requests_of
from app.domain.dunning import Case
from app.domain.evidence import Evidence, EvidenceKind, of_session
from app.domain.flows import Flow, FlowStep, Leaving, StepKind, leaving
from app.domain.mirror import Customer, Subscription
from app.domain.records import Book
from app.domain.redemptions import FOR_A_PAYMENT, Redemption, RedemptionState
from app.domain.sessions import (
    WITHDRAWABLE,
    CancelSession,
    SessionState,
    following,
    may,
    shown,
)
from app.domain.survey import SurveyAnswer
from app.domain.terms import Terms
from app.domain.usage import UsageFact
from app.domain.withdrawals import may_withdraw
from app.ports.store import Transaction
from app.ports.world import World
from app.services.books import Touched, account_terms, load_touched, write
from app.services.flows import flow_kept
from app.services.shelves import keeping
from app.services.usage import facts_about

PURPOSE = "cancel"
LATEST = 20  # lines in which the last about each end is looked for


class UnknownSession(LookupError):
    """There is no such session for whoever asks."""


@dataclass(slots=True)
class ExitDesk:
    """One session inside a transaction: its book, its flow, its newest version."""

    tx: Transaction
    book: Book
    terms: Terms
    flow: Flow
    session_id: str
    quotes: Mapping[str, dict[str, Any]] = field(default_factory=dict)

    @property
    def session(self) -> CancelSession:
        """The session as it is now."""
        session = self.book.get(CancelSession, self.session_id)
        if session is None:
            raise UnknownSession(self.session_id)
        return session

    @property
    def subscription(self) -> Subscription:
        """What is to be cancelled, as mirrored."""
        session = self.session
        found = self.book.get(Subscription, session.account_id, session.subscription_id)
        if found is None:
            raise UnknownSession(self.session_id)
        return found

    @property
    def customer(self) -> Customer | None:
        """Who is leaving."""
        session = self.session
        return self.book.get(Customer, session.account_id, session.customer_id)

    @property
    def facts(self) -> Leaving:
        """What is known of them now."""
        attributes = self.session.attributes or {}
        return leaving(self.subscription, self.customer, attributes, self.terms.now)

    @property
    def request(self) -> CancelRequest | None:
        """What they asked for in this session."""
        return self.book.get(CancelRequest, self.session.request_id)

    @property
    def waits(self) -> bool:
        """Whether what they accepted waits for their payment."""
        taken = self.book.all(Redemption, session_id=self.session_id)
        waiting = (one for one in taken if one.state is RedemptionState.WAITING)
        return any(one.reason == FOR_A_PAYMENT for one in waiting)

    def eligible(self, step: FlowStep) -> bool:
        """Whether a step has something for this customer: an offer whose money is known, or facts
        to be reminded of."""
        if step.kind is StepKind.VALUE_REMINDER:
            return bool(step.texts) or any(self.book.all(UsageFact))
        return step.id in self.quotes

    @property
    def may_withdraw(self) -> bool:
        """Whether this customer has the right to withdraw from the contract, and still can."""
        session, asked = self.session, self.request
        zone = self.terms.zone_of(self.customer)
        right = may_withdraw(self.subscription, session.place, zone, self.terms.now)
        done = asked is not None and asked.choice is Choice.WITHDRAWAL
        return right and not done and session.state in WITHDRAWABLE

    def go_on(self, session: CancelSession, after: str) -> None:
        """Show the step after `after`."""
        step = following(session, self.flow, self.facts, after, eligible=self.eligible)
        self.show(session, step)

    def show(self, session: CancelSession, step: FlowStep) -> None:
        """Put a step in front; what is shown for the first time is noted."""
        if step.id not in session.seen:
            self.note(EvidenceKind.STEP_VIEWED, step.id, step=step.id, shows=step.kind)
            if step.kind is StepKind.OFFER:
                session = self._offering(session, step)
        self.book.put(shown(session, step))

    def _offering(self, session: CancelSession, step: FlowStep) -> CancelSession:
        told = {"offer": dict(step.offer or {}), "quote": self.quotes.get(step.id)}
        self.note(EvidenceKind.OFFER_SHOWN, step.id, step=step.id, **told)
        return replace(session, quote=told["quote"])

    async def note_shown(self, **foretold: Any) -> None:
        """Write that an end was foretold, where the last that was foretold of it said another
        thing: who looks again and again is told the same."""
        where = {"session_id": self.session_id, "kind": EvidenceKind.PREVIEWED}
        lines = await self.tx.find(Evidence, where=where, order=("-at",), limit=LATEST)
        mine = (dict(line.data or {}) for line in lines)
        told = (line for line in mine if line.get("choice") == foretold["choice"])
        of, at = EvidenceKind.PREVIEWED, self.terms.now
        now = of_session(self.session, of, at, str(foretold["choice"]), **foretold)
        if _lasting(next(told, None)) != _lasting(now.data):
            self.book.add(now)

    def note(self, kind: EvidenceKind, *about: str, **data: object) -> None:
        """Write a line of evidence."""
        self.book.add(of_session(self.session, kind, self.terms.now, *about, **data))


@asynccontextmanager
async def exit_desk(world: World, session: CancelSession) -> AsyncIterator[ExitDesk]:
    """Open a session with its customer locked; write the book when the block ends.

    Raises `UnknownSession` where it or its subscription is gone.
    """
    async with world.store.transaction(session.merchant_id) as tx:
        touched = Touched(customers={session.customer_id}, subscriptions={session.subscription_id})
        book = await load_touched(tx, session.account_id, touched)
        book.know(await tx.load(CancelSession, [(session.session_id,)]))
        book.know(await tx.find(Redemption, where={"session_id": session.session_id}))
        book.know(await tx.find(SurveyAnswer, where={"session_id": session.session_id}))
        terms = await account_terms(tx, world, session.merchant_id, session.account_id)
        terms = await keeping(tx, terms, book.all(Case))
        flow = await flow_kept(tx, session.merchant_id, session.flow)
        await know_usage(tx, book, flow, session)
        opened = ExitDesk(tx, book, terms, flow, session.session_id)
        if opened.session.customer_id != opened.subscription.customer_id:
            raise UnknownSession(session.session_id)
        yield opened
        await write(tx, book, at=terms.now)


async def know_usage(tx: Transaction, book: Book, flow: Flow, session: CancelSession) -> None:
    """Take what the customer is to be reminded of into the book, where the flow does that."""
    if any(step.kind is StepKind.VALUE_REMINDER for step in flow.steps):
        book.know(await facts_about(tx, session.account_id, session.customer_id))


def token_of(world: World, session_id: str) -> str:
    """The token of a session, the same each time it is asked."""
    return world.tokens.link(PURPOSE, session_id)


def hash_of(token: str) -> str:
    """What is stored of a token."""
    return hashlib.sha256(token.encode()).hexdigest()


async def session_of(world: World, token: str, session_id: str | None) -> CancelSession | None:
    """The session of a token, if it is the one named and the token still counts."""
    async with world.store.system() as tx:
        found = await tx.find(CancelSession, where={"token_hash": hash_of(token)})
    for session in found:
        named = session_id in (None, session.session_id)
        if named and world.clock.now() < session.expires_at:
            return session
    return None


def renamed(session: CancelSession, world: World) -> CancelSession:
    """The session with the hash of today's token: the master keys may have been rotated."""
    return replace(session, token_hash=hash_of(token_of(world, session.session_id)))


def session_action(session: CancelSession, kind: ActionKind, nth: str) -> Action:
    """What happens to a session when its time is over."""
    return action_for(
        kind,
        subject=session.session_id,
        merchant_id=session.merchant_id,
        account_id=session.account_id,
        due_at=session.expires_at,
        nth=nth,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionView:
    """A session as it is shown; `accepted` are the terms of the offer that saved it, `waits` tells
    of one that must be paid for. `overtaken`: it came to the end that all goes on, and by now the
    subscription has ended or is to end by another word."""

    session: CancelSession
    flow: Flow
    step: FlowStep
    may: tuple[str, ...]
    plan: str | None
    merchant_name: str
    answers: tuple[SurveyAnswer, ...] = ()
    request: CancelRequest | None = None
    time_zone: str = "UTC"
    usage: tuple[UsageFact, ...] = ()
    accepted: Mapping[str, Any] | None = None
    waits: bool = False
    overtaken: bool = False


def _lasting(told: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """What is foretold, without the instant at which an end at once would be."""
    if told is None or told.get("choice") not in AT_ONCE:
        return dict(told) if told else None
    return {name: said for name, said in told.items() if name != "access_until"}


def view_of(at: ExitDesk) -> SessionView:
    """The session on the desk, as it is shown."""
    session = at.session
    step = at.flow.step(session.step)
    if session.state not in {SessionState.OPEN, SessionState.ABANDONED}:
        step = at.flow.steps[-1]
    undo = at.request is not None and may_be_undone(at.request, at.terms.now)
    return SessionView(
        session=session,
        flow=at.flow,
        step=step or at.flow.steps[-2],
        may=(
            *may(session, at.flow, waits=at.waits),
            *(("uncancel",) if undo else ()),
            *(("withdraw",) if at.may_withdraw else ()),
        ),
        plan=at.subscription.plan,
        merchant_name=at.terms.merchant.name,
        answers=tuple(at.book.all(SurveyAnswer)),
        request=at.request,
        time_zone=at.terms.zone_of(at.customer).key,
        usage=tuple(at.book.all(UsageFact)),
        accepted=_accepted(at),
        waits=at.waits,
        overtaken=_goes_on(at) and _is_to_end(at),
    )


def _goes_on(at: ExitDesk) -> bool:
    """Whether the session says that all goes on."""
    if at.request is not None:
        return at.request.state is RequestState.UNDONE
    return at.session.state in {SessionState.SAVED, SessionState.ABANDONED}


def _is_to_end(at: ExitDesk) -> bool:
    row = at.subscription
    stands = standing_request(requests_of(at.book, row), row.subscription_id)
    return row.status in GONE or ends_at(row) or stands is not None


def _accepted(at: ExitDesk) -> Mapping[str, Any] | None:
    if at.session.state is not SessionState.SAVED:
        return None
    taken = at.book.all(Redemption, session_id=at.session_id)
    latest = max(taken, key=lambda one: one.claimed_at, default=None)
    step = at.flow.step(latest.offer_id) if latest else None
    return step.offer if step else None
