"""Leaving: what it would do, and the word itself.

The word is one transaction: the request, the stop of every case, an action for each open invoice
and for the subscription, the letter, the evidence. The provider is asked afterwards, and again by
a worker until it has it. So a cancel beats every charge that was not sent yet, ours or theirs.
"""

from dataclasses import dataclass, replace
from datetime import timedelta

from app.domain.actions import Action, ActionKind
from app.domain.alerts import AlertKind
from app.domain.cancellations import (
    CancelRequest,
    Changed,
    Choice,
    Departing,
    Preview,
    RequestState,
    Source,
    choices,
    preview,
    request_of,
)
from app.domain.dunning import IllegalMove
from app.domain.evidence import EvidenceKind
from app.domain.flows import Flow
from app.domain.mirroring import forward
from app.domain.reasons import feedback_of
from app.domain.sessions import CancelSession, SessionState, require_open
from app.ports.payments import AccountRefused, ProviderRefused, ProviderUnavailable
from app.ports.world import World
from app.services import agreed
from app.services.accepting import give_up_waiting
from app.services.alarms import alert
from app.services.cancel_settling import settle
from app.services.cancel_telling import cancel
from app.services.exits import ExitDesk, exit_desk
from app.services.merchants import raise_alert
from app.services.parting import part

RECEIPT_KEPT = timedelta(days=30)  # a session's token shows the receipt so long after the end
AT_MOST_AT_ONCE = 3  # invoices settled while the customer waits; more are left to the workers


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlook:
    """What may be chosen, the default first, and what each choice would do. `time_zone` is the
    customer's, for the days in it."""

    previews: tuple[Preview, ...]
    time_zone: str = "UTC"

    def of(self, choice: Choice | None) -> Preview:
        """The preview of a choice, of the default where none is named. Raises `Changed` for one
        that is not offered, by now."""
        for told in self.previews:
            if choice in (None, told.choice):
                return told
        raise Changed(f"an end of the kind `{choice}` is not offered here")


async def outlook(world: World, session: CancelSession) -> Outlook:
    """What leaving would do now, read live. Changes nothing but the evidence that it was shown.

    Raises `IllegalMove` where the session has an outcome.
    """
    async with exit_desk(world, session) as at:
        require_open(at.session, at.terms.now)
        account, flow = at.terms.account, at.flow
    standing = await world.payments.read_departing(account, session.subscription_id)
    async with exit_desk(world, session) as at:
        live = forward(at.book, standing.subscription, at.terms)
        seen = _previews(at, flow, standing)
        if live.has_schedule and await agreed.is_to_come(at.tx, live, at.terms.now):
            seen = replace(seen, previews=tuple(map(_letting_go, seen.previews)))
        for told in seen.previews:
            await at.note_shown(**_shown(told))
    return seen


def _previews(at: ExitDesk, flow: Flow, standing: Departing) -> Outlook:
    open_to = choices(standing, immediately=flow.immediately)
    return Outlook(
        previews=tuple(preview(standing, one, at.terms.now) for one in open_to),
        time_zone=at.terms.zone_of(at.customer).key,
    )


def _letting_go(told: Preview) -> Preview:
    return replace(told, lets_go=told.choice is Choice.PERIOD_END)


def _shown(told: Preview) -> dict[str, object]:
    return {
        "choice": told.choice,
        "access_until": told.access_until.isoformat(),
        "invoices": list(told.invoices),
        "next_minor": told.next_minor,
        **({"lets_go": True} if told.lets_go else {}),
    }


async def confirm(
    world: World,
    session: CancelSession,
    choice: Choice | None,
    *,
    key: str,
    told: str | None = None,
) -> CancelRequest:
    """Cancel, as the session's preview said. The request is the receipt.

    `told` is the mark of the preview that was shown: `Changed` is raised, and nothing done, where
    leaving would do something else by now, say because another period has begun.

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
        now = _previews(at, at.flow, standing).of(choice)
        if told not in (None, now.mark):
            raise Changed("leaving would do something else by now than what was told")
        request, todo = _asked(at, now, key)
    await at_once(world, todo)
    return await newest(world, request)


def _once(request: CancelRequest, choice: Choice | None) -> CancelRequest:
    if request.state is RequestState.UNDONE:
        raise IllegalMove("it was cancelled and taken back: leaving again takes a new session")
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
    request, todo = part(at.book, request, at.terms)
    moved = session.moved(SessionState.CANCELLING, at=now)
    kept = max(moved.expires_at, request.ends_at + RECEIPT_KEPT)
    at.book.put(replace(moved, request_id=request.request_id, outcome_key=key, expires_at=kept))
    at.note(EvidenceKind.CANCELLED, request.request_id, **_shown(told))
    return request, todo


async def at_once(world: World, todo: list[Action]) -> None:
    """Carry out now what the customer waits for. Whatever does not work is left to the workers:
    the actions stand, and a person is told of an end that the provider does not know of yet."""
    for action in todo[: 1 + AT_MOST_AT_ONCE]:
        handler = cancel if action.kind is ActionKind.CANCEL else settle
        try:
            await handler(world, action)
        except (ProviderUnavailable, ProviderRefused, AccountRefused) as fault:
            text = f"the provider was not told of a cancellation at once ({fault}); it is tried on"
            late = alert(
                world.clock.now(),
                action.merchant_id,
                AlertKind.CANCEL_DELAYED,
                action.subject,
                text,
            )
            async with world.store.transaction(action.merchant_id) as tx:
                await raise_alert(tx, late)


async def newest(world: World, request: CancelRequest) -> CancelRequest:
    """The request as it is now."""
    async with world.store.transaction(request.merchant_id) as tx:
        found = await tx.load(CancelRequest, [(request.request_id,)])
    return found[0] if found else request
