"""The cancel session: one customer on the way out, from the first screen to one outcome.

The server is the state machine. What comes from a browser are ids of steps and choices; what is
done about them is decided here, from the flow that the session keeps.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, ClassVar

from app.domain.dunning import IllegalMove
from app.domain.flows import Flow, FlowStep, Leaving, StepKind, is_for

LASTS = timedelta(hours=24)  # WCAG 2.2.1 asks for at least 20 h where no warning is given
EXPERIMENT = "cancel_offers"  # who is shown no offer is drawn here


class SessionState(StrEnum):
    """`OPEN` until an outcome: `SAVED` by an offer, `CANCELLED`, or `ABANDONED`, which is never
    counted as saved. `APPLYING` and `CANCELLING` while the provider is asked; `FAILED` where it
    refused and a person must look."""

    OPEN = "open"
    APPLYING = "applying"
    SAVED = "saved"
    CANCELLING = "cancelling"
    CANCELLED = "cancelled"
    ABANDONED = "abandoned"
    FAILED = "failed"


# The whole life of a session. After an offer that failed it is open again: to leave is possible.
MOVES: Mapping[SessionState, frozenset[SessionState]] = {
    SessionState.OPEN: frozenset(
        {SessionState.APPLYING, SessionState.CANCELLING, SessionState.ABANDONED}
    ),
    SessionState.APPLYING: frozenset({SessionState.SAVED, SessionState.OPEN}),
    SessionState.CANCELLING: frozenset({SessionState.CANCELLED, SessionState.FAILED}),
    SessionState.FAILED: frozenset({SessionState.CANCELLED}),
    SessionState.SAVED: frozenset(),
    SessionState.CANCELLED: frozenset({SessionState.CANCELLING}),  # by withdrawing after it
    SessionState.ABANDONED: frozenset(),
}
# Whoever has not decided, or has cancelled already, may still withdraw.
WITHDRAWABLE = frozenset({SessionState.OPEN, SessionState.CANCELLED})
UNDER_WAY = frozenset({SessionState.OPEN, SessionState.APPLYING, SessionState.CANCELLING})


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelSession:
    """One session. `flow` is the version it began with, `step` the one shown now and `seen` those
    shown so far. `offers` says whether any offer may be shown; `place` is the jurisdiction, None
    where nothing told. `token_hash` is the SHA-256 of its token, which counts until `expires_at`.
    `outcome_key` is the caller's key of the command that decided it; `quote` the money of the offer
    that was shown, as it was told.
    """

    KEY: ClassVar = ("session_id",)
    UNIQUE: ClassVar = (("token_hash",),)
    session_id: str
    merchant_id: str
    account_id: str
    customer_id: str
    subscription_id: str
    token_hash: str
    flow: str
    state: SessionState = SessionState.OPEN
    step: str
    seen: tuple[str, ...] = ()
    reason: str | None = None
    language: str = "en"
    place: str | None = None
    offers: bool = False
    attributes: dict[str, Any] | None = None
    opened_by: str = ""
    opened_at: datetime
    expires_at: datetime
    ended_at: datetime | None = None
    request_id: str | None = None
    outcome_key: str | None = None
    quote: dict[str, Any] | None = None

    def moved(self, state: SessionState, *, at: datetime) -> "CancelSession":
        """The session in another state. Raises `IllegalMove` where `MOVES` has none."""
        if state not in MOVES[self.state]:
            raise IllegalMove(f"the session is {self.state} and cannot become {state}")
        return replace(self, state=state, ended_at=None if state in UNDER_WAY else at)

    def facts(self, leaving: Leaving) -> Leaving:
        """The facts with what the session has learned."""
        return replace(leaving, reason=self.reason)


Eligible = Callable[[FlowStep], bool]


def first_step(flow: Flow, facts: Leaving, *, offers: bool, eligible: Eligible) -> FlowStep:
    """The step a session begins with."""
    return _from(flow, 0, facts, offers=offers, eligible=eligible)


def following(
    session: CancelSession, flow: Flow, facts: Leaving, after: str, *, eligible: Eligible
) -> FlowStep:
    """The step after `after` for this customer, with the reason they gave. A session shows one
    offer at most, and none again that it showed. Success is reached by an outcome alone."""
    seen = [step for step in flow.steps if step.id in session.seen]
    offered = any(step.kind is StepKind.OFFER for step in seen)
    place = next((n for n, step in enumerate(flow.steps) if step.id == after), -1) + 1
    return _from(
        flow,
        place,
        session.facts(facts),
        offers=session.offers and not offered,
        eligible=eligible,
    )


def _from(flow: Flow, place: int, facts: Leaving, *, offers: bool, eligible: Eligible) -> FlowStep:
    for step in flow.steps[place:]:
        if step.kind in {StepKind.CONFIRM, StepKind.SUCCESS}:
            break
        if not is_for(step.when, facts):
            continue
        if step.kind is StepKind.OFFER and not (offers and eligible(step)):
            continue
        if step.kind is StepKind.VALUE_REMINDER and not eligible(step):
            continue
        return step
    return confirm_step(flow)


def confirm_step(flow: Flow) -> FlowStep:
    """The step that asks for the word."""
    return next(step for step in flow.steps if step.kind is StepKind.CONFIRM)


def shown(session: CancelSession, step: FlowStep) -> CancelSession:
    """The session with this step in front."""
    seen = session.seen if step.id in session.seen else (*session.seen, step.id)
    return replace(session, step=step.id, seen=seen)


def require_open(session: CancelSession, now: datetime) -> None:
    """Raise `IllegalMove` unless the session may still go either way."""
    if session.state is not SessionState.OPEN or session.expires_at <= now:
        state = session.state if session.state is not SessionState.OPEN else "over"
        raise IllegalMove(f"the session is {state}")


def may(session: CancelSession, flow: Flow, *, waits: bool = False) -> tuple[str, ...]:
    """What may be done now. To cancel is possible at every step, to look at each; `waits`: an
    offer was accepted that must be paid for, which may be looked at again or given up."""
    if session.state is SessionState.APPLYING and waits:
        return ("accept", "decline", "close")
    if session.state is not SessionState.OPEN:
        return ()
    step = flow.step(session.step)
    kind = step.kind if step else StepKind.CONFIRM
    more = {
        StepKind.OFFER: ("accept", "decline"),
        StepKind.CONFIRM: (),
    }.get(kind, ("answer",))
    return ("confirm", *more, "close")
