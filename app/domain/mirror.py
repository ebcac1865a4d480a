"""Our mirror of what the provider holds. Snapshots move it forward in time, never back."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, ClassVar


class InvoiceStatus(StrEnum):
    """A provider's invoice status; `UNKNOWN` stands for words we have not met."""

    DRAFT = "draft"
    OPEN = "open"
    UNCOLLECTIBLE = "uncollectible"
    PAID = "paid"
    VOID = "void"
    DELETED = "deleted"
    UNKNOWN = "unknown"


# Later in an invoice's life is higher. An equal rank is decided by the event's instant.
STATUS_RANK = {
    InvoiceStatus.UNKNOWN: 0,
    InvoiceStatus.DRAFT: 1,
    InvoiceStatus.OPEN: 2,
    InvoiceStatus.UNCOLLECTIBLE: 3,
    InvoiceStatus.PAID: 4,
    InvoiceStatus.VOID: 4,
    InvoiceStatus.DELETED: 4,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Customer:
    """A customer of a merchant at a provider account. `erased` rows never regain data.

    `metadata` are the merchant's own words at the provider, text to text; None where there are
    none. `sms_consent` is its record that the customer wants short texts at `phone`, in its own
    words; None means no. `region` is the state or province of the billing address.
    """

    KEY: ClassVar = ("account_id", "customer_id")
    UNIQUE: ClassVar = ()
    merchant_id: str
    account_id: str
    customer_id: str
    email: str | None = None
    name: str | None = None
    language: str | None = None
    country: str | None = None
    region: str | None = None
    time_zone: str | None = None
    phone: str | None = None
    sms_consent: str | None = None
    default_method_id: str | None = None
    metadata: dict[str, Any] | None = None
    deleted: bool = False
    erased: bool = False
    seen_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscription:
    """A subscription. `mrr_minor` is per month, metered parts left out; `interval` such as
    `month` or `year`, with `interval_count`. `items` are plain dicts: id, price, product, name,
    quantity, unit_amount_minor, interval, interval_count, metered, period_end (epoch seconds).
    `pinned_method_id` is the card we made its own default last: the provider would go on with it
    whatever the customer's default becomes, so we take it along. `list_minor` is the MRR before the
    discounts of `discount_ids`; `discounts_hidden` says that the last report named such as it does
    not show, so that `mrr_minor` is what was known before.
    """

    KEY: ClassVar = ("account_id", "subscription_id")
    UNIQUE: ClassVar = ()
    merchant_id: str
    account_id: str
    subscription_id: str
    customer_id: str | None = None
    status: str = "unknown"
    currency: str | None = None
    plan: str | None = None
    interval: str | None = None
    interval_count: int = 1
    mrr_minor: int = 0
    list_minor: int | None = None
    discount_ids: tuple[str, ...] | None = None
    discounts_hidden: bool | None = None
    items: tuple[dict[str, Any], ...] = ()
    metadata: dict[str, Any] | None = None
    default_method_id: str | None = None
    pinned_method_id: str | None = None
    cancel_at: datetime | None = None
    cancel_at_period_end: bool = False
    canceled_at: datetime | None = None
    ended_at: datetime | None = None
    cancellation_reason: str | None = None
    cancellation_feedback: str | None = None
    pause_reason: str | None = None
    collection_paused: bool = False
    has_schedule: bool = False
    started_at: datetime | None = None
    trial_end: datetime | None = None
    period_end: datetime | None = None
    seen_at: datetime | None = None

    @property
    def is_pinned(self) -> bool:
        """Whether its own default is one that we set."""
        return self.pinned_method_id is not None and self.pinned_method_id == self.default_method_id

    @property
    def price_minor(self) -> int:
        """What a period costs by its items, use left out."""
        return sum(
            (item.get("unit_amount_minor") or 0) * (item.get("quantity") or 1)
            for item in self.items
            if not item.get("metered")
        )

    @property
    def plan_names(self) -> set[str]:
        """By what names a policy may know the plan: its own, and the ids of price and product."""
        ids = (item.get(name) for item in self.items for name in ("price", "product"))
        return {str(name) for name in (self.plan, *ids) if name}


@dataclass(frozen=True, slots=True, kw_only=True)
class Invoice:
    """An invoice. Amounts in minor units of `currency`; `remaining_minor` is what is owed.

    `credited_minor` is what credit notes took off it while it was to be paid, voided ones not;
    `credited_after_minor` what they gave back of what had been paid.
    """

    KEY: ClassVar = ("account_id", "invoice_id")
    UNIQUE: ClassVar = ()
    merchant_id: str
    account_id: str
    invoice_id: str
    customer_id: str | None = None
    subscription_id: str | None = None
    status: InvoiceStatus = InvoiceStatus.UNKNOWN
    currency: str = "usd"
    due_minor: int = 0
    paid_minor: int = 0
    remaining_minor: int = 0
    tax_minor: int = 0
    off_provider_minor: int = 0
    credited_minor: int = 0
    credited_after_minor: int = 0
    billing_reason: str | None = None
    collection_method: str | None = None
    attempt_count: int = 0
    next_attempt_at: datetime | None = None
    auto_advance: bool | None = None
    number: str | None = None
    label: str | None = None
    method_id: str | None = None
    pending_update: bool = False
    own_offer: bool = False
    trial_conversion: bool = False
    customer_email: str | None = None
    customer_name: str | None = None
    created_at: datetime | None = None
    due_at: datetime | None = None
    paid_at: datetime | None = None
    closed_reason: str | None = None
    seen_at: datetime | None = None

    @property
    def is_of_pending_update(self) -> bool:
        """Whether it pays for a change that waits for its payment. Only a change is billed so: a
        renewal that comes meanwhile is owed."""
        return self.pending_update and self.billing_reason == "subscription_update"

    @property
    def is_credited_away(self) -> bool:
        """Whether it counts as paid although nobody ever paid: a credit note left nothing."""
        paid = self.paid_minor + self.off_provider_minor
        return self.status is InvoiceStatus.PAID and self.credited_minor > 0 and paid <= 0


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentMethod:
    """What a customer pays with. Never a card number: brand, last four, expiry, fingerprint."""

    KEY: ClassVar = ("account_id", "method_id")
    UNIQUE: ClassVar = ()
    merchant_id: str
    account_id: str
    method_id: str
    customer_id: str | None = None
    type: str = "unknown"
    brand: str | None = None
    last4: str | None = None
    exp_month: int | None = None
    exp_year: int | None = None
    fingerprint: str | None = None
    country: str | None = None
    added_at: datetime | None = None
    network_updated_at: datetime | None = None
    detached: bool = False
    seen_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Payment:
    """One movement at the provider: keyed by its payment intent, or its charge where there is
    none. Joins refunds and disputes, which name no invoice since 2025-03-31, to the invoice.

    `amount_minor` is what of it went to its invoice, as far as that is told: else all that it took,
    which `charged_minor` is where a charge or intent told of it. `refunded_minor` is all that was
    ever given back, also what came back because a refund failed: it only grows, so that reports may
    come in any order. `refunds_failed` are those refunds, each with its amount.
    """

    KEY: ClassVar = ("account_id", "payment_id")
    UNIQUE: ClassVar = ()
    merchant_id: str
    account_id: str
    payment_id: str
    customer_id: str | None = None
    invoice_id: str | None = None
    charge_id: str | None = None
    status: str = "unknown"
    currency: str = "usd"
    amount_minor: int = 0
    refunded_minor: int = 0
    method_id: str | None = None
    fingerprint: str | None = None
    brand: str | None = None
    decline: dict[str, Any] | None = None
    occurred_at: datetime | None = None
    seen_at: datetime | None = None
    charged_minor: int | None = None
    refunds_failed: dict[str, Any] | None = None

    @property
    def came_back_minor(self) -> int:
        """What of the invoice's part came back to the merchant, of what was given back."""
        return min(int(sum((self.refunds_failed or {}).values())), self.given_back_minor)

    @property
    def given_back_minor(self) -> int:
        """What was given back of the invoice's part: what went beyond it goes back first."""
        beyond = max((self.charged_minor or 0) - self.amount_minor, 0)
        return max(self.refunded_minor - beyond, 0)

    @property
    def knows_its_part(self) -> bool:
        """Whether `amount_minor` is told by the invoice, and not by the charge alone."""
        return self.charged_minor is None or self.amount_minor < self.charged_minor


@dataclass(frozen=True, slots=True, kw_only=True)
class Dispute:
    """A dispute of one charge, kept once its payment is known. `status` is the provider's word and
    only goes forward; `seen_at` is when the report of it was made."""

    KEY: ClassVar = ("account_id", "dispute_id")
    UNIQUE: ClassVar = ()
    merchant_id: str = ""
    account_id: str = ""
    dispute_id: str
    customer_id: str | None = None
    invoice_id: str | None = None
    charge_id: str | None = None
    payment_id: str | None = None
    amount_minor: int = 0
    currency: str = "usd"
    status: str = "unknown"
    seen_at: datetime | None = None

    @property
    def is_open(self) -> bool:
        """Whether the bank has still to decide."""
        return self.status in DISPUTED

    @property
    def rank(self) -> int:
        """How far it has come. A loss may be won after all; nothing else is taken back."""
        return DISPUTE_RANK.get(self.status, 0)


# An inquiry (`warning_…`, which closes or is `prevented`) may become a dispute of the same id.
# `closed` is ours, for one that is over in a word we have not met; `charge_refunded` is Stripe's
# of former versions.
DISPUTE_RANK: dict[str, int] = {
    "warning_needs_response": 1,
    "warning_under_review": 1,
    "warning_closed": 2,
    "prevented": 2,
    "needs_response": 3,
    "under_review": 3,
    "charge_refunded": 4,
    "closed": 4,
    "lost": 4,
    "won": 5,
}
DISPUTED = frozenset(
    {"warning_needs_response", "warning_under_review", "needs_response", "under_review"}
)
# Of a dispute that has ended; all but `lost` leave the money where it is.
DISPUTE_OVER = frozenset(
    {"won", "lost", "warning_closed", "prevented", "closed", "charge_refunded"}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class CreditNote:
    """A credit note. `amount_minor` is what it took off an invoice that was still to be paid, in
    minor units of `currency`; what it gave back of what had been paid is not in it."""

    id: str
    invoice_id: str | None = None
    amount_minor: int = 0
    currency: str = "usd"
    voided: bool = False
    created_at: datetime | None = None
    voided_at: datetime | None = None


Snapshot = Invoice | Subscription | Customer | PaymentMethod | Payment | Dispute | CreditNote | None
__all__ = [
    "STATUS_RANK",
    "CreditNote",
    "Customer",
    "Dispute",
    "Invoice",
    "InvoiceStatus",
    "Payment",
    "PaymentMethod",
    "Snapshot",
    "Subscription",
]
