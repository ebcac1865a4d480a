"""The timeline a failure would get under a policy.

There is no second model: a book is filled as the service fills it, the same decisions plan the
same actions, and these are carried out here in their order by a bank that refuses every time.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from app.domain.access import Level, stages
from app.domain.actions import Action, ActionKind, ActionState
from app.domain.decisions import decide
from app.domain.dunning import Case, CaseEvent, CaseState, Trigger
from app.domain.merchants import CollectionMode, Merchant
from app.domain.messages import Message, MessageState
from app.domain.mirror import Customer, Invoice, Payment, PaymentMethod
from app.domain.openings import case_action
from app.domain.outcomes import Outcome, PayAnswer, begin, take_answer
from app.domain.policies import Policy
from app.domain.preview_cast import Assumed, opened
from app.domain.records import Book
from app.domain.recovery import Failure
from app.domain.sequence import (
    DUNNING_TEMPLATES,
    FINAL_NOTICE_AHEAD,
    is_overtaken,
    letters_on,
    plan_letter,
    send_action,
    sendable_at,
)
from app.domain.settlement import take_reading
from app.domain.terms import Terms, decline_json

MOST_STEPS = 2_000  # far more than any policy can plan
WATCHED_AFTER = timedelta(days=7)  # a case the provider works and does not end


@dataclass(frozen=True, slots=True)
class Line:
    """What would happen at an instant: `kind` is retry, message, dropped, access or end; `what`
    the attempt's number, the step, the level or the end; `why` in words."""

    at: datetime
    kind: str
    what: str
    why: str


@dataclass(slots=True)
class Play:
    """A case that is played: its book, its terms, and the lines so far."""

    book: Book
    terms: Terms
    policy: Policy
    failure: Assumed
    method: PaymentMethod
    lines: list[Line] = field(default_factory=list)

    @property
    def case(self) -> Case:
        """The case as it is now."""
        return next(self.book.all(Case))

    def tell(self, kind: str, what: str, why: str) -> None:
        """Write a line at this instant."""
        self.lines.append(Line(self.terms.now, kind, what, why))

    def done(self, action: Action) -> None:
        """The action was carried out."""
        self.book.put(replace(action, state=ActionState.DONE))


def preview(
    policy: Policy, failure: Assumed, *, merchant: Merchant, mode: CollectionMode
) -> tuple[Line, ...]:
    """What would happen after this failure, in order of time, if nobody ever paid.

    `mode` is the account's collection mode. Where the provider retries its attempts are its own
    affair and are not shown. A failure that gets no case has one line that says why.
    """
    book, terms, method = opened(policy, failure, merchant, mode)
    play = Play(book, terms, policy, failure, method)
    if next(play.book.all(Case), None) is None:
        (row,) = play.book.all(Failure)
        return (Line(failure.at, "end", "no_case", str(row.exclusion)),)
    for _ in range(MOST_STEPS):
        action = _next(play)
        if action is None:
            break
        play.terms = replace(play.terms, now=max(action.due_at, play.terms.now))
        HANDLERS[action.kind](play, action)
    return tuple(sorted([*play.lines, *_access(play)], key=lambda line: line.at))


def _next(play: Play) -> Action | None:
    pending = (a for a in play.book.all(Action) if a.state is ActionState.PENDING)
    return min(pending, key=lambda a: (a.due_at, a.key), default=None)


def _assess(play: Play, action: Action) -> None:
    """The first look: it finds the refusal, takes the invoice over where we drive, and decides."""
    play.done(action)
    driven = play.policy.drives(play.terms.account.mode)
    play.book.put(replace(play.case, driven=driven))
    invoice = next(play.book.all(Invoice))
    take_reading(play.book, play.case, invoice, [_refusal(play, "charge_0")], play.terms)
    decide(play.book, play.case, play.policy, play.terms, play.method)


def _refusal(play: Play, charge: str) -> Payment:
    failure = play.failure
    return Payment(
        merchant_id=play.case.merchant_id,
        account_id=play.case.account_id,
        payment_id="payment",
        customer_id="customer",
        invoice_id="invoice",
        charge_id=charge,
        status="failed",
        currency=failure.currency,
        amount_minor=failure.amount_minor,
        method_id=play.method.method_id,
        fingerprint=play.method.fingerprint,
        brand=failure.decline.brand,
        decline=decline_json(failure.decline),
        occurred_at=play.terms.now,
    )


def _retry(play: Play, action: Action) -> None:
    """One attempt, refused like the first."""
    play.done(action)
    planned = play.case.next_attempt_at
    if planned is None or not action.key.endswith(planned.isoformat()):
        return
    why = _reason(play)
    case, attempt = begin(play.book, play.case, Trigger.HOLDFAST, play.method, None, play.terms)
    play.tell("retry", str(case.attempts_used), why)
    answer = PayAnswer(
        outcome=Outcome.DECLINED,
        decline=play.failure.decline,
        payment_id="payment",
        charge_id=f"charge_{attempt.number}",
    )
    case = take_answer(play.book, case, attempt, answer, play.terms)
    decide(play.book, case, play.policy, play.terms, play.method)


