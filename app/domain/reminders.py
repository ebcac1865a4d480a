"""When a customer is told of a renewal or of an expiring card, and when that is no longer true.

Reminders hang on subscriptions: actions that are planned from the mirror and looked at again when
they are due.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from app.domain.actions import Action, ActionKind, action_for
from app.domain.calendar import in_daytime
from app.domain.choosing import Failing, segment_of
from app.domain.mirror import Customer, PaymentMethod, Subscription
from app.domain.notice_windows import ReminderPolicy
from app.domain.records import Book
from app.domain.terms import Terms

RENEWS = frozenset({"active", "trialing"})
MONTHS_OF = {"month": 1, "year": 12}
MOST_RENEWALS = 600  # of a subscription that are looked through, for odd intervals
Json = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Renewal:
    """What a planned reminder is about: which renewal, how many days ahead, and why.

    `why` is `term` (long enough to be forgotten), `price` (it changes; `former_minor` was the
    price) or `card` (it will have expired by then).
    """

    at: datetime
    days: int
    why: str
    former_minor: int | None = None

    @property
    def data(self) -> Json:
        """The same for an action's row."""
        own: Json = {"at": self.at.isoformat(), "days": self.days, "why": self.why}
        return own if self.former_minor is None else own | {"former": self.former_minor}

    @property
    def nth(self) -> str:
        """What tells it from other reminders of one subscription."""
        return f"{self.at.isoformat()}:{self.days}:{self.why}"

    def key(self, subscription: str) -> str:
        """The key of its action."""
        return f"{ActionKind.REMIND}:{subscription}:{self.nth}"

    @classmethod
    def of(cls, action: Action) -> "Renewal":
        """The renewal an action is about."""
        data = action.data or {}
        return cls(
            at=datetime.fromisoformat(data["at"]),
            days=int(data["days"]),
            why=str(data["why"]),
            former_minor=data.get("former"),
        )

    @property
    def step(self) -> str:
        """The step of the message: one for each renewal and day, whatever the reasons."""
        return f"renewal-{self.days}:{self.at.astimezone(UTC).date().isoformat()}"


def term_months(subscription: Subscription) -> int:
    """How many months one term has; 0 for terms of days and weeks."""
    return MONTHS_OF.get(subscription.interval or "", 0) * subscription.interval_count


def reminders_of(
    subscription: Subscription, customer: Customer | None, terms: Terms
) -> ReminderPolicy:
    """What the policy says that a refusal of the coming renewal would get."""
    renewal = Failing(
        plans=frozenset(subscription.plan_names),
        interval=subscription.interval,
        currency=subscription.currency or "usd",
        amount_minor=subscription.price_minor,
        trial_conversion=subscription.status == "trialing",
        segment=segment_of(subscription, customer),
    )
    return terms.policy_for(renewal).reminders


def plan_renewals(
    book: Book, before: Subscription | None, after: Subscription, terms: Terms
) -> None:
    """Plan the reminders of the coming renewal. Planned twice they are planned once; what no
    longer holds when they are due is dropped then. Under a schedule the price may change; whether
    it does is seen when the reminder is due."""
    if not will_renew(after, terms.now) or after.period_end is None:
        return
    policy = _policy(book, after, terms)
    for days in policy.days_for(term_months(after)):
        _plan(book, after, Renewal(at=after.period_end, days=days, why="term"), terms)
    former = former_price(before, after)
    if former is not None or after.has_schedule:
        for days in policy.changed_days:
            renewal = Renewal(at=after.period_end, days=days, why="price", former_minor=former)
            _plan(book, after, renewal, terms)


def plan_for_card(book: Book, subscription: Subscription, terms: Terms) -> None:
    """Plan the reminders of a renewal that will find an expired card."""
    if will_renew(subscription, terms.now) and subscription.period_end is not None:
        for days in _policy(book, subscription, terms).changed_days:
            renewal = Renewal(at=subscription.period_end, days=days, why="card")
            _plan(book, subscription, renewal, terms)


def _policy(book: Book, subscription: Subscription, terms: Terms) -> ReminderPolicy:
    customer = book.get(Customer, subscription.account_id, subscription.customer_id)
    return reminders_of(subscription, customer, terms)


def _plan(book: Book, subscription: Subscription, renewal: Renewal, terms: Terms) -> None:
    """One reminder; none whose day has passed: nobody is caught up with."""
    at = renewal.at - timedelta(days=renewal.days)
    if at < terms.now:
        return
    customer = book.get(Customer, subscription.account_id, subscription.customer_id)
    book.add(
        action_for(
            ActionKind.REMIND,
            subject=subscription.subscription_id,
            merchant_id=subscription.merchant_id,
            account_id=subscription.account_id,
            due_at=in_daytime(at, terms.zone_of(customer)),
            customer_id=subscription.customer_id,
            nth=renewal.nth,
            data=renewal.data,
        )
    )


