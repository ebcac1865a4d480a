"""A cancel request: what a customer was told when they left, and what became of it.

It is written with the word itself, in one transaction with the stop of what is collected, so that
it beats every charge that was not sent yet.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from hashlib import sha256
from typing import Any, ClassVar

from app.domain.calendar import term_before
from app.domain.dunning import IllegalMove
from app.domain.flows import TRIALING
from app.domain.ids import derive_id
from app.domain.mirror import Invoice, InvoiceStatus, Subscription

GONE = frozenset({"canceled", "incomplete_expired"})
UNPAID = frozenset({"past_due", "unpaid"})
NEVER_STARTED = frozenset({"incomplete"})
# What bills a whole period. A report that says nothing of its reason is taken for one.
BY_PERIOD = frozenset({None, "subscription", "subscription_create", "subscription_cycle"})
A_DAY = timedelta(days=1)


class Choice(StrEnum):
    """When it ends: at once, or when the period that runs is over. A withdrawal ends it at once
    too, and what was paid comes back; it is never offered beside the others."""

    NOW = "now"
    PERIOD_END = "period_end"
    WITHDRAWAL = "withdrawal"


AT_ONCE = frozenset({Choice.NOW, Choice.WITHDRAWAL})


class Source(StrEnum):
    """Where the word was given."""

    SESSION = "session"
    API = "api"
    FORM = "form"
    PROVIDER = "provider"  # at the provider's own portal, or by the merchant there


class RequestState(StrEnum):
    """`ASKED` until the provider has it; `STANDING` until the end; `UNDONE` where it was taken
    back before; `REFUSED` where the provider would not and a person must look."""

    ASKED = "asked"
    STANDING = "standing"
    ENDED = "ended"
    UNDONE = "undone"
    REFUSED = "refused"


STANDS = frozenset({RequestState.ASKED, RequestState.STANDING})


class Changed(IllegalMove):
    """Leaving would do something else by now than what was told: it is to be told anew."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelRequest:
    """One request. `requested_at` is when the customer said it; the receipt bears it. `ends_at`
    is when access ends, as told then or as it was moved at the provider since.
    `invoices` are the open ones and drafts with what was told of each: `invoice`, `number`,
    `currency`, `amount_minor`, `outcome` (`forgiven` or `still_due`); of a withdrawal the paid ones
    too, as `refunded`, with the `payments` that go back."""

    KEY: ClassVar = ("request_id",)
    UNIQUE: ClassVar = ()
    request_id: str
    merchant_id: str
    account_id: str
    customer_id: str | None = None
    subscription_id: str
    session_id: str | None = None
    source: Source
    choice: Choice
    state: RequestState = RequestState.ASKED
    requested_at: datetime
    ends_at: datetime
    plan: str | None = None
    language: str = "en"
    reason: str | None = None
    feedback: str | None = None
    while_past_due: bool = False
    invoices: tuple[dict[str, Any], ...] = ()
    closed_at: datetime | None = None

    def moved(self, state: RequestState, *, at: datetime) -> "CancelRequest":
        """The request in another state."""
        return replace(self, state=state, closed_at=None if state in STANDS else at)

    @property
    def forgiven(self) -> tuple[str, ...]:
        """The invoices that the customer was told they need not pay."""
        return tuple(row["invoice"] for row in self.invoices if row["outcome"] == FORGIVEN)

    def names(self, invoice: str) -> bool:
        """Whether the customer was told what becomes of this invoice."""
        return any(row["invoice"] == invoice for row in self.invoices)


FORGIVEN, STILL_DUE, REFUNDED = "forgiven", "still_due", "refunded"


