"""What access looks like from outside: for a merchant's backend, and for the customer's own."""

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from typing import Self

from pydantic import BaseModel, Field

from app.domain.access import Level
from app.services.access import SubscriptionAccess
from app.services.me import Me
from app.words.formats import show_money

ADVICE = (
    "We know no subscription of this customer, and nothing against them. Let them in, as when "
    "this service does not answer."
)


class CustomerLevel(StrEnum):
    """A level, or `unknown` where we know no subscription of the customer."""

    UNKNOWN = "unknown"
    FULL = "full"
    GRACE = "grace"
    RESTRICTED = "restricted"
    BLOCKED = "blocked"
    ENDED = "ended"


class NextChangeOut(BaseModel):
    """What access becomes if nothing happens until then."""

    level: Level
    at: datetime


class SubscriptionAccessOut(BaseModel):
    """What one subscription gives."""

    subscription: str = Field(description="The provider's id.")
    provider_account: str
    plan: str | None
    level: Level
    since: datetime | None = Field(description="When this level began; null where not known.")
    until: datetime | None = Field(description="When it changes by itself; null for never.")
    reason: str = Field(description="Why, in words for people.")
    case: str | None = Field(description="The open case that decides, `case_…`.")
    next: NextChangeOut | None

    @classmethod
    def of(cls, seen: SubscriptionAccess) -> Self:
        """One subscription as it is shown."""
        access = seen.access
        then = access.then and access.until and NextChangeOut(level=access.then, at=access.until)
        return cls(
            subscription=seen.subscription_id,
            provider_account=seen.account_id,
            plan=seen.subscription.plan if seen.subscription else None,
            level=access.level,
            since=access.since,
            until=access.until,
            reason=access.reason,
            case=access.case_id,
            next=then or None,
        )


class CustomerAccessOut(BaseModel):
    """What a customer may use now, over all subscriptions and for each."""

    customer: str
    level: CustomerLevel = Field(
        description="The mildest level of the subscriptions; `unknown` where there is none."
    )
    advice: str | None = Field(description="What to do about `unknown`; null otherwise.")
    subscriptions: list[SubscriptionAccessOut]

    @classmethod
    def of(cls, customer: str, seen: Sequence[SubscriptionAccess]) -> Self:
        """The subscriptions of a customer as they are shown."""
        return cls(
            customer=customer,
            level=level_over(seen),
            advice=None if seen else ADVICE,
            subscriptions=[SubscriptionAccessOut.of(one) for one in seen],
        )


def level_over(seen: Sequence[SubscriptionAccess]) -> CustomerLevel:
    """The mildest of several."""
    levels = [one.access.level for one in seen]
    mildest = min(levels, key=lambda level: level.rank, default=None)
    return CustomerLevel(mildest) if mildest else CustomerLevel.UNKNOWN


class OwedOut(BaseModel):
    """What is owed in one currency, over the open cases the customer is written to about."""

    currency: str = Field(description="ISO 4217, lower case.")
    amount_minor: int
    amount: str = Field(description="The same in the notation of the language asked for.")
    next_attempt_at: datetime | None = Field(description="When it is charged again.")


class MeOut(BaseModel):
    """What a customer is shown of themselves."""

    customer: str
    level: CustomerLevel = Field(description="The mildest level of the subscriptions.")
    next: NextChangeOut | None = Field(description="The next stricter level, if none pays.")
    owed: OwedOut | None = Field(description="null where nothing is owed.")

    @classmethod
    def of(cls, me: Me, language: str) -> Self:
        """A customer as shown to themselves."""
        changes = [
            NextChangeOut(level=one.access.then, at=one.access.until)
            for one in me.subscriptions
            if one.access.then and one.access.until
        ]
        amount = show_money(me.amount_minor, me.currency, language) if me.currency else ""
        return cls(
            customer=me.customer_id,
            level=level_over(me.subscriptions),
            next=min(changes, key=lambda change: change.at, default=None),
            owed=OwedOut(
                currency=me.currency,
                amount_minor=me.amount_minor,
                amount=amount,
                next_attempt_at=me.next_attempt_at,
            )
            if me.currency
            else None,
        )


class MyLinkOut(BaseModel):
    """A page of ours for one open payment of this customer."""

    url: str
    expires_at: datetime
