"""What a customer may use while a payment is missing: levels that begin on days of the policy."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, ClassVar

from app.domain.actions import Action, ActionKind, action_for
from app.domain.calendar import months_after
from app.domain.dunning import Case, CaseState, Waits
from app.domain.mirror import Subscription
from app.domain.policies import AccessPolicy
from app.domain.records import Book
from app.domain.redemptions import Redemption, RedemptionState

GONE = frozenset({"canceled", "incomplete_expired"})
# What a subscription is after a case was given up and the debt is still there.
STILL_OWED = frozenset({"past_due", "unpaid"})
BY_REQUEST = "pause_requested"  # a pause that somebody wanted, not one after a failed payment
STANDS = dict.fromkeys(GONE, "gone") | {"paused": "paused"}  # all other statuses are one
OPEN = frozenset({CaseState.ACTIVE, CaseState.PARKED})
CASE_FACTS = ("state", "hold_began", "opened_at", "policy")


class Level(StrEnum):
    """From all to nothing. Retries never move a level, recovery gives `FULL` back."""

    FULL = "full"
    GRACE = "grace"
    RESTRICTED = "restricted"
    BLOCKED = "blocked"
    ENDED = "ended"

    @property
    def rank(self) -> int:
        """The stricter, the higher."""
        return list(Level).index(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """What the customer of a subscription may use, and why.

    `until` is when it changes to `then` if nothing happens until then; None where nothing will.
    `case_id` is the open case that decides.
    """

    level: Level
    since: datetime | None = None
    until: datetime | None = None
    then: Level | None = None
    reason: str
    case_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessState:
    """The level of a subscription that the merchant was told of last. Never what is answered: an
    answer is computed from cases and subscription, so that no late job makes it stale."""

    KEY: ClassVar = ("account_id", "subscription_id")
    UNIQUE: ClassVar = ()
    merchant_id: str
    account_id: str
    subscription_id: str
    customer_id: str | None = None
    case_id: str | None = None
    level: Level
    until: datetime | None = None
    reason: str
    changed_at: datetime


@dataclass(frozen=True, slots=True)
class Step:
    """A level of one case: `ends` is None where the next waits for something else than time."""

    case: Case
    level: Level
    begins: datetime


def stages(policy: AccessPolicy, opened_at: datetime) -> tuple[tuple[datetime, Level], ...]:
    """The levels of a case and when each begins, counted from the first failure, in order of
    time. Of levels that begin together only the strictest is there."""
    days = (
        (policy.grace_days, Level.GRACE),
        (policy.restricted_day, Level.RESTRICTED),
        (policy.blocked_day, Level.BLOCKED),
    )
    begins = {opened_at: Level.FULL}
    for day, level in days:
        if day is not None:
            begins[opened_at + timedelta(days=day)] = level
    return tuple(sorted(begins.items()))


def first_change(case: Case, policy: AccessPolicy) -> datetime | None:
    """When a new case first takes something from the customer; None where its policy never does."""
    days = (policy.grace_days, policy.restricted_day, policy.blocked_day)
    first = min((day for day in days if day is not None), default=None)
    return None if first is None else case.opened_at + timedelta(days=first)


def access_of(
    subscription: Subscription | None,
    cases: Iterable[tuple[Case, AccessPolicy]],
    *,
    now: datetime,
    rests_from: datetime | None = None,
) -> Access:
    """What the customer of a subscription may use `now` (aware UTC).

    Of several open cases the strictest level counts; each is counted from its own first failure,
    so that no retry and no later failure extends the grace. A case on hold or parked stays at its
    level; the time of a hold is not counted. Silent cases and those whose provider retries count
    as any other. With nothing open access is full; a subscription that ended gives none, and one
    that was paused by request is restricted once its paid period is over.

    Args:
        subscription: as mirrored; None where only its cases are known.
        cases: its cases with the access section of the policy each keeps, in any state.
        rests_from: the end of the paid period where an accepted pause is one of collection.
    """
    if subscription is not None and subscription.status in GONE:
        return Access(
            level=Level.ENDED,
            since=subscription.ended_at or subscription.canceled_at,
            reason="the subscription has ended",
        )
    owed = [(case, policy) for case, policy in cases if _counts(case, subscription)]
    steps = [step for case, policy in owed for step in _steps(case, policy)]
    access = _now(steps, subscription, now)
    paid_until = _rests_from(subscription, rests_from)
    return _at_rest(_until(access, steps, subscription, now), paid_until, now)


def _counts(case: Case, subscription: Subscription | None) -> bool:
    if case.state is CaseState.EXHAUSTED and subscription is not None:
        return subscription.status in STILL_OWED or subscription.collection_paused
    return case.state in OPEN


def _steps(case: Case, policy: AccessPolicy) -> list[Step]:
    """The levels that a case comes to as it stands: none beyond a hold or where it was parked."""
    away = timedelta(seconds=case.held_s)
    stopped = case.hold_began if case.waits is Waits.ON_HOLD else None
    if case.state is CaseState.PARKED:
        stopped = case.closed_at
    found = [Step(case, level, at + away) for at, level in stages(policy, case.opened_at)]
    return found[:1] + [step for step in found[1:] if stopped is None or step.begins <= stopped]


def _now(steps: Sequence[Step], subscription: Subscription | None, now: datetime) -> Access:
    begun = [step for step in steps if step.begins <= now]
    if not begun:
        since = subscription.started_at if subscription else None
        return Access(level=Level.FULL, since=since, reason="no failed renewal is open")
    strictest = max(begun, key=lambda step: step.level.rank)
    decides = min(
        (step for step in begun if step.level is strictest.level), key=lambda step: step.begins
    )
    return Access(
        level=decides.level,
        since=decides.begins,
        reason=_why(decides.case, now),
        case_id=decides.case.case_id,
    )


def _why(case: Case, now: datetime) -> str:
    days = (now - case.opened_at).days
    words = f"{days} days since the first failure, by the policy {case.policy}"
    if case.waits is Waits.ON_HOLD:
        return f"{words}; stays while the case is on hold"
    return f"{words}; stays while the case is parked" if case.state is CaseState.PARKED else words


def _until(
    access: Access, steps: Sequence[Step], subscription: Subscription | None, now: datetime
) -> Access:
    """The access with what comes next, be it a stricter level or the end that was asked for."""
    coming = [
        (step.begins, step.level)
        for step in steps
        if step.begins > now and step.level.rank > access.level.rank
    ]
    if (ends := _ends_at(subscription)) is not None and ends > now:
        coming.append((ends, Level.ENDED))
    if not coming:
        return access
    at, level = min(coming)
    return replace(access, until=at, then=level)


def _ends_at(subscription: Subscription | None) -> datetime | None:
    if subscription is None:
        return None
    at_period_end = subscription.period_end if subscription.cancel_at_period_end else None
    return subscription.cancel_at or at_period_end


def _rests_from(subscription: Subscription | None, told: datetime | None) -> datetime | None:
    """The end of the paid period of what was paused by request. A pause of collection shows
    neither who wanted it nor what was paid: its periods go on and are voided."""
    if subscription is None:
        return None
    if subscription.status == "paused" and subscription.pause_reason == BY_REQUEST:
        return subscription.period_end or subscription.started_at
    return told if subscription.collection_paused else None


def _at_rest(access: Access, paid_until: datetime | None, now: datetime) -> Access:
    """What was paused by request is restricted once the paid period is over."""
    if paid_until is None or access.level.rank >= Level.RESTRICTED.rank:
        return access
    if paid_until <= now:
        reason = "the subscription is paused"
        return Access(level=Level.RESTRICTED, since=paid_until, reason=reason)
    if access.until is not None and access.until <= paid_until:
        return access
    return replace(access, until=paid_until, then=Level.RESTRICTED)


def rests_from(pauses: Iterable[Redemption], now: datetime) -> datetime | None:
    """When the rest of an accepted pause that runs `now` begins: so many months before its end, and
    no earlier than was paid for where a month was too short for the day."""
    for one in pauses:
        ends, months = one.resumes_at, int(one.terms.get("months", 1))
        if ends is not None and now < ends and one.state is not RedemptionState.FAILED:
            first = months_after(ends, -months)
            days = (first + timedelta(days=n) for n in range(4))
            return max(day for day in days if months_after(day, months) == ends)
    return None


def timed(before: Case | None, after: Case, at: datetime) -> Case:
    """The case with the clock of its access stopped or running on, as it went on hold or off."""
    held = after.waits is Waits.ON_HOLD
    if held == (after.hold_began is not None):
        return after
    if held:
        return replace(after, hold_began=at)
    began = (before and before.hold_began) or after.hold_began or at
    return replace(after, hold_began=None, held_s=after.held_s + int((at - began).total_seconds()))


def matters(before: Case | Subscription | None, after: Case | Subscription) -> bool:
    """Whether access may be another one after this change of a row. What a new case takes comes
    in its time, and is planned where it opens."""
    if before is None:
        return False
    names = CASE_FACTS if isinstance(after, Case) else ("status", "collection_paused")
    return any(_fact(before, name) != _fact(after, name) for name in names)


def _fact(row: Case | Subscription, name: str) -> Any:
    value = getattr(row, name)
    return STANDS.get(value) if name == "status" else value


def access_action(row: Case | Subscription, due_at: datetime, *, nth: str) -> Action | None:
    """The action that records what access is by then; None for a case without a subscription. It
    stands in no customer's lane: money does not wait for it."""
    if row.subscription_id is None:
        return None
    return action_for(
        ActionKind.ACCESS_CHANGE,
        subject=row.subscription_id,
        merchant_id=row.merchant_id,
        account_id=row.account_id,
        due_at=due_at,
        nth=nth,
        data={"customer": row.customer_id},
    )


def plan_looks(book: Book, at: datetime) -> None:
    """Plan to look at what customers may use `at` once, wherever the change of a case or of a
    subscription in the book may have changed that. Asked for every book that is written."""
    for row in [*book.changed(Case), *book.added(Case)]:
        before = book.before(row)
        case = timed(before, row, at)
        book.put(case)
        if matters(before, case):
            _plan_look(book, case, f"{case.case_id}:{case.state}:{case.held_s}", at)
    for subscription in book.changed(Subscription):
        if matters(book.before(subscription), subscription):
            rests = ":rests" if subscription.collection_paused else ""
            _plan_look(book, subscription, f"{subscription.status}{rests}", at)


def _plan_look(book: Book, row: Case | Subscription, stand: str, at: datetime) -> None:
    action = access_action(row, at, nth=f"{stand}:{at.isoformat()}")
    if action is not None:
        book.add(action)