def will_renew(subscription: Subscription, now: datetime) -> bool:
    """Whether it is charged again at the end of its period, as far as is known."""
    end = subscription.period_end
    ends = subscription.cancel_at is not None and end is not None and subscription.cancel_at <= end
    return (
        subscription.status in RENEWS
        and end is not None
        and end > now
        and not (ends or subscription.cancel_at_period_end or subscription.collection_paused)
    )


def former_price(before: Subscription | None, after: Subscription) -> int | None:
    """What a term cost until now, where the price of the same product was changed; None where it
    was not. A customer's own switch to another product or quantity is no change of price."""
    if before is None:
        return None
    was, now = _prices(before), _prices(after)
    if any(was[product] != now[product] for product in was.keys() & now.keys()):
        return before.price_minor
    return None


def _prices(subscription: Subscription) -> dict[tuple[str, Any, Any], int]:
    """The price of each licensed product, by product and rhythm."""
    return {
        (item["product"], item.get("interval"), item.get("interval_count")): item[
            "unit_amount_minor"
        ]
        for item in subscription.items
        if item.get("product") and item.get("unit_amount_minor") is not None
    }


def expiry_of(method: PaymentMethod) -> str | None:
    """The last month a card is good for, `YYYY-MM`; None where that is not known."""
    if method.exp_year is None or method.exp_month is None or not 1 <= method.exp_month <= 12:
        return None
    return f"{method.exp_year:04d}-{method.exp_month:02d}" if method.exp_year >= 1970 else None


def expires_at(month: str) -> datetime:
    """The instant from which a card of this month is refused: the first of the next, UTC."""
    year, number = (int(part) for part in month.split("-"))
    return datetime(year + number // 12, number % 12 + 1, 1, tzinfo=UTC)


def plan_card_looks(book: Book, method: PaymentMethod, terms: Terms) -> None:
    """Plan to look, some days before a card expires and when it does, whether it is still needed.

    Three looks at the least: what renews after the expiry within the week is seen by the second,
    what renews later by the last. Which policy applies is known when the subscription is: each
    one's days are looked at.
    """
    month = expiry_of(method)
    if month is None or method.detached or method.customer_id is None:
        return
    end = expires_at(month)
    customer = book.get(Customer, method.account_id, method.customer_id)
    policies = (terms.policy, *terms.shelf.published)
    asked = {days for policy in policies for days in policy.reminders.card_days}
    for days in sorted({*asked, *LAST_LOOKS}):
        at = in_daytime(end - timedelta(days=days), terms.zone_of(customer))
        if at >= terms.now:
            book.add(
                action_for(
                    ActionKind.CARD_LOOK,
                    subject=method.method_id,
                    merchant_id=method.merchant_id,
                    account_id=method.account_id,
                    due_at=at,
                    customer_id=method.customer_id,
                    nth=f"{month}:{days}",
                    data={"month": month, "days": days},
                )
            )


LAST_LOOKS = (7, 0)


def charged_after(subscription: Subscription, expiry: datetime) -> datetime | None:
    """The first renewal at or after `expiry`; None where none is known to come."""
    if subscription.status not in RENEWS or subscription.collection_paused:
        return None
    for at in _renewals(subscription):
        ends = subscription.cancel_at is not None and subscription.cancel_at <= at
        if ends or subscription.cancel_at_period_end:
            return None
        if at >= expiry:
            return at
    return None


def _renewals(subscription: Subscription) -> Iterator[datetime]:
    """The coming renewals, in order; the day of a month is clipped to its length."""
    first = subscription.period_end
    if first is None:
        return
    count = max(subscription.interval_count, 1)
    lengths = {"day": timedelta(days=count), "week": timedelta(weeks=count)}
    for nth in range(MOST_RENEWALS):
        if subscription.interval in lengths:
            yield first + nth * lengths[subscription.interval]
        elif months := term_months(subscription):
            yield _months_later(first, nth * months)
        elif nth == 0:
            yield first


def _months_later(at: datetime, months: int) -> datetime:
    year, month = divmod(at.year * 12 + at.month - 1 + months, 12)
    last = (expires_at(f"{year:04d}-{month + 1:02d}") - timedelta(days=1)).day
    return at.replace(year=year, month=month + 1, day=min(at.day, last))


def pays_with(subscription: Subscription, customer: Customer | None, method: PaymentMethod) -> bool:
    """Whether a subscription is charged to this method: its own default wins over the
    customer's."""
    default = subscription.default_method_id or (customer.default_method_id if customer else None)
    return default == method.method_id


def card_name(method: PaymentMethod | None) -> str | None:
    """A card as its owner knows it: `Visa •••• 4242`."""
    if method is None or not method.last4:
        return None
    return f"{(method.brand or 'card').replace('_', ' ').title()} •••• {method.last4}"