@dataclass(frozen=True, slots=True, kw_only=True)
class Departing:
    """A subscription as it is live: what is open on it, drafts too, which are charged soon, and
    what the provider would charge next (None where nothing)."""

    subscription: Subscription
    open_invoices: tuple[Invoice, ...] = ()
    next_minor: int | None = None
    next_currency: str | None = None

    @property
    def owed(self) -> tuple[Invoice, ...]:
        """What is to be paid as things stand: not a draft that rests, which nobody finalises by
        itself (a provider makes such ones of what is unpaid or paused), nor what a change asks for
        that takes place only once it is paid."""
        return tuple(
            one
            for one in self.open_invoices
            if not one.is_of_pending_update
            and (one.status is not InvoiceStatus.DRAFT or one.auto_advance is not False)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """What a choice would do, in money and dates, before anything is done.

    `access_until` is when it ends. `next_minor` is what is charged at that end (usage, say), None
    where nothing is charged any more. `refund_minor` is what comes back. `lets_go`: a change of
    plan that an offer agreed on goes for the end, and holds again where that is taken back.
    """

    choice: Choice
    access_until: datetime
    currency: str
    invoices: tuple[dict[str, Any], ...]
    next_minor: int | None = None
    refund_minor: int = 0
    lets_go: bool = False

    @property
    def owed_minor(self) -> int:
        """What is still to be paid."""
        return sum(row["amount_minor"] for row in self.invoices if row["outcome"] == STILL_DUE)

    @property
    def forgiven_minor(self) -> int:
        """What need not be paid any more."""
        return sum(row["amount_minor"] for row in self.invoices if row["outcome"] == FORGIVEN)

    @property
    def mark(self) -> str:
        """What tells it from another: the end that was named, what is owed and what is not. Not
        what use will have come to, which grows while one reads; nor the instant of an end at once.
        """
        day = None if self.choice in AT_ONCE else self.access_until.isoformat()
        said = json.dumps([self.choice, day, self.invoices], sort_keys=True)
        return sha256(said.encode()).hexdigest()[:16]


def choices(standing: Departing, *, immediately: bool) -> tuple[Choice, ...]:
    """The ends that may be chosen, the default first.

    At the period's end by default. With the current period unpaid there are two: now, and what is
    open is forgiven; or at the period's end, and the case goes on. So there are with something else
    unpaid, and then nobody loses by default what they paid for. Raises `IllegalMove` for one that
    has ended.
    """
    status = standing.subscription.status
    if status in GONE:
        raise IllegalMove("the subscription has ended")
    if status in NEVER_STARTED or standing.subscription.period_end is None or status == "paused":
        return (Choice.NOW,)
    if is_period_unpaid(standing):
        return (Choice.NOW, Choice.PERIOD_END)
    both = immediately or standing.owed
    return (Choice.PERIOD_END, Choice.NOW) if both else (Choice.PERIOD_END,)


def is_period_unpaid(standing: Departing) -> bool:
    """Whether the period that runs is still to be paid. Something else may be: seats that were
    added, use beyond a threshold, a period of before."""
    subscription = standing.subscription
    if not standing.owed:
        return subscription.status in UNPAID
    return any(_bills_the_period(one, subscription) for one in standing.owed)


def _bills_the_period(invoice: Invoice, subscription: Subscription) -> bool:
    """Of a change: where it asks for at least half of what a period costs, as one to another
    interval does; what a few seats more cost until the end does not."""
    if invoice.billing_reason == "subscription_update":
        return 2 * invoice.due_minor >= subscription.price_minor
    made, end = invoice.created_at, subscription.period_end
    began = end and term_before(end, subscription.interval, subscription.interval_count)
    is_of_before = made is not None and began is not None and made < began - A_DAY
    return invoice.billing_reason in BY_PERIOD and not is_of_before


def preview(standing: Departing, choice: Choice, now: datetime) -> Preview:
    """What this choice would do. The end is never later than the period's."""
    subscription = standing.subscription
    end = subscription.period_end
    at_once = choice is Choice.NOW or end is None or end <= now
    return Preview(
        choice=choice,
        access_until=now if at_once or end is None else end,
        currency=subscription.currency or "usd",
        invoices=_told(standing.open_invoices, FORGIVEN)
        if at_once
        else _told(standing.owed, STILL_DUE),
        next_minor=None if at_once else usage_at_end(subscription, standing.next_minor),
    )


def usage_at_end(subscription: Subscription, next_minor: int | None) -> int | None:
    """What is charged when the period ends although nothing is renewed: what was used."""
    metered = any(item.get("metered") for item in subscription.items)
    return next_minor if metered and subscription.status != TRIALING else None


def forgiving(invoices: Iterable[Invoice]) -> tuple[dict[str, Any], ...]:
    """These open invoices, told that they need not be paid."""
    return _told(invoices, FORGIVEN)


def _told(invoices: Iterable[Invoice], outcome: str) -> tuple[dict[str, Any], ...]:
    return tuple(
        {
            "invoice": invoice.invoice_id,
            "number": invoice.number,
            "currency": invoice.currency,
            "amount_minor": invoice.remaining_minor,
            "outcome": outcome,
        }
        for invoice in sorted(invoices, key=lambda one: one.invoice_id)
    )


def request_of(
    told: Preview,
    subscription: Subscription,
    *,
    source: Source,
    at: datetime,
    session: str | None = None,
    reason: str | None = None,
    feedback: str | None = None,
    language: str = "en",
) -> CancelRequest:
    """The request that a customer makes at this instant, with what they were told."""
    facts = (subscription.account_id, subscription.subscription_id, session or source)
    return CancelRequest(
        request_id=derive_id("cancel_request", at, *facts),
        merchant_id=subscription.merchant_id,
        account_id=subscription.account_id,
        customer_id=subscription.customer_id,
        subscription_id=subscription.subscription_id,
        session_id=session,
        source=source,
        choice=told.choice,
        requested_at=at,
        ends_at=told.access_until,
        plan=subscription.plan,
        language=language,
        reason=reason,
        feedback=feedback,
        while_past_due=subscription.status in UNPAID,
        invoices=told.invoices,
    )


def standing_request(
    requests: Iterable[CancelRequest], subscription_id: str
) -> CancelRequest | None:
    """The request that stands for a subscription; there is one at most."""
    mine = [r for r in requests if r.subscription_id == subscription_id and r.state in STANDS]
    return max(mine, key=lambda request: request.requested_at, default=None)


def may_be_undone(request: CancelRequest, now: datetime) -> bool:
    """Whether it can be taken back: while access runs, also where the provider refused the end."""
    stands = request.state in STANDS | {RequestState.REFUSED}
    return stands and request.choice is Choice.PERIOD_END and now < request.ends_at


def lasts_on(request: CancelRequest, subscription: Subscription) -> bool:
    """Whether its end comes after the period that runs: another is to be paid until then."""
    end = subscription.period_end
    return request.choice is Choice.PERIOD_END and end is not None and request.ends_at > end
