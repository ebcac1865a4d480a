"""Letters to people who left: what is asked of them and offered to them, when, and to whom never.

All are off until a merchant switches them on, and go to nobody without permission. Nothing is sent
about what happened before the switch was turned: a first deployment writes to nobody.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, ClassVar

from app.domain.actions import Action, ActionKind, action_for
from app.domain.cancellations import GONE, CancelRequest, RequestState
from app.domain.compliance.law import may_offer
from app.domain.dunning import Case, CaseState
from app.domain.messages import Message, MessageState
from app.domain.mirror import Customer, Dispute, Subscription
from app.domain.records import Book


class AfterLetter(StrEnum):
    """A letter to somebody who left; also the name of its template."""

    EXIT_FEEDBACK = "exit_feedback"
    WIN_BACK_BEFORE_END = "win_back_before_end"
    WIN_BACK = "win_back"
    WE_FIXED_IT = "we_fixed_it"


SETTLED_AFTER = timedelta(hours=1)  # who takes it back within the hour is asked nothing
# How late a letter may leave and still be one about what just happened; else it is dropped.
LATE = {
    AfterLetter.EXIT_FEEDBACK: timedelta(days=3),
    AfterLetter.WIN_BACK_BEFORE_END: timedelta(days=3),
    AfterLetter.WIN_BACK: timedelta(days=7),
    AfterLetter.WE_FIXED_IT: timedelta(days=7),
}
# The rule `win-back-later`.
NO_SOONER = timedelta(days=14)
BEFORE_END = timedelta(days=1)  # the last moment at which it helps to say that it can be taken back
APART = timedelta(days=7)  # between two of these letters to one customer
APART_FROM_OTHERS = timedelta(hours=20)  # from any other letter, as in dunning
MOST_IN_A_YEAR = 4
YEAR = timedelta(days=365)
LOOK_AGAIN = timedelta(days=1)
LEFT_WITHIN = timedelta(days=365)  # of those who left longer ago nobody is told that it is mended
# Days after the end, by reason. Who left for something that must be mended first is not asked
# back by the calendar: they hear when it is (`we_fixed_it`).
WIN_BACK_DAYS: Mapping[str, int] = {
    "too_expensive": 30,
    "cash_flow": 60,
    "not_using": 60,
    "needs_changed": 90,
    "found_alternative": 90,
    "temporary_need": 90,
    "": 60,
}
# Which words a letter uses for the reason somebody left for.
WORDS_FOR: Mapping[str, str] = {
    "too_expensive": "price",
    "cash_flow": "price",
    "not_using": "time",
    "temporary_need": "time",
    "needs_changed": "time",
}
COUNTS = frozenset({MessageState.SENT, MessageState.SENDING, MessageState.UNKNOWN})
IN_TROUBLE = frozenset({CaseState.ACTIVE, CaseState.PARKED})
OVER = frozenset({RequestState.UNDONE, RequestState.REFUSED})


@dataclass(frozen=True, slots=True, kw_only=True)
class AfterLetters:
    """What a merchant has switched on. `since` has the instant (ISO 8601) from which each letter
    is sent, by its name; one that is missing is off. `win_back_days` are days after the end by
    reason, `""` where none was given; a reason that is missing is not written to. `return_url` is
    where somebody who left subscribes again."""

    KEY: ClassVar = ("merchant_id",)
    UNIQUE: ClassVar = ()
    merchant_id: str
    since: dict[str, Any] = field(default_factory=dict)
    feedback_hours: int = 24
    before_end_days: int = 7
    win_back_days: dict[str, Any] = field(default_factory=lambda: dict(WIN_BACK_DAYS))
    return_url: str | None = None

    def since_of(self, letter: AfterLetter) -> datetime | None:
        """From when on a letter is sent; None where it is off."""
        at = self.since.get(letter)
        return datetime.fromisoformat(at) if at else None

    def switched(self, on: Iterable[AfterLetter], now: datetime) -> "AfterLetters":
        """The same with these letters on. One that was on keeps its instant; one that is turned on
        again begins anew."""
        since = {str(one): self.since.get(one) or now.isoformat() for one in on}
        return replace(self, since=since)


@dataclass(frozen=True, slots=True, kw_only=True)
class MailPermission:
    """Whether a customer agreed to letters that are not about a debt or a duty. `at` is when they
    said so, `how` where (a box at the order, a conversation); the audit log keeps what went
    before."""

    KEY: ClassVar = ("account_id", "customer_id")
    UNIQUE: ClassVar = ()
    merchant_id: str
    account_id: str
    customer_id: str
    given: bool
    at: datetime
    how: str
    noted_at: datetime

    def outlives(self, other: "MailPermission") -> bool:
        """Whether this word counts beside the other: the later one, of two at one instant the
        refusal."""
        return (self.at, not self.given) >= (other.at, not other.given)


@dataclass(frozen=True, slots=True, kw_only=True)
class ExitFeedback:
    """What somebody answered to the one question after they left: their own words, without card
    numbers, emptied a year later (`forgotten_at`)."""

    KEY: ClassVar = ("request_id",)
    UNIQUE: ClassVar = ()
    request_id: str
    merchant_id: str
    account_id: str
    customer_id: str | None = None
    subscription_id: str
    words: str | None = None
    flags: tuple[str, ...] = ()
    at: datetime
    forgotten_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MendedReason:
    """A merchant says that a reason to leave was put right. `note` says what, by language."""

    KEY: ClassVar = ("mended_id",)
    UNIQUE: ClassVar = ()
    mended_id: str
    merchant_id: str
    reason: str
    note: dict[str, Any]
    at: datetime
    by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Left:
    """All that decides whether somebody who left is written to. `others` are the customer's other
    subscriptions; `letters` all messages to them; `place` is the jurisdiction."""

    request: CancelRequest
    settings: AfterLetters
    customer: Customer | None
    permission: MailPermission | None
    subscription: Subscription | None
    others: tuple[Subscription, ...] = ()
    cases: tuple[Case, ...] = ()
    disputes: tuple[Dispute, ...] = ()
    letters: tuple[Message, ...] = ()
    place: str | None = None
    now: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """One letter that is to be sent at an instant. `step` makes it once; `mended` names what was
    put right."""

    letter: AfterLetter
    at: datetime
    mended: str | None = None

    @property
    def nth(self) -> str:
        """What tells it from the other letters about one request."""
        return f"{self.letter}:{self.mended}" if self.mended else str(self.letter)

    def action(self, request: CancelRequest) -> Action:
        """What sends it."""
        data = {"letter": str(self.letter), "at": self.at.isoformat(), "mended": self.mended}
        return _action(request, ActionKind.AFTER_LETTER, self.at, self.nth, data)

    @classmethod
    def of(cls, action: Action) -> "Planned":
        """The letter of an action."""
        data = action.data or {}
        return cls(
            letter=AfterLetter(data["letter"]),
            at=datetime.fromisoformat(data["at"]),
            mended=data.get("mended"),
        )


def plan_look_after(book: Book) -> None:
    """Plan, for each cancellation that is new in the book, to look an hour later which letters are
    to follow. Asked for every book that is written, so no way of leaving is forgotten."""
    for request in book.new(CancelRequest):
        at = request.requested_at + SETTLED_AFTER
        book.add(_action(request, ActionKind.PLAN_AFTER, at, "plan", None))


def letters_after(request: CancelRequest, settings: AfterLetters, now: datetime) -> list[Planned]:
    """The letters that follow a cancellation, at their instants; none whose time has passed, and
    none about what was said before it was switched on."""
    reason_days = settings.win_back_days.get(request.reason or "")
    before_end = request.ends_at - timedelta(days=settings.before_end_days)
    at = {
        AfterLetter.EXIT_FEEDBACK: request.requested_at + timedelta(hours=settings.feedback_hours),
        AfterLetter.WIN_BACK_BEFORE_END: max(before_end, request.requested_at + NO_SOONER),
    }
    if reason_days is not None:
        after = max(timedelta(days=int(reason_days)), NO_SOONER)
        at[AfterLetter.WIN_BACK] = request.ends_at + after
    if at[AfterLetter.WIN_BACK_BEFORE_END] > request.ends_at - BEFORE_END:
        del at[AfterLetter.WIN_BACK_BEFORE_END]
    return [
        Planned(letter=letter, at=when)
        for letter, when in at.items()
        if _was_on(settings, letter, request) and when + LATE[letter] > now
    ]


def _was_on(settings: AfterLetters, letter: AfterLetter, request: CancelRequest) -> bool:
    since = settings.since_of(letter)
    return since is not None and request.requested_at >= since


def why_never(planned: Planned, left: Left) -> str | None:
    """Why this letter must not be sent any more, or None."""
    letter, request, now = planned.letter, left.request, left.now
    if not _was_on(left.settings, letter, request):
        return "the letter was not switched on when they left"
    if left.permission is None or not left.permission.given:
        return "they did not agree to such letters"
    if left.customer is None or left.customer.erased or left.customer.deleted:
        return "the customer is not known any more"
    if request.state in OVER or _runs_on(left) or any(_lives(one) for one in left.others):
        return "they are a customer still, or again"
    if now > last_moment(planned, request):
        return "its time has passed"
    if letter is AfterLetter.WIN_BACK_BEFORE_END and not may_offer(left.place, now.date()):
        return "no offer may be made where they live before it has ended"
    mine = [m for m in left.letters if m.template in set(AfterLetter) and m.state in COUNTS]
    if sum(now - YEAR < (m.sent_at or m.due_at) for m in mine) >= MOST_IN_A_YEAR:
        return "they were written to often enough this year"
    return None


def when_free(left: Left) -> tuple[datetime, str] | None:
    """When it may be tried again, and why not now; None where nothing stands in the way."""
    now = left.now
    owes = any(case.state in IN_TROUBLE for case in left.cases)
    if owes or any(dispute.is_open for dispute in left.disputes):
        return now + LOOK_AGAIN, "a payment of theirs is open or disputed"
    for message in left.letters:
        if message.state not in COUNTS:
            continue
        apart = APART if message.template in set(AfterLetter) else APART_FROM_OTHERS
        free = (message.sent_at or message.due_at) + apart
        if free > now:
            return free, "they were written to a short while ago"
    return None


def last_moment(planned: Planned, request: CancelRequest) -> datetime:
    """Until when a letter may leave."""
    late = planned.at + LATE[planned.letter]
    before_end = planned.letter is AfterLetter.WIN_BACK_BEFORE_END
    return min(late, request.ends_at - BEFORE_END) if before_end else late


def _runs_on(left: Left) -> bool:
    """Whether what was cancelled is to go on after all."""
    mine = left.subscription
    return mine is not None and _lives(mine)


def _lives(subscription: Subscription) -> bool:
    ends = subscription.cancel_at_period_end or subscription.cancel_at is not None
    return subscription.status not in GONE and not ends


def words_for(reason: str | None) -> str:
    """Which words a letter uses for a reason."""
    return WORDS_FOR.get(reason or "", "other")


def mended_letters(
    requests: Iterable[CancelRequest], mended: MendedReason, settings: AfterLetters, now: datetime
) -> list[Action]:
    """The letters to those who left for what is mended now. Spread over a day by their ids, so
    that it is no mass mail; each is looked at when it is due."""
    found = []
    for request in requests:
        settled = request.ends_at <= now and now - request.requested_at >= NO_SOONER
        if settled and _was_on(settings, AfterLetter.WE_FIXED_IT, request):
            at = now + timedelta(minutes=int(request.request_id[-4:], 16) % (24 * 60))
            planned = Planned(letter=AfterLetter.WE_FIXED_IT, at=at, mended=mended.mended_id)
            found.append(planned.action(request))
    return found


def _action(
    request: CancelRequest, kind: ActionKind, at: datetime, nth: str, data: dict[str, Any] | None
) -> Action:
    return action_for(
        kind,
        subject=request.request_id,
        merchant_id=request.merchant_id,
        account_id=request.account_id,
        due_at=at,
        customer_id=request.customer_id,
        nth=nth,
        data=data,
    )
