"""What a person may order about a case: each order does its one thing, or is refused by name."""

from collections.abc import Callable
from datetime import date, timedelta
from enum import StrEnum

from app.domain.actions import Action, ActionKind, ActionState
from app.domain.calendar import DAY_BEGINS, at_hour
from app.domain.cards import card_key_of, rail_of, uses_of
from app.domain.dunning import (
    IN_DOUBT,
    Attempt,
    CardUse,
    Case,
    CaseKind,
    CaseState,
    IllegalMove,
    Trigger,
    Waits,
)
from app.domain.holds import (
    RELEASED,
    Hold,
    HoldReason,
    begin_again,
    holds_of,
    lift,
    look_at_collection,
    put_on_hold,
    release_old_debt,
)
from app.domain.mirror import Customer, PaymentMethod, Subscription
from app.domain.movements import is_ending
from app.domain.network_rules import earliest_within_budget
from app.domain.old_debts import is_held
from app.domain.openings import case_action
from app.domain.outcomes import resolve_action
from app.domain.records import Book, changed
from app.domain.sequence import FINAL_NOTICE_AHEAD
from app.domain.terms import Terms, note

FORGIVEN = "forgiven"
NO_DAY = date(2200, 1, 1)  # nobody waits as long, and every clock can tell the morning after


class Refusal(StrEnum):
    """Why a command is refused; the API has a problem of each name."""

    CASE_OVER = "case-over"
    CASE_ENDING = "case-ending"
    CASE_PARKED = "case-parked"
    CASE_HELD = "case-held"
    CASE_DISPUTED = "case-disputed"
    NOT_HELD = "not-held"
    NEVER_CHARGED = "never-charged"
    ATTEMPT_UNDER_WAY = "attempt-under-way"
    NETWORK_LIMIT = "network-limit"
    DAY_OVER = "day-over"


class CommandRefused(IllegalMove):
    """A command that the case does not allow now; nothing was done. `why` is its stable name."""

    def __init__(self, why: Refusal, text: str) -> None:
        super().__init__(text)
        self.why = why


Command = Callable[[Book, Case, Terms], Case]


def is_under_way(book: Book, case: Case) -> bool:
    """Whether a charge of ours may still bring money, whatever is ordered now."""
    return any(a.state in IN_DOUBT for a in book.all(Attempt, case_id=case.case_id))


def retry(nth: str) -> Command:
    """One attempt now, outside the policy's budget and inside the networks' rules. It looks at
    the live invoice before it charges. `nth` tells one order from another."""

    def ordered(book: Book, case: Case, terms: Terms) -> Case:
        _require_active(case)
        if case.kind is CaseKind.INVOICE:
            text = "the customer is to pay this invoice by themselves"
            raise CommandRefused(Refusal.NEVER_CHARGED, text)
        if not case.driven:
            text = "the provider retries this invoice; a charge beside it could be a second one"
            raise CommandRefused(Refusal.NEVER_CHARGED, text)
        if case.waits is Waits.ON_HOLD:
            raise CommandRefused(Refusal.CASE_HELD, "the case is on hold; release it first")
        if is_under_way(book, case) or _is_ordered(book, case):
            raise CommandRefused(Refusal.ATTEMPT_UNDER_WAY, "an attempt is under way")
        _require_network(book, case, terms)
        data: dict[str, str | None] = {"trigger": Trigger.OPERATOR.value}
        nth_of_all = f"{Trigger.OPERATOR}:{nth}"
        book.add(case_action(case, ActionKind.RETRY, terms.now, nth=nth_of_all, data=data))
        note(book, case, terms.now, "ordered", "an operator orders an attempt")
        return case

    return ordered


def _is_ordered(book: Book, case: Case) -> bool:
    return any(
        action.kind is ActionKind.RETRY
        and action.state is ActionState.PENDING
        and (action.data or {}).get("trigger") == Trigger.OPERATOR
        for action in book.all(Action, case_id=case.case_id)
    )


def _require_network(book: Book, case: Case, terms: Terms) -> None:
    """By the card the mirror has; the last look counts again, with the live one."""
    method = _method_of(book, case)
    uses = uses_of(book.all(CardUse), card_key_of(method), method)
    if any(use.never for use in uses):
        text = "the issuer does not allow another try with this card"
        raise CommandRefused(Refusal.NETWORK_LIMIT, text)
    brand = method.brand if method else None
    at, rule = earliest_within_budget(uses, rail=rail_of(method), brand=brand, at=terms.now)
    if rule is not None:
        text = f"not before {at.isoformat(timespec='minutes')}: {rule.source}"
        raise CommandRefused(Refusal.NETWORK_LIMIT, text)


def _method_of(book: Book, case: Case) -> PaymentMethod | None:
    subscription = book.get(Subscription, case.account_id, case.subscription_id)
    customer = book.get(Customer, case.account_id, case.customer_id)
    named = (subscription and subscription.default_method_id) or (
        customer and customer.default_method_id
    )
    return book.get(PaymentMethod, case.account_id, named)