def _reason(play: Play) -> str:
    """The words of the latest decision: when, and why then."""
    told = [event for event in play.book.all(CaseEvent) if event.type == "decision"]
    return told[-1].text.partition(": ")[2]


def _send(play: Play, action: Action) -> None:
    """One letter, unless it is overtaken, capped or not yet to leave."""
    play.done(action)
    message = play.book.get(Message, action.subject)
    if message is None or message.state is not MessageState.PLANNED:
        return
    if action.key != send_action(message).key:
        return
    why = _needless(play, message)
    customer = next(play.book.all(Customer))
    at, words = sendable_at(message, play.book.all(Message), customer, play.terms)
    if why is not None or at is None:
        play.book.put(replace(message, state=MessageState.DROPPED, reason=why or words))
        play.tell("dropped", message.step, why or words)
    elif at > play.terms.now:
        moved = replace(message, due_at=at, reason=words)
        play.book.put(moved)
        play.book.add(send_action(moved))
    else:
        _sent(play, message)


def _needless(play: Play, message: Message) -> str | None:
    wanted = CaseState.ACTIVE if message.template in DUNNING_TEMPLATES else play.case.state
    if play.case.state is not wanted:
        return f"the case is {play.case.state}"
    overtaken = is_overtaken(play.book, message, play.policy, play.terms.now)
    return "a newer letter is due as well" if overtaken else None


def _sent(play: Play, message: Message) -> None:
    now = play.terms.now
    play.book.put(replace(message, state=MessageState.SENT, sent_at=now))
    play.book.put(replace(play.case, wrote=True))
    if message.template == "final_notice":
        ends = max(play.case.window_ends_at, now + FINAL_NOTICE_AHEAD)
        play.book.put(replace(play.case, window_ends_at=ends))
    play.tell("message", message.step, message.template)


def _end(play: Play, action: Action) -> None:
    """The end, once the window is over and its notice went out in time."""
    play.done(action)
    case, now = play.case, play.terms.now
    if case.state is not CaseState.ACTIVE:
        return
    if not case.driven:
        _left_to_provider(play)
        return
    allowed = _allowed(play)
    due = max(case.window_ends_at, allowed) if allowed else now + timedelta(hours=6)
    if due > now:
        play.book.put(replace(case, window_ends_at=max(case.window_ends_at, due)))
        play.book.add(case_action(case, ActionKind.END, due, nth=due.isoformat()))
        return
    end = play.policy.end
    words = f"subscription {end.subscription}, invoice {end.invoice}"
    play.tell("end", "exhausted", words)
    play.book.put(case.moved(CaseState.EXHAUSTED, at=now, reason=words))
    if not case.silent:
        for row in letters_on("ended", play.policy):
            plan_letter(play.book, play.case, row, now, play.terms)


def _left_to_provider(play: Play) -> None:
    limit = play.case.window_ends_at + WATCHED_AFTER
    if play.terms.now < limit:
        play.book.add(case_action(play.case, ActionKind.END, limit, nth="park"))
        return
    reason = "the provider has neither collected nor ended it"
    play.tell("end", "parked", reason)
    play.book.put(play.case.moved(CaseState.PARKED, at=play.terms.now, reason=reason))


def _allowed(play: Play) -> datetime | None:
    """From when the final notice allows the end; None while it has not left."""
    case = play.case
    row = next((r for r in play.policy.messages if r.template == "final_notice"), None)
    if case.silent or row is None:
        return play.terms.now
    notice = next((m for m in play.book.all(Message) if m.step == row.step), None)
    if notice is None:
        plan_letter(play.book, case, row, play.terms.now, play.terms)
        return None
    if notice.state is MessageState.SENT and notice.sent_at is not None:
        return notice.sent_at + FINAL_NOTICE_AHEAD
    return play.terms.now if notice.state is MessageState.DROPPED else None


def _pass(play: Play, action: Action) -> None:
    """What only matters when an answer is missing, or is another's doing."""
    play.done(action)


def _access(play: Play) -> Iterator[Line]:
    """The levels, until the case is over. Retries do not move them."""
    case = play.case
    over = case.closed_at
    for at, level in stages(play.policy.access, case.opened_at):
        if level is not Level.FULL and (over is None or at < over):
            days = (at - case.opened_at).days
            yield Line(at, "access", str(level), f"day {days} after the first failure")
    if case.state is CaseState.EXHAUSTED and play.policy.end.subscription != "leave" and over:
        yield Line(over, "access", str(Level.ENDED), "the end of the policy")


HANDLERS: dict[ActionKind, Callable[[Play, Action], None]] = {
    **dict.fromkeys(ActionKind, _pass),
    ActionKind.ASSESS: _assess,
    ActionKind.RETRY: _retry,
    ActionKind.SEND: _send,
    ActionKind.END: _end,
}
