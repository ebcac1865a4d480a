"""What every kind of offer shares: the facts it is judged by, its limits, and the answers."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, ClassVar, Self

from app.domain.changes import PlanEnd, PlanItems, ReleaseSchedule, Step, TakeBackEnd
from app.domain.documents import Field, Keyed, Text, Whole
from app.domain.standing import Price, Standing

COOL_DOWN_DAYS = 180
MOST_MINOR = 10**12
LIVING = frozenset({"active", "trialing"})
OVER = frozenset({"canceled", "incomplete_expired"})
BEHIND = frozenset({"past_due", "unpaid", "incomplete"})
CURRENCY = Text(3, "^[a-z][a-z][a-z]$", "an ISO 4217 code in small letters")
NAME = Text(40, "^[a-z][a-z0-9_-]*$", "small letters, digits, `_` and `-`")
PRICE_ID = Text(255, about="the provider's id of a price")
MONEY = Keyed(CURRENCY, Whole(1, MOST_MINOR), 200)


class Why(StrEnum):
    """Why an offer is not made, or no longer."""

    ENDED = "ended"  # the subscription is not running
    PAST_DUE = "past_due"  # what is owed is settled first
    UNDER_WAY = "under_way"  # an earlier change or end is being applied, or waits for its payment
    DECLINED = "declined"  # this customer turned it down not long ago
    COOL_DOWN = "cool_down"  # this customer had one not long ago
    LIFETIME_BUDGET = "lifetime_budget"  # this customer had as much as one may have
    MONTHLY_BUDGET = "monthly_budget"  # the offer's budget of the month is spent
    CURRENCY = "currency"  # the terms name no amount in this currency
    HAS_DISCOUNT = "has_discount"  # a discount stands already
    INTERVAL = "interval"  # the terms do not fit how often it is billed
    PRICE_UNKNOWN = "price_unknown"  # the price has no single amount
    NOT_CHEAPER = "not_cheaper"
    NOT_BETTER = "not_better"
    NO_TRIAL = "no_trial"
    HAS_TERM = "has_term"  # it ends by itself on a later day, and would be made endless
    PAUSED = "paused"
    IN_TRIAL = "in_trial"  # nothing is charged yet
    BY_BILL = "by_bill"  # it is paid by bill: nothing can be charged at once
    BY_DEBIT = "by_debit"  # it is paid by bank debit: the money takes days
    NO_SEATS = "no_seats"  # there are not more seats than would be left
    TOO_LATE = "too_late"  # the next charge is too near
    NOT_LONG_ENOUGH = "not_long_enough"  # the customer has not been here long enough


@dataclass(frozen=True, slots=True, kw_only=True)
class Past:
    """An offer that this customer accepted before, and what it cost at most."""

    offer_id: str
    kind: str
    at: datetime
    cost_minor: int
    currency: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What an offer is judged by.

    `under_way`: another offer of this subscription is being applied, or its end. `declined` are the
    ids of offers that were turned down on leaving it, within half a year. `past` are this
    customer's accepted offers that were not taken back; `spent_minor` is what the
    offers of each id cost this calendar month, over all customers, by (offer id, currency);
    `lifetime_minor` is what one customer may cost, by currency, None where there is no bound.
    `prices` are those that offers name, by id, where they could be read. `dated` is the instant
    that the rest of a period is computed for: that of the preview that was shown. `planned` is the
    plan of an earlier offer of ours that stands in the attached schedule. `by_debit`: what they pay
    with is a bank debit, as far as is known.
    """

    now: datetime
    standing: Standing
    started_at: datetime | None = None
    reason: str | None = None
    under_way: bool = False
    declined: frozenset[str] = frozenset()
    past: tuple[Past, ...] = ()
    spent_minor: Mapping[tuple[str, str], int] = field(default_factory=dict)
    lifetime_minor: Mapping[str, int] | None = None
    prices: Mapping[str, Price] = field(default_factory=dict)
    dated: datetime | None = None
    planned: PlanItems | None = None
    by_debit: bool = False


@dataclass(frozen=True, slots=True)
class Eligible:
    """The offer may be made; it costs at most so much, in minor units of `currency`."""

    cost_minor: int
    currency: str


