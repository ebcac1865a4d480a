"""What follows for a case: the next attempt, in words, as an action in the database."""

from dataclasses import replace
from datetime import datetime, timedelta

from app.domain.actions import ActionKind
from app.domain.backup_cards import DEAD, plan_backup
from app.domain.cards import card_key_of, rail_of, uses_of
from app.domain.dunning import (
    IN_DOUBT,
    Attempt,
    AttemptState,
    CardUse,
    Case,
    CaseKind,
    CaseState,
    Trigger,
    Waits,
)
from app.domain.mirror import Customer, PaymentMethod
from app.domain.movements import is_ending
from app.domain.openings import case_action, window_of
from app.domain.policies import Policy, Strategy
from app.domain.records import Book
from app.domain.retry import AskCustomer, GiveUp, NextStep, RetryFacts, TryAgain, next_step
from app.domain.sequence import plan_letters
from app.domain.terms import Terms, decline_from, note

# The control arm of the retry experiment: the policy's number of tries, evenly over the case's
# window, blind to the decline's class. Never nothing: a holdout must not cost the merchant money.
EVEN = Strategy.FIXED
AT_MOST_NEW_CARD_ATTEMPTS = 3  # per case within
NEW_CARDS_WITHIN = timedelta(days=1)


def decide(
    book: Book, case: Case, policy: Policy, terms: Terms, method: PaymentMethod | None
) -> Case:
    """Decide what follows, store the decision with its inputs and reason, plan its action.

    Nothing is planned while an attempt is in doubt: its resolution decides again. Nor while the
    case is on hold: whatever lifts the hold decides. Nor once its end was begun.
    """
    if case.state is not CaseState.ACTIVE or case.waits is Waits.ON_HOLD or is_ending(case):
        return case
    attempts = [a for a in book.all(Attempt) if a.case_id == case.case_id]
    if any(a.state in IN_DOUBT for a in attempts):
        return case
    if case.kind is CaseKind.INVOICE:
        return _reminded_only(book, case, policy, terms)
    facts = _facts(book, case, attempts, terms, method)
    step = next_step(_arm_policy(case, policy).retry, facts)
    case = _planned(book, case, step, terms)
    _remember(book, case, step, facts, terms)
    dead = case.decline_kind in DEAD or any(use.never for use in facts.uses)
    plan_backup(book, case, step, dead=dead, policy=policy, terms=terms)
    plan_letters(book, case, policy, terms)
    book.put(case)
    return case


def _reminded_only(book: Book, case: Case, policy: Policy, terms: Terms) -> Case:
    """The customer is to pay an invoice by themselves: letters, and never a charge."""
    case = replace(case, waits=Waits.CUSTOMER, next_attempt_at=None)
    plan_letters(book, case, policy, terms)
    book.put(case)
    return case


def _arm_policy(case: Case, policy: Policy) -> Policy:
    if case.arm != "holdout":
        return policy
    retry = policy.retry
    step = window_of(policy, case.interval).days / (retry.max_attempts + 1)
    days = tuple(round(step * (n + 1)) for n in range(retry.max_attempts))
    return replace(policy, retry=replace(retry, strategy=EVEN, days=days))


def _facts(
    book: Book,
    case: Case,
    attempts: list[Attempt],
    terms: Terms,
    method: PaymentMethod | None,
) -> RetryFacts:
    own = [a.intent_at for a in attempts if a.trigger is Trigger.HOLDFAST]
    refused = [a.intent_at for a in attempts if a.state is AttemptState.DECLINED]
    decline = decline_from(case.decline)
    card_key = card_key_of(method)
    if method is not None and method.brand and decline.brand is None:
        decline = replace(decline, brand=method.brand)
    return RetryFacts(
        decline=decline,
        failures=max(case.failures, 1),
        attempts_used=case.attempts_used,
        opened_at=case.opened_at,
        window_ends_at=case.window_ends_at,
        last_failed_at=max(refused, default=case.opened_at),
        last_own_at=max(own, default=None),
        uses=uses_of(book.all(CardUse), card_key, method),
        rail=rail_of(method),
        tz=terms.zone_of(book.get(Customer, case.account_id, case.customer_id)),
        now=terms.now,
    )


def _planned(book: Book, case: Case, step: NextStep, terms: Terms) -> Case:
    match step:
        case TryAgain(at=at):
            if case.driven:
                action = case_action(case, ActionKind.RETRY, at, nth=at.isoformat())
                book.add(action)
            theirs = case.next_attempt_at  # where the provider works it, its own next try
            return replace(
                case, waits=Waits.RETRYING, next_attempt_at=at if case.driven else theirs
            )
        case AskCustomer() | GiveUp():
            theirs = None if case.driven else case.next_attempt_at
            return replace(case, waits=Waits.CUSTOMER, next_attempt_at=theirs)


def _remember(book: Book, case: Case, step: NextStep, facts: RetryFacts, terms: Terms) -> None:
    inputs = {
        "decline": case.decline_kind,
        "failures": facts.failures,
        "attempts_used": facts.attempts_used,
        "policy": case.policy,
        "time_zone": facts.tz.key,
        "rail": facts.rail,
        "uses_of_this_card": len(facts.uses),
        "arm": case.arm,
    }
    match step:
        case TryAgain(at=at, why=why):
            by = "next attempt" if case.driven else "the provider retries; we would"
            text = f"{by} at {at.isoformat(timespec='minutes')}: {why}"
        case AskCustomer(why=why):
            text = f"asks the customer: {why}"
        case GiveUp(why=why):
            text = f"no further attempt: {why}"
    note(book, case, terms.now, "decision", text, inputs)


def too_many_new_cards(book: Book, case: Case, now: datetime) -> bool:
    """Whether this case had its attempts with new cards for one day."""
    recent = [
        a
        for a in book.all(Attempt)
        if a.case_id == case.case_id
        and a.trigger is Trigger.NEW_CARD
        and a.intent_at > now - NEW_CARDS_WITHIN
    ]
    return len(recent) >= AT_MOST_NEW_CARD_ATTEMPTS
