"""The cancel flow: the steps somebody who wants to leave is shown. Values, and who gets which.

A flow never stands in the way: whatever its steps say, to leave is possible at each of them.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Any, ClassVar

from app.domain.mirror import Customer, Subscription
from app.domain.reasons import REASONS, Reason

# The provider's status of a subscription in its trial.
TRIALING = "trialing"
MONTHS = {"day": 1 / 30, "week": 7 / 30, "month": 1, "year": 12}


class StepKind(StrEnum):
    """What a step shows. `CONFIRM` and `SUCCESS` stand once, at the end of every flow."""

    SURVEY = "survey"
    VALUE_REMINDER = "value_reminder"
    OFFER = "offer"
    FEEDBACK = "feedback"
    CUSTOM = "custom"
    CONFIRM = "confirm"
    SUCCESS = "success"


class FlowState(StrEnum):
    """`DRAFT` until published; `PUBLISHED` while new sessions may be given it, one version a
    name; `RETIRED` afterwards: sessions that began with it keep it."""

    DRAFT = "draft"
    PUBLISHED = "published"
    RETIRED = "retired"


@dataclass(frozen=True, slots=True, kw_only=True)
class Targets:
    """Whom a flow, or a step of it, is for. None is any; all that is given must hold.

    `tenure_days` and `mrr_minor` are the least and the most, both included. `attributes` are the
    merchant's own words about the customer, metadata of the provider among them.
    """

    plans: tuple[str, ...] | None = None
    interval: tuple[str, ...] | None = None
    countries: tuple[str, ...] | None = None
    reasons: tuple[str, ...] | None = None
    trial: bool | None = None
    tenure_days: tuple[int, int | None] | None = None
    mrr_minor: tuple[int, int | None] | None = None
    attributes: Mapping[str, tuple[str, ...]] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowStep:
    """One step. `texts` are the merchant's own, by language; `offer` is the document of an offer,
    on steps of that kind alone; `asks` is what a feedback step asks."""

    id: str
    kind: StepKind
    when: Targets = Targets()
    texts: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    offer: Mapping[str, Any] | None = None
    asks: tuple[str, ...] = ()


# What a feedback step may ask: in their own words, what they use instead, how satisfied they are
# and how likely to come back, both from 0 to 10.
ASKS = ("words", "competitor", "rating", "likely")


@dataclass(frozen=True, slots=True, kw_only=True)
class Flow:
    """A version of a flow. `immediately` allows an end now where the period is paid; `place` is
    the jurisdiction where nothing else tells, such as `DE` or `US-CA`; of `holdout_percent` of
    its sessions no offer is shown, so that what offers are worth can be told. `lifetime_minor` is
    what the offers one customer accepts may cost in all, in minor units by currency."""

    name: str = "default"
    version: int = 0
    applies_to: Targets = Targets()
    steps: tuple[FlowStep, ...] = ()
    reasons: tuple[Reason, ...] = REASONS
    immediately: bool = False
    place: str | None = None
    holdout_percent: int = 0
    lifetime_minor: Mapping[str, int] = field(default_factory=dict)

    @property
    def label(self) -> str:
        """What a session stores: `default@1`."""
        return f"{self.name}@{self.version}"

    def step(self, step_id: str) -> FlowStep | None:
        """The step of this id."""
        return next((step for step in self.steps if step.id == step_id), None)

    def reason(self, reason_id: str) -> Reason | None:
        """The reason of this id."""
        return next((reason for reason in self.reasons if reason.id == reason_id), None)

    def means_the_same(self, other: "Flow") -> bool:
        """Whether the two say the same, whatever their versions."""
        return self == replace(other, version=self.version)


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowVersion:
    """A stored flow document. The document never changes, only its state does."""

    KEY: ClassVar = ("merchant_id", "name", "version")
    UNIQUE: ClassVar = ()
    merchant_id: str
    name: str
    version: int
    document: dict[str, Any]
    state: FlowState = FlowState.DRAFT
    made_at: datetime
    made_by: str
    published_at: datetime | None = None
    published_by: str | None = None
    retired_at: datetime | None = None

    @property
    def label(self) -> str:
        """As a session stores it: `default@1`."""
        return f"{self.name}@{self.version}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Leaving:
    """What is known of somebody who wants to leave. `reason` is None until they chose one."""

    plans: frozenset[str] = frozenset()
    interval: str | None = None
    country: str | None = None
    reason: str | None = None
    trial: bool = False
    tenure_days: int = 0
    mrr_minor: int = 0
    attributes: Mapping[str, str] = field(default_factory=dict)


def leaving(
    subscription: Subscription,
    customer: Customer | None,
    attributes: Mapping[str, str],
    now: datetime,
) -> Leaving:
    """The facts of a subscription. What the merchant's backend says goes before metadata."""
    since = subscription.started_at or now
    country = customer.country if customer else None
    return Leaving(
        plans=frozenset(subscription.plan_names),
        interval=subscription.interval,
        country=country,
        trial=subscription.status == TRIALING,
        tenure_days=max((now - since).days, 0),
        mrr_minor=subscription.mrr_minor,
        attributes={
            **((customer and customer.metadata) or {}),
            **(subscription.metadata or {}),
            **attributes,
        },
    )


def is_for(targets: Targets, facts: Leaving) -> bool:
    """Whether a flow or step is for this customer. Everything it names must hold."""
    return (
        (targets.plans is None or not facts.plans.isdisjoint(targets.plans))
        and (targets.interval is None or facts.interval in targets.interval)
        and (targets.countries is None or facts.country in targets.countries)
        and (targets.reasons is None or facts.reason in targets.reasons)
        and (targets.trial is None or facts.trial is targets.trial)
        and _within(facts.tenure_days, targets.tenure_days)
        and _within(facts.mrr_minor, targets.mrr_minor)
        and all(facts.attributes.get(k) in some for k, some in (targets.attributes or {}).items())
    )


def _within(value: int, bounds: tuple[int, int | None] | None) -> bool:
    if bounds is None:
        return True
    low, high = bounds
    return low <= value and (high is None or value <= high)


def named(targets: Targets) -> tuple[bool, ...]:
    """What is named, the most particular first: the order that decides between two flows."""
    return (
        targets.attributes is not None,
        targets.plans is not None,
        targets.trial is not None,
        targets.mrr_minor is not None,
        targets.tenure_days is not None,
        targets.interval is not None,
        targets.countries is not None,
        targets.reasons is not None,
    )


def choose_flow(published: Iterable[Flow], facts: Leaving, *, otherwise: Flow) -> Flow:
    """The flow of a new session: of those that are for the customer the one that names the most,
    then the most particular, then the first by name; `otherwise` where none is."""
    fitting = [flow for flow in published if is_for(flow.applies_to, facts)]
    return min(fitting, key=_rank, default=otherwise)


def _rank(flow: Flow) -> tuple[int, tuple[bool, ...], str]:
    given = named(flow.applies_to)
    return (-sum(given), tuple(not one for one in given), flow.name)