@dataclass(frozen=True, slots=True)
class Refused:
    """The offer is not made."""

    why: Why


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How often and how much, of one offer."""

    cool_down_days: int = COOL_DOWN_DAYS
    monthly_minor: Mapping[str, int] = field(default_factory=dict)


class Kind(ABC):
    """What a kind of offer knows about itself. It knows no provider.

    `gives`: it changes what is billed, so cool-downs and budgets are for it. `ends_first`: a
    planned end is taken back before its changes, because afterwards the provider would refuse.
    """

    kind: ClassVar[str]
    fields: ClassVar[tuple[Field, ...]]
    gives: ClassVar[bool] = True
    offer_id: str
    limits: Limits

    @classmethod
    @abstractmethod
    def of(cls, offer_id: str, limits: Limits, terms: Mapping[str, Any]) -> Self:
        """The offer of terms whose shapes are right."""

    @classmethod
    def conflict(cls, terms: Mapping[str, Any]) -> str | None:
        """What its fields must not say together, in words."""
        return None

    @abstractmethod
    def refusal(self, facts: Facts) -> Why | None:
        """What of its own speaks against it."""

    @abstractmethod
    def changes(self, facts: Facts, mark: str) -> tuple[Step, ...]:
        """The provider calls in their order; `mark` is unique to this acceptance."""

    @property
    def prices_named(self) -> tuple[str, ...]:
        """The ids of prices that must be read before it can be judged."""
        return ()

    @property
    def ends_first(self) -> bool:
        """Whether a planned end is taken back before its changes."""
        return False

    def cost_minor(self, facts: Facts) -> int:
        """What it gives away at most, in minor units of the subscription's currency. Selling less
        for a while, or for good, gives nothing away."""
        return 0

    def until(self, facts: Facts) -> datetime | None:
        """When what it gives is over; None where it lasts or is used up at once."""
        return None

    def resumes_at(self, facts: Facts) -> datetime | None:
        """When a pause ends by itself; None where nothing is paused."""
        return None


# Kinds that change nothing at the provider.
ELSEWHERE = frozenset({"contact", "redirect", "custom"})
COMMON = (
    Field("id", NAME, None, "What the offer is called, in figures and by the API.", needed=True),
    Field("kind", Text(20), None, "What it is.", needed=True),
    Field(
        "cool_down_days",
        Whole(0, 3650),
        COOL_DOWN_DAYS,
        "Not to a customer who accepted any offer within so many days.",
    ),
    Field(
        "monthly_budget_minor",
        MONEY,
        {},
        "What it may cost in one calendar month, by currency. Without a currency: no bound.",
    ),
)


def limits_of(document: Mapping[str, Any]) -> Limits:
    """The limits of an offer's document whose shapes are right."""
    return Limits(
        cool_down_days=int(document.get("cool_down_days", COOL_DOWN_DAYS)),
        monthly_minor={
            code: int(minor) for code, minor in document.get("monthly_budget_minor", {}).items()
        },
    )


def guarded(offer: Kind, facts: Facts) -> Why | None:
    """What speaks against any offer, and against one that changes the subscription."""
    standing = facts.standing
    if offer.offer_id in facts.declined:
        return Why.DECLINED
    if not offer.gives:
        return Why.ENDED if standing.status in OVER else None
    if why := _unfit(standing):
        return why
    if standing.pending or facts.under_way:
        return Why.UNDER_WAY
    since = facts.now - timedelta(days=offer.limits.cool_down_days)
    if any(past.at > since and past.kind not in ELSEWHERE for past in facts.past):
        return Why.COOL_DOWN
    return None


def _unfit(standing: Standing) -> Why | None:
    """What of the subscription's own state speaks against changing it."""
    if standing.status in BEHIND:
        return Why.PAST_DUE
    if standing.status not in LIVING:
        return Why.PAUSED if standing.status == "paused" else Why.ENDED
    if standing.collection_paused:
        return Why.PAUSED
    return Why.HAS_TERM if standing.has_term else None


def over_budget(offer: Kind, facts: Facts, cost: int) -> Why | None:
    """Whether the customer's or the offer's budget is too small for it."""
    currency = facts.standing.currency
    spent = sum(past.cost_minor for past in facts.past if past.currency == currency)
    bound = (facts.lifetime_minor or {}).get(currency)
    if bound is not None and spent + cost > bound:
        return Why.LIFETIME_BUDGET
    monthly = offer.limits.monthly_minor.get(currency)
    this_month = facts.spent_minor.get((offer.offer_id, currency), 0)
    if monthly is not None and this_month + cost > monthly:
        return Why.MONTHLY_BUDGET
    return None


def freed(facts: Facts) -> tuple[Step, ...]:
    """What comes before any change: an attached schedule, ours or not, is let go. What was agreed
    before is planned again where this offer comes to nothing; whose phases we do not know cannot
    be."""
    standing, plan = facts.standing, facts.planned
    if standing.schedule is None:
        return ()
    spent = plan is not None and plan.at <= facts.now
    again = None
    if plan is not None and not spent:
        stay = (d.id for d in standing.discounts if not (plan.coupon and d.coupon == plan.coupon))
        again = replace(plan, keep=tuple(stay))
    return (Step(change=ReleaseSchedule(schedule=standing.schedule, spent=spent), undo=again),)


def kept(standing: Standing) -> tuple[Step, ...]:
    """A planned end is taken back; what undoes that plans it again, by the same of the two ways."""
    if not standing.ends:
        return ()
    flagged = standing.cancel_at_period_end
    again = PlanEnd(at=None if flagged else standing.cancel_at)
    return (Step(change=TakeBackEnd(flagged=flagged), undo=again),)


def charges_within(standing: Standing, months: int) -> int:
    """How many charges fall within so many months, at least one: the most a discount is used."""
    every = standing.months
    if every is not None:
        return max(1, -(-months // every))
    price = standing.items[0].price
    days = {"day": 1, "week": 7}.get(price.interval, 1) * price.interval_count
    return max(1, -(-months * 31 // days))


def tenure_days(facts: Facts) -> int:
    """Whole days since the subscription began; 0 where it is not known."""
    return (facts.now - facts.started_at).days if facts.started_at else 0