def hold(reason: HoldReason, *, until: date | None, text: str | None) -> Command:
    """Wait through the day `until` (the customer's), or until released. A promise that was not
    kept is due again on the morning after; one that was kept has recovered the case."""

    def ordered(book: Book, case: Case, terms: Terms) -> Case:
        _require_active(case)
        zone = terms.zone_of(book.get(Customer, case.account_id, case.customer_id))
        ends = at_hour(until + timedelta(days=1), DAY_BEGINS, zone) if until else None
        if ends is not None and ends <= terms.now:
            raise CommandRefused(Refusal.DAY_OVER, "this day is over where the customer is")
        told = Hold(name=reason.value, reason=reason, until=ends, note=text)
        return put_on_hold(book, case, told, terms)

    return ordered


def release(reason: HoldReason | None = None) -> Command:
    """Lift the holds that people set, or all for one `reason`; take a parked case up again; let an
    old debt be collected."""

    def ordered(book: Book, case: Case, terms: Terms) -> Case:
        if case.state is CaseState.PARKED and reason is None:
            return _taken_up(book, case, terms)
        _require_active(case)
        holds = holds_of(case)

        def ends(held: Hold) -> bool:
            by_name = reason is None and held.reason is not HoldReason.DISPUTE
            return by_name or held.reason is reason

        if reason is None and is_held(case):
            case = release_old_debt(book, case, terms.now)
            note(book, case, terms.now, "hold_lifted", RELEASED)
        elif holds and reason is None and not any(map(ends, holds)):
            text = "a dispute at the bank holds it; name the reason to release it all the same"
            raise CommandRefused(Refusal.CASE_DISPUTED, text)
        elif not any(map(ends, holds)):
            raise CommandRefused(Refusal.NOT_HELD, "the case is not held for this reason")
        return lift(book, case, ends, RELEASED, terms)

    return ordered


def _taken_up(book: Book, case: Case, terms: Terms) -> Case:
    now = terms.now
    end = max(case.window_ends_at, now + FINAL_NOTICE_AHEAD)
    moved = case.moved(CaseState.ACTIVE, at=now, reason="taken up by an operator")
    moved = changed(moved, window_ends_at=end)
    begin_again(book, moved, now, end, nth=f"release:{now.isoformat()}")
    note(book, moved, now, "taken_up", "an operator takes the case up again")
    book.put(moved)
    _look_into_doubts(book, moved, terms)
    for held in holds_of(case):
        if held.reason is HoldReason.DISPUTE:  # which end by themselves
            moved = put_on_hold(book, moved, held, terms)
    look_at_collection(book, moved, terms)
    return moved


def _look_into_doubts(book: Book, case: Case, terms: Terms) -> None:
    """What was to find out about a charge may have been set aside with the case: it is found out
    about now, or nothing could ever be tried again, or ended."""
    for doubt in [a for a in book.all(Attempt, case_id=case.case_id) if a.state in IN_DOUBT]:
        if not any(book.all(Action, kind=ActionKind.RESOLVE, subject=doubt.attempt_id)):
            again = changed(doubt, reads=doubt.reads + 1)
            book.put(again)
            book.add(changed(resolve_action(case, again), due_at=terms.now))


def stop(text: str) -> Command:
    """Collect no more. What the customer pays by themselves still recovers the case."""

    def ordered(book: Book, case: Case, terms: Terms) -> Case:
        _require_open(case)
        return _stopped(book, case, f"by an operator: {text}", terms)

    return ordered


def forgive(close: str, text: str | None) -> Command:
    """Collect no more and close the invoice: `uncollectible` or `void`. Never while a charge of
    ours may still bring money; stop the case then and forgive it later."""

    def ordered(book: Book, case: Case, terms: Terms) -> Case:
        was_stopped = case.state is CaseState.STOPPED and not is_forgiven(case)
        if not was_stopped:
            _require_open(case)
        if is_under_way(book, case):
            raise CommandRefused(Refusal.ATTEMPT_UNDER_WAY, "an attempt is under way")
        words = f"{FORGIVEN}: {text}" if text else FORGIVEN
        if was_stopped:
            done = changed(case, reason=words)
            note(book, done, terms.now, CaseState.STOPPED, words)
            book.put(done)
        else:
            done = _stopped(book, case, words, terms)
        book.add(case_action(done, ActionKind.FORGIVE, terms.now, data={"close": close}))
        return done

    return ordered


def is_forgiven(case: Case) -> bool:
    """Whether somebody has forgiven this debt."""
    return case.state is CaseState.STOPPED and (case.reason or "").startswith(FORGIVEN)


def _stopped(book: Book, case: Case, words: str, terms: Terms) -> Case:
    done = case.moved(CaseState.STOPPED, at=terms.now, reason=words)
    note(book, done, terms.now, CaseState.STOPPED, words)
    book.put(done)
    look_at_collection(book, done, terms)
    return done


def _require_active(case: Case) -> None:
    if case.state is CaseState.PARKED:
        raise CommandRefused(Refusal.CASE_PARKED, "the case is parked; release it first")
    _require_open(case)


def _require_open(case: Case) -> None:
    if case.state not in {CaseState.ACTIVE, CaseState.PARKED}:
        raise CommandRefused(Refusal.CASE_OVER, f"the case is {case.state}")
    if is_ending(case):
        raise CommandRefused(Refusal.CASE_ENDING, "the end of the case is being carried out")
