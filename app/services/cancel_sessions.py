"""Cancel sessions: answered, declined, left. Nothing here asks the provider for anything."""

from dataclasses import dataclass, replace
from datetime import timedelta

from app.domain.actions import Action, ActionKind, ActionState
from app.domain.alerts import AlertKind
from app.domain.dunning import IllegalMove
from app.domain.evidence import EvidenceKind
from app.domain.flows import FlowStep, StepKind
from app.domain.saves import abandoned
from app.domain.sessions import CancelSession, SessionState, require_open
from app.domain.survey import KEPT_FOR, LONGEST_NAME, SurveyAnswer, own_words, red_flags
from app.ports.world import World
from app.services.accepting import give_up_waiting, settle_offer
from app.services.alarms import alert
from app.services.exits import ExitDesk, SessionView, exit_desk, session_action, view_of
from app.services.quoting import quotes_ahead

LOOK_AGAIN = timedelta(hours=1)


class NotAsked(ValueError):
    """The step asks for nothing like this; says what is wrong with which field."""

    def __init__(self, where: str, why: str) -> None:
        super().__init__(f"{where} {why}")
        self.where, self.why = where, why


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What was answered at a step; everything may be left out."""

    reason: str | None = None
    follow_up: str | None = None
    words: str | None = None
    competitor: str | None = None
    rating: int | None = None
    likely: int | None = None


async def show(world: World, session: CancelSession) -> SessionView:
    """A session as it stands."""
    async with exit_desk(world, session) as at:
        settle_offer(at)
        return view_of(at)


async def answer(world: World, session: CancelSession, step_id: str, said: Said) -> SessionView:
    """Take an answer and go on. A step shown before may be answered again: the way goes on from
    there. Repeated it changes nothing. Raises `IllegalMove`, and `NotAsked`."""
    quotes = await quotes_ahead(world, session, step_id, said.reason)
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
        at.quotes = quotes
        at.go_on(at.session, step.id)
        return view_of(at)


async def decline(world: World, session: CancelSession, step_id: str) -> SessionView:
    """Turn an offer down and go on; one that was accepted and waits for its payment is given up.
    Repeated it changes nothing. Raises `IllegalMove`."""
    if session.state is SessionState.APPLYING:
        await give_up_waiting(world, session)
        return await show(world, session)
    async with exit_desk(world, session) as at:
        require_open(at.session, at.terms.now)
        step = _shown_step(at, step_id)
        if step.kind is not StepKind.OFFER:
            raise IllegalMove("there is no offer at this step")
        if at.session.step == step.id:
            at.note(EvidenceKind.OFFER_DECLINED, step.id, step=step.id)
            at.go_on(at.session, step.id)
        return view_of(at)


async def close(world: World, session: CancelSession) -> SessionView:
    """The customer went away without a word: nothing changes for them, and what they accepted and
    did not pay for is given up. Repeated it does nothing more; a session that has an outcome keeps
    it."""
    if session.state is SessionState.APPLYING:
        await give_up_waiting(world, session)
    async with exit_desk(world, session) as at:
        _abandon(at)
        return view_of(at)


async def expire(world: World, action: Action) -> None:
    """Nobody came back to a session in time. Safe to repeat."""
    found = await _load(world, action)
    if found is None:
        return
    async with exit_desk(world, found) as at:
        settle_offer(at)
        _abandon(at)
        if at.session.state is SessionState.APPLYING:  # its offer hangs at the provider
            later = at.terms.now + LOOK_AGAIN
            at.book.put(replace(action, due_at=later, leased_until=None))
        else:
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


def _forgetting(at: ExitDesk) -> Action:
    session = at.session
    return replace(
        session_action(session, ActionKind.FORGET, "words"),
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
    """The answer as it is kept: bounded, without card numbers, with its red flags. Of somebody
    who was erased no words are kept."""
    if said.reason is not None and step.kind is not StepKind.SURVEY:
        raise NotAsked("reason", "is asked by a survey alone")
    if said.reason is not None and at.flow.reason(said.reason) is None:
        raise NotAsked("reason", "is none of this flow")
    if at.customer is not None and at.customer.erased:
        said = replace(said, words=None, follow_up=None, competitor=None)
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
        at.book.add(alert(at.terms.now, merchant, AlertKind.RED_FLAG, at.session_id, text))


def _abandon(at: ExitDesk) -> None:
    if at.session.state is SessionState.OPEN:
        at.note(EvidenceKind.ABANDONED, step=at.session.step)
        at.book.put(at.session.moved(SessionState.ABANDONED, at=at.terms.now))
        at.book.add(abandoned(at.session, at.subscription, at.terms.now))
