"""What we ask of a payment provider."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from app.domain.changes import Change
from app.domain.merchants import ProviderAccount
from app.domain.mirror import (
    CreditNote,
    Customer,
    Invoice,
    Payment,
    PaymentMethod,
    Subscription,
)
from app.domain.notices import Notice
from app.domain.outcomes import Outcome, PayAnswer
from app.domain.standing import Forecast, Price, Standing
from app.ports.cancellations import Cancellations
from app.ports.movements import Movements

# How long a call waits at most for its turn, where the provider limits how many there may be; one
# whose turn does not come by then was not sent and ends like one that the provider turned away.
TURN_WITHIN = timedelta(seconds=10)


# Whether what was wanted is wanted still.
LastLook = Callable[[], Awaitable[bool]]


class ProviderUnavailable(Exception):
    """No usable answer to a question (connection, 5xx, 429). `retry_after_s` if it was said."""

    def __init__(self, text: str, retry_after_s: float | None = None) -> None:
        super().__init__(text)
        self.retry_after_s = retry_after_s


class ProviderRefused(Exception):
    """The provider says this request can never succeed (400, 404); `code` is its word."""

    def __init__(self, text: str, code: str | None = None) -> None:
        super().__init__(text)
        self.code = code


class AccountRefused(Exception):
    """Our key is wrong, revoked or lacks rights (401, 403): the account must be paused."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InvoiceReading:
    """The live invoice, its payments (newest first; each failed one with its decline in
    `Payment.decline` as `Decline` fields), its credit notes, and the method the next charge would
    use.

    Several tries may stand on one payment: with `every_attempt` each of them is shown, a charge
    each, without it only the latest.
    """

    invoice: Invoice
    payments: tuple[Payment, ...] = ()
    notes: tuple[CreditNote, ...] = ()
    method: PaymentMethod | None = None
    subscription_status: str | None = None
    subscription_default_method: str | None = None
    every_attempt: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Wallet:
    """The live customer, None where they are gone, and all cards that are attached to them."""

    customer: Customer | None
    methods: tuple[PaymentMethod, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class RenewalReading:
    """The live subscription, the method its next charge would use, and that charge as the
    provider sees it coming: `amount_minor` is None where none comes."""

    subscription: Subscription
    method: PaymentMethod | None = None
    amount_minor: int | None = None
    currency: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SubscriptionPage:
    """Notices of `count` subscriptions and their customers; `next` asks for what follows."""

    notices: list[Notice]
    count: int
    next: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class EventPage:
    """Events as the provider keeps them, the oldest of the page first; `next` asks for more."""

    bodies: tuple[str, ...]
    next: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Owing:
    """What the provider counts as unpaid: an `invoice` whose automatic payment was tried, or a
    `subscription` past due. `since` is when the invoice was finalized, `invoice` how it stands."""

    kind: str
    id: str
    customer: str | None
    status: str
    since: datetime | None = None
    invoice: Invoice | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OwingPage:
    """One page of what is unpaid; `next` asks for more."""

    found: tuple[Owing, ...]
    next: str | None


class Payments(Cancellations, Movements, Protocol):
    """Every method raises `ProviderUnavailable`, `ProviderRefused` or `AccountRefused` unless it
    says otherwise. Snapshots come with the account's ids filled in and `seen_at` = now."""

    async def read_invoice(
        self, account: ProviderAccount, invoice: str, *, every_attempt: bool = False
    ) -> InvoiceReading:
        """The last look: the live invoice with its payments and the method to be charged.
        `every_attempt` costs a question more."""
        ...

    async def read_renewal(self, account: ProviderAccount, subscription: str) -> RenewalReading:
        """The last look before a renewal is told of: what will be charged, and to which method."""
        ...

    async def read_wallet(self, account: ProviderAccount, customer: str) -> Wallet:
        """The customer and all the cards they have at the provider; two questions, and one more for
        each further hundred."""
        ...

    async def pay(
        self,
        account: ProviderAccount,
        invoice: str,
        *,
        key: str,
        method: str | None = None,
        last_look: LastLook | None = None,
    ) -> PayAnswer:
        """Charge an open invoice once under `key`. Never raises for an outcome: a timeout is
        `UNKNOWN`. Safe to repeat with the same key and arguments for 23 h.

        Where the call had to wait, for its turn or before it is sent again, `last_look` is asked
        right before it is sent; if that says no, nothing is sent: `NOT_EXECUTED`."""
        ...

    async def stop_provider_retries(self, account: ProviderAccount, invoice: str) -> Invoice:
        """Turn the provider's own collection of this invoice off; the invoice as read back."""
        ...

    async def resume_provider_retries(self, account: ProviderAccount, invoice: str) -> Invoice:
        """Turn it on again, of an invoice that is open; the invoice as read back."""
        ...

    async def set_default_method(
        self,
        account: ProviderAccount,
        *,
        customer: str | None,
        subscriptions: tuple[str, ...],
        invoices: tuple[str, ...] = (),
        method: str,
        key: str,
    ) -> None:
        """Make `method` the customer's default, where one is named, and that of each subscription
        and each open invoice (whose own default would win over the customer's)."""
        ...

    async def card_page(
        self,
        account: ProviderAccount,
        *,
        customer: str,
        return_url: str,
        link: str,
        currency: str,
    ) -> str:
        """URL of a provider page, made now, where the customer enters a card. `link` comes back
        in the notice `CARD_COLLECTED`."""
        ...

    async def invoice_page(self, account: ProviderAccount, invoice: str) -> str | None:
        """Fresh URL of the provider's page of this invoice (pay, authenticate); None if none."""
        ...

    async def end_subscription(
        self, account: ProviderAccount, subscription: str, *, how: str, key: str
    ) -> None:
        """`cancel_now`, `cancel_at_period_end` or `pause`. One already ended is fine."""
        ...

    async def close_invoice(
        self, account: ProviderAccount, invoice: str, *, how: str, key: str
    ) -> Invoice:
        """`uncollectible` or `void`; one already closed is fine. A draft is finalised first, and
        charged to nobody."""
        ...

    async def invoice_of_payment(self, account: ProviderAccount, payment: str) -> str | None:
        """The invoice a payment intent settled, or None: since 2025-03-31 a charge does not say."""
        ...

    async def read_object(
        self,
        account: ProviderAccount,
        *,
        type: str,  # noqa: A002 - the provider's word
        id: str,  # noqa: A002 - the provider's word
        event: str,
        at: datetime,
    ) -> list[Notice]:
        """Read what a thin event points to, as notices of that event."""
        ...

    async def list_subscriptions(
        self, account: ProviderAccount, *, after: str | None, limit: int
    ) -> SubscriptionPage:
        """One page of all subscriptions, whatever their status, oldest page last; for backfill.
        Their notices bear the event `backfill:{subscription}`."""
        ...

    async def list_events(
        self,
        account: ProviderAccount,
        *,
        since: datetime,
        until: datetime,
        after: str | None,
        limit: int,
    ) -> EventPage:
        """One page of the events of that span, of exactly the types our webhooks are sent; one
        question. `after` is the `next` of the page before."""
        ...

    async def list_owing(
        self, account: ProviderAccount, *, after: str | None, limit: int
    ) -> OwingPage:
        """One page of what is unpaid though it is collected automatically; one question."""
        ...

    async def read_standing(
        self, account: ProviderAccount, subscription: str, *, credits_of: str | None = None
    ) -> Standing:
        """The live subscription in full, whatever its status; with the marks of the credits of the
        last month of the customer `credits_of`, which is a question more for each hundred."""
        ...

    async def read_prices(
        self, account: ProviderAccount, prices: tuple[str, ...]
    ) -> dict[str, Price]:
        """The recurring prices that exist and are on sale, by id; a question each."""
        ...

    async def change(
        self,
        account: ProviderAccount,
        subscription: str,
        change: Change,
        *,
        customer: str | None,
        key: str,
    ) -> None:
        """Ask for one change under `key`. Safe to repeat with the same key and change for 23 h.
        Whether it took place is told by `read_standing` alone."""
        ...

    async def preview_change(
        self,
        account: ProviderAccount,
        standing: Standing,
        changes: tuple[Change, ...],
        *,
        discounts: tuple[str, ...] | None = None,
    ) -> Forecast:
        """The next invoice as the provider sees it coming if these changes took place, no end were
        planned, and of the discounts that stand these alone were left (None: all); nothing is
        changed."""
        ...


__all__ = [
    "AccountRefused",
    "EventPage",
    "InvoiceReading",
    "LastLook",
    "Outcome",
    "Owing",
    "OwingPage",
    "PayAnswer",
    "Payments",
    "ProviderRefused",
    "ProviderUnavailable",
    "RenewalReading",
    "SubscriptionPage",
    "Wallet",
]
