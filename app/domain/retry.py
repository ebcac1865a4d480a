"""When to try a refused payment again: a pure decision that explains itself in words."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from app.domain.adaptive import Standing, best_next
from app.domain.calendar import in_daytime, next_payday
from app.domain.declines import ASKS_CUSTOMER, Decline, DeclineKind
from app.domain.dunning import CardUse
from app.domain.hazards import group_of
from app.domain.network_rules import earliest_within_budget
from app.domain.policies import RetryPolicy, Strategy


@dataclass(frozen=True, slots=True)
class TryAgain:
    """Charge at `at` (aware UTC, later than now, within the window)."""

    at: datetime
    why: str


@dataclass(frozen=True, slots=True)
class AskCustomer:
    """Only the customer can change the outcome; no attempt until then or `until`."""

    until: datetime
    why: str


@dataclass(frozen=True, slots=True)
class GiveUp:
    """No further attempt of ours fits the policy, the networks or the window."""

    why: str


NextStep = TryAgain | AskCustomer | GiveUp


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryFacts:
    """What the decision looks at.

    `attempts_used` counts our own automatic attempts; `last_own_at` is the latest of them and
    `last_failed_at` the latest refusal by anybody. `uses` are the attempts on this card by
    anybody. `rail` is `card`, a debit scheme, or `in_mandate`. All instants aware UTC.
    """

    decline: Decline
    failures: int
    attempts_used: int
    opened_at: datetime
    window_ends_at: datetime
    last_failed_at: datetime
    last_own_at: datetime | None = None
    uses: tuple[CardUse, ...] = field(default=())
    rail: str = "card"
    tz: ZoneInfo = field(default_factory=lambda: ZoneInfo("UTC"))
    now: datetime


# Words for the letters and the timeline; fraud, loss and theft are never named.
CLASS_WORDS = {
    DeclineKind.INSUFFICIENT_FUNDS: "short of funds",
    DeclineKind.LIMIT_EXCEEDED: "a limit of the card",
    DeclineKind.PROCESSOR_ERROR: "a fault at the bank or processor",
    DeclineKind.RETRY_LATER: "the bank asks to try later",
    DeclineKind.RETRY_FEW_AND_ASK: "refused by the bank without a reason",
    DeclineKind.RECONCILE_FIRST: "a possible duplicate",
    DeclineKind.MERCHANT_PROBLEM: "a setting at the merchant",
    DeclineKind.UNKNOWN: "an unknown refusal",
    DeclineKind.NEW_METHOD: "the card cannot be used any more",
    DeclineKind.FIX_DATA: "card data to be corrected",
    DeclineKind.CUSTOMER_AUTHENTICATE: "the bank wants the customer to confirm",
    DeclineKind.NO_PAYMENT_METHOD: "no payment method on file",
    DeclineKind.NEVER: "the issuer does not allow another try",
}

# Waits after a processor's fault, by our attempts so far; the last repeats. Source: the ladder
# of the design, drawn from processors' own advice for technical declines.
PROCESSOR_LADDER = (timedelta(hours=4), timedelta(days=1), timedelta(days=3))


def next_step(policy: RetryPolicy, facts: RetryFacts) -> NextStep:
    """Decide what follows the latest refusal of one invoice.

    The order is: never, ask the customer, attempts used up, then an instant by the network, the
    strategy or the decline's class, moved by spacing, budgets and the customer's daytime.

    Returns:
        `TryAgain` with an instant later than `now` and not after the window, `AskCustomer` when
        no automatic attempt may help, `GiveUp` when attempts, budget or window are used up.

    Raises:
        ValueError: `failures` is below 1 (it counts the refusal being decided).

    Source:
        Window, count and spacing: the policy's defaults (28 days, 8, 20 h). The same eight tries
        recover more spread over 28 days than over 14.
    """
    if facts.failures < 1:
        raise ValueError("failures counts the refusal being decided, so it is at least 1")
    if stop := _needs_customer(facts):
        return stop
    used = f"{facts.attempts_used} of {policy.max_attempts} attempts used"
    if facts.attempts_used >= policy.max_attempts:
        return GiveUp(f"all {policy.max_attempts} attempts used")
    planned = _planned(policy, facts)
    if planned is None:
        return GiveUp(f"no further day in the plan; {used}")
    at, why = _allowed(planned[0], planned[1], policy, facts)
    if at > facts.window_ends_at:
        return GiveUp(f"the next useful instant lies after the window; {why}; {used}")
    return TryAgain(at, f"{why}; {used}")


def _needs_customer(facts: RetryFacts) -> AskCustomer | None:
    decline = facts.decline
    if decline.is_final or any(use.never for use in facts.uses):
        return AskCustomer(facts.window_ends_at, "this card must not be tried again")
    if decline.kind in ASKS_CUSTOMER:
        return AskCustomer(facts.window_ends_at, CLASS_WORDS[decline.kind])
    return None


Planned = tuple[datetime, str] | None


def _planned(policy: RetryPolicy, facts: RetryFacts) -> Planned:
    hours = facts.decline.network_wait_hours
    if hours is not None:
        return facts.last_failed_at + timedelta(hours=hours), f"the network asks to wait {hours} h"
    by_class = BY_CLASS.get(facts.decline.kind, _spread)
    return BY_STRATEGY.get(policy.strategy, by_class)(policy, facts)


def _fixed(policy: RetryPolicy, facts: RetryFacts) -> Planned:
    for day in sorted(policy.days):
        at = facts.opened_at + timedelta(days=day)
        if at > facts.now and (facts.last_own_at is None or at > facts.last_own_at):
            return at, f"day {day} of the plan"
    return None


def _adaptive(policy: RetryPolicy, facts: RetryFacts) -> Planned:
    found = best_next(
        Standing(
            group=group_of(facts.decline.kind),
            used=facts.attempts_used,
            left=policy.max_attempts - facts.attempts_used,
            last_failed_at=facts.last_failed_at,
            not_before=max(facts.now + timedelta(minutes=1), _spaced(policy, facts)),
            until=facts.window_ends_at,
            spacing_hours=policy.min_spacing_hours,
            tz=facts.tz,
        )
    )
    if found is None:
        return None
    at, worth = found
    words = CLASS_WORDS[facts.decline.kind]
    return at, f"{words}; of the instants left the best, worth {worth:.0%} of the amount"


def _payday(policy: RetryPolicy, facts: RetryFacts) -> Planned:
    after = max(facts.now, _spaced(policy, facts))
    at, name = next_payday(after, facts.tz)
    return at, f"waits for {name}: short of funds, payday"


def _processor(policy: RetryPolicy, facts: RetryFacts) -> Planned:
    wait = PROCESSOR_LADDER[min(facts.attempts_used, len(PROCESSOR_LADDER) - 1)]
    return facts.last_failed_at + wait, f"{CLASS_WORDS[facts.decline.kind]}, again after {wait}"


def _spread(policy: RetryPolicy, facts: RetryFacts) -> Planned:
    left = policy.max_attempts - facts.attempts_used
    gap = (facts.window_ends_at - facts.last_failed_at) / (left + 1)
    at = facts.last_failed_at + max(gap, timedelta(hours=policy.min_spacing_hours))
    return at, f"{CLASS_WORDS[facts.decline.kind]}; {left} tries spread evenly over the window"


BY_CLASS: dict[DeclineKind, Callable[[RetryPolicy, RetryFacts], Planned]] = {
    DeclineKind.INSUFFICIENT_FUNDS: _payday,
    DeclineKind.PROCESSOR_ERROR: _processor,
}

BY_STRATEGY: dict[Strategy, Callable[[RetryPolicy, RetryFacts], Planned]] = {
    Strategy.FIXED: _fixed,
    Strategy.ADAPTIVE: _adaptive,
}


def _spaced(policy: RetryPolicy, facts: RetryFacts) -> datetime:
    """The earliest instant our own spacing allows."""
    if facts.last_own_at is None:
        return facts.opened_at
    return facts.last_own_at + timedelta(hours=policy.min_spacing_hours)


def _allowed(
    at: datetime, why: str, policy: RetryPolicy, facts: RetryFacts
) -> tuple[datetime, str]:
    at = max(at, facts.now + timedelta(minutes=1), _spaced(policy, facts))
    at = in_daytime(at, facts.tz)
    within, rule = earliest_within_budget(
        facts.uses, rail=facts.rail, brand=facts.decline.brand, at=at
    )
    if rule is None:
        return at, why
    later = f"{why}; not before the network allows ({rule.source})"
    return in_daytime(within, facts.tz), later


def card_expiry(exp_year: int | None, exp_month: int | None) -> str | None:
    """`YYYY-MM`, or None where the expiry is unknown."""
    return None if not exp_year or not exp_month else date(exp_year, exp_month, 1).strftime("%Y-%m")
