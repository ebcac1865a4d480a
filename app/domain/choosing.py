"""Which policy a failure gets: of those that apply the most particular one, always the same."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from app.domain.dunning import Case
from app.domain.mirror import Customer, Subscription
from app.domain.policies import AppliesTo, Policy, TrialConversion


@dataclass(frozen=True, slots=True, kw_only=True)
class Failing:
    """What a policy is chosen by. `plans` are the plan's name and the provider's price and
    product ids; `segment` is metadata of the subscription over that of the customer."""

    plans: frozenset[str] = frozenset()
    interval: str | None = None
    currency: str = "usd"
    amount_minor: int = 0
    trial_conversion: bool = False
    segment: Mapping[str, str] = field(default_factory=dict)


def failing(case: Case, subscription: Subscription | None, customer: Customer | None) -> Failing:
    """The facts of a case as it was when it opened: the amount is the one owed then. Plan and
    metadata are those of today."""
    names = {case.plan, *(subscription.plan_names if subscription else ())}
    return Failing(
        plans=frozenset(name for name in names if name),
        interval=case.interval,
        currency=case.currency,
        amount_minor=case.amount_minor,
        trial_conversion=case.trial_conversion,
        segment=segment_of(subscription, customer),
    )


def segment_of(subscription: Subscription | None, customer: Customer | None) -> dict[str, Any]:
    """Metadata as policies see them: what the subscription says goes before the customer's."""
    return {
        **((customer and customer.metadata) or {}),
        **((subscription and subscription.metadata) or {}),
    }


def applies(to: AppliesTo, facts: Failing) -> bool:
    """Whether a policy is for such a failure. Everything it names must hold."""
    in_time = {
        TrialConversion.ANY: True,
        TrialConversion.ONLY: facts.trial_conversion,
        TrialConversion.NEVER: not facts.trial_conversion,
    }
    return (
        (to.plans is None or not facts.plans.isdisjoint(to.plans))
        and (to.interval is None or facts.interval in to.interval)
        and (to.currency is None or facts.currency in to.currency)
        and to.amount_min <= facts.amount_minor
        and (to.amount_max is None or facts.amount_minor <= to.amount_max)
        and in_time[to.trial_conversion]
        and all(facts.segment.get(key) in values for key, values in (to.segment or {}).items())
    )


def named(to: AppliesTo) -> tuple[bool, ...]:
    """What a policy names, the most particular first: the order that decides between two."""
    return (
        to.segment is not None,
        to.plans is not None,
        to.trial_conversion is not TrialConversion.ANY,
        to.amount_min > 0 or to.amount_max is not None,
        to.currency is not None,
        to.interval is not None,
    )


def applies_to_any(to: AppliesTo) -> bool:
    """Whether a policy leaves nobody out."""
    return not any(named(to))


def choose(published: Iterable[Policy], facts: Failing, *, otherwise: Policy) -> Policy:
    """The policy of a new case.

    Of those that apply, the one that names the most; of two that name as many, the one that
    names what comes first of segment, plans, trial conversion, amount, currency, interval; of
    two that name the same, the first by name. `otherwise` where none applies.
    """
    fitting = [policy for policy in published if applies(policy.applies_to, facts)]
    return min(fitting, key=_rank, default=otherwise)


def _rank(policy: Policy) -> tuple[int, tuple[bool, ...], str]:
    given = named(policy.applies_to)
    return (-sum(given), tuple(not one for one in given), policy.name)


@dataclass(frozen=True, slots=True, kw_only=True)
class Shelf:
    """A merchant's policies: `published` are given to new cases, `kept` are those that cases
    began with, by label; every stored version that is on the shelf stands in `kept`."""

    published: tuple[Policy, ...] = ()
    kept: Mapping[str, Policy] = field(default_factory=dict)
