"""From rows that changed to events that are told: pure, and the same each time it is asked."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from app.domain.access import GONE, AccessState, Level
from app.domain.actions import Action, ActionKind
from app.domain.churn import ChurnRecord
from app.domain.dunning import Attempt, AttemptState, Case, CaseState, Trigger, Waits
from app.domain.events import OutgoingEvent
from app.domain.events_catalogue import EventType
from app.domain.events_churn import churn_event, save_event
from app.domain.events_delivery import stamp
from app.domain.events_leaving import leaving_event
from app.domain.events_payloads import Setting, access_changed, of_case, outgoing, whole_case
from app.domain.evidence import Evidence
from app.domain.merchants import ProviderAccount
from app.domain.messages import LinkEvent, Message, MessageState, PaymentLink
from app.domain.mirror import Subscription
from app.domain.movements import CHURNS, lines_of
from app.domain.recovery import EntryKind, RecoveryEntry
from app.domain.saves import SaveStep

E = EventType
OVER = frozenset({CaseState.RECOVERED, CaseState.EXHAUSTED, CaseState.STOPPED})
ENDS = {
    CaseState.RECOVERED: E.CASE_RECOVERED,
    CaseState.EXHAUSTED: E.CASE_EXHAUSTED,
    CaseState.STOPPED: E.CASE_STOPPED,
}
OUTCOMES = {
    AttemptState.APPROVED: E.ATTEMPT_SUCCEEDED,
    AttemptState.DECLINED: E.ATTEMPT_FAILED,
    AttemptState.ACTION_REQUIRED: E.ATTEMPT_FAILED,
}
MONEY_IN = frozenset({EntryKind.RECOVERED, EntryKind.SETTLED_OTHER})
NO_MONEY = frozenset({EntryKind.CREDITED, EntryKind.CREDIT_VOIDED})


@dataclass(frozen=True, slots=True)
class Move:
    """A row before and after a use case, as it was written. `before` is None where it was not
    known; `new` says that there was none."""

    before: Any
    after: Any
    new: bool = False


Told = Iterator[OutgoingEvent]
Teller = Callable[[Move, Setting], Told]


def told_by(moves: Iterable[Move], setting: Setting) -> Told:
    """The events of one use case, in the order in which they are to be told, not yet numbered.
    Made one by one, so that asking whether there are any costs next to nothing."""
    kinds: dict[type[Any], list[Move]] = {}
    for move in moves:
        kinds.setdefault(type(move.after), []).append(move)
    for kind, teller in TELLERS:
        for move in kinds.get(kind, ()):
            yield from teller(move, setting)


def _opened(move: Move, setting: Setting) -> Told:
    case: Case = move.after
    if move.new:
        new = replace(case, state=CaseState.ACTIVE, waits=Waits.RETRYING)
        yield whole_case(E.CASE_OPENED, new, setting, case.opened_at)


def _moved(move: Move, setting: Setting) -> Told:
    before: Case | None = move.before
    case: Case = move.after
    yield from _held(move, setting)
    planned = before.next_attempt_at if before else None
    if case.next_attempt_at is not None and case.next_attempt_at != planned:
        yield of_case(
            E.ATTEMPT_SCHEDULED,
            case,
            setting,
            key=stamp(case.next_attempt_at),
            at=setting.now,
            currency=case.currency,
            due_minor=case.due_minor,
            next_attempt_at=case.next_attempt_at,
        )
    was = before.state if before else CaseState.ACTIVE
    if case.state is not was:
        yield from _turned(was, case, setting)


def _held(move: Move, setting: Setting) -> Told:
    before: Case | None = move.before
    case: Case = move.after
    held = before is not None and before.waits is Waits.ON_HOLD
    if case.waits is Waits.ON_HOLD and not held:
        yield whole_case(E.CASE_HELD, case, setting, setting.now)
    elif held and case.state is CaseState.ACTIVE and case.waits is not Waits.ON_HOLD:
        yield whole_case(E.CASE_RELEASED, case, setting, setting.now)


def _turned(was: CaseState, case: Case, setting: Setting) -> Told:
    if case.state is CaseState.ACTIVE:
        yield whole_case(E.CASE_REOPENED, case, setting, setting.now)
        return
    if case.state is CaseState.PARKED:
        yield whole_case(E.CASE_PARKED, case, setting, setting.now)
        return
    at = case.closed_at or setting.now
    end = {"closed_at": at, "cause": case.cause, "reason": case.reason}
    yield whole_case(ENDS[case.state], case, setting, at, **end)
    if was not in OVER:
        yield whole_case(E.CASE_CLOSED, case, setting, at, **end)


def _attempted(move: Move, setting: Setting) -> Told:
    before: Attempt | None = move.before
    attempt: Attempt = move.after
    kind, case = OUTCOMES.get(attempt.state), setting.book.get(Case, attempt.case_id)
    if kind is None or case is None or (before is not None and before.state is attempt.state):
        return
    yield of_case(
        kind,
        case,
        setting,
        key=f"{attempt.attempt_id}:{attempt.state}",
        at=attempt.resolved_at or setting.now,
        attempt=attempt.attempt_id,
        number=attempt.number,
        trigger=attempt.trigger,
        outcome=attempt.state,
        currency=attempt.currency,
        amount_minor=attempt.amount_minor,
        decline_kind=attempt.decline_kind,
        decline_code=(attempt.decline or {}).get("code"),
    )


def _sent(move: Move, setting: Setting) -> Told:
    before: Message | None = move.before
    message: Message = move.after
    case = setting.book.get(Case, message.case_id)
    was_sent = before is not None and before.state is MessageState.SENT
    if case is None or was_sent or message.state is not MessageState.SENT:
        return
    yield of_case(
        E.MESSAGE_SENT,
        case,
        setting,
        key=message.message_id,
        at=message.sent_at or setting.now,
        message=message.message_id,
        step=message.step,
        template=message.template,
        channel=message.channel,
        language=message.language,
    )


def _clicked(move: Move, setting: Setting) -> Told:
    event: LinkEvent = move.after
    link = setting.book.get(PaymentLink, event.link_id)
    case = setting.book.get(Case, link.case_id) if link else None
    if link is None or case is None or event.kind != "went_to_provider":
        return
    yield of_case(
        E.MESSAGE_CLICKED,
        case,
        setting,
        key=event.event_id,
        at=event.at,
        link=link.link_id,
        message=link.message_id,
        page=(event.data or {}).get("page"),
    )


def _new_method(move: Move, setting: Setting) -> Told:
    """A new method shows in what follows from it: it is set and tried, or only tried."""
    action: Action = move.after
    case = setting.book.get(Case, action.case_id)
    data = action.data or {}
    by_network = data.get("trigger") == Trigger.ACCOUNT_UPDATER
    if not move.new or case is None:
        return
    if action.kind is ActionKind.NEW_CARD or (action.kind is ActionKind.RETRY and by_network):
        yield of_case(
            E.METHOD_UPDATED,
            case,
            setting,
            key=action.key,
            at=setting.now,
            method=data.get("method"),
            source=Trigger.ACCOUNT_UPDATER if by_network else Trigger.CUSTOMER,
        )


def _entered(move: Move, setting: Setting) -> Told:
    entry: RecoveryEntry = move.after
    case = setting.book.get(Case, entry.case_id)
    if case is None or entry.kind in NO_MONEY:
        return
    yield of_case(
        E.REVENUE_ENTERED if entry.kind in MONEY_IN else E.REVENUE_RESTATED,
        case,
        setting,
        key=entry.entry_id,
        at=entry.occurred_at,
        entry=entry.entry_id,
        kind=entry.kind,
        cause=entry.cause,
        currency=entry.currency,
        amount_minor=entry.amount_minor,
        occurred_at=entry.occurred_at,
    )


def _ended(move: Move, setting: Setting) -> Told:
    before: Subscription | None = move.before
    subscription: Subscription = move.after
    if before is None or before.status in GONE or subscription.status not in GONE:
        return
    lines = lines_of(setting.book, subscription)
    lost = [line.kind for line in lines if line.kind in CHURNS and line.delta_minor < 0]
    yield outgoing(
        E.SUBSCRIPTION_ENDED,
        subscription,
        subject=subscription.subscription_id,
        key=stamp(subscription.seen_at),
        at=subscription.ended_at or setting.now,
        now=setting.now,
        account=subscription.account_id,
        data={
            "account": subscription.account_id,
            "subscription": subscription.subscription_id,
            "customer": subscription.customer_id,
            "status": subscription.status,
            "churn": lost[-1] if lost else None,
            "currency": subscription.currency,
            "mrr_minor": before.mrr_minor,
            "plan": subscription.plan,
        },
    )


def _access(move: Move, setting: Setting) -> Told:
    before: AccessState | None = move.before
    state: AccessState = move.after
    was = before.level if before else Level.FULL
    if state.level is not was:
        yield access_changed(
            state,
            access=state.level,
            was=was,
            until=state.until,
            reason=state.reason,
            case=state.case_id,
            now=setting.now,
        )


def _leaving(move: Move, setting: Setting) -> Told:
    event = leaving_event(move.after, setting.now)
    if event is not None:
        yield event


def _churned(move: Move, setting: Setting) -> Told:
    event = churn_event(move.after, setting.now)
    if event is not None:
        yield event


def _judged(move: Move, setting: Setting) -> Told:
    event = save_event(move.after, setting.now)
    if event is not None:
        yield event


def _paused(move: Move, setting: Setting) -> Told:
    before: ProviderAccount | None = move.before
    account: ProviderAccount = move.after
    was, now = before.paused_reason if before else None, account.paused_reason
    if bool(was) == bool(now):
        return
    data = {"account": account.account_id} | ({"reason": now} if now else {})
    yield outgoing(
        E.ACCOUNT_PAUSED if now else E.ACCOUNT_RESUMED,
        account,
        subject=account.account_id,
        key=setting.now.isoformat(),
        at=setting.now,
        now=setting.now,
        account=account.account_id,
        data=data,
    )


# In the order in which a use case tells: what happened first, what became of the case last.
TELLERS: tuple[tuple[type[Any], Teller], ...] = (
    (Case, _opened),
    (Action, _new_method),
    (LinkEvent, _clicked),
    (Attempt, _attempted),
    (Message, _sent),
    (RecoveryEntry, _entered),
    (Case, _moved),
    (Evidence, _leaving),
    (Subscription, _ended),
    (ChurnRecord, _churned),
    (SaveStep, _judged),
    (AccessState, _access),
    (ProviderAccount, _paused),
)
TOLD = frozenset(kind for kind, _ in TELLERS)
