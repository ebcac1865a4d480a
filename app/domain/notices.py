"""A provider's event in our words, whatever API version it came in."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from app.domain.declines import Decline
from app.domain.mirror import CreditNote, Snapshot

# How the event of what was there before us is named.
FROM_HISTORY = "backfill:"
# And what we read live ourselves: for an end, an invoice, a save, a letter after leaving.
LOOKS = ("end:", "settle:", "save:", "after:")


# Two clocks are no further apart.
CLOCKS_APART = timedelta(minutes=5)


class NoticeKind(StrEnum):
    """What a notice reports. `OTHER` is a known type that concerns us not; `READ` asks for a
    live read because the event carries no object (thin events); of the event itself where it names
    none."""

    INVOICE_CREATED = "invoice_created"
    INVOICE_UPCOMING = "invoice_upcoming"
    INVOICE_FINALIZED = "invoice_finalized"
    INVOICE_UPDATED = "invoice_updated"
    INVOICE_FAILED = "invoice_failed"
    INVOICE_ACTION_REQUIRED = "invoice_action_required"
    INVOICE_PAID = "invoice_paid"
    INVOICE_VOIDED = "invoice_voided"
    INVOICE_UNCOLLECTIBLE = "invoice_uncollectible"
    INVOICE_OVERDUE = "invoice_overdue"
    INVOICE_DELETED = "invoice_deleted"
    PAYMENT_FAILED = "payment_failed"
    PAYMENT_SUCCEEDED = "payment_succeeded"
    PAYMENT_ACTION_REQUIRED = "payment_action_required"
    PAYMENT_CANCELLED = "payment_cancelled"
    PAYMENT_REFUNDED = "payment_refunded"
    REFUND_FAILED = "refund_failed"
    DISPUTE_OPENED = "dispute_opened"
    DISPUTE_UPDATED = "dispute_updated"
    DISPUTE_FUNDS_WITHDRAWN = "dispute_funds_withdrawn"
    DISPUTE_FUNDS_REINSTATED = "dispute_funds_reinstated"
    DISPUTE_WON = "dispute_won"
    DISPUTE_LOST = "dispute_lost"
    CREDIT_NOTED = "credit_noted"
    FRAUD_WARNING = "fraud_warning"
    SUBSCRIPTION_STARTED = "subscription_started"
    SUBSCRIPTION_CHANGED = "subscription_changed"
    SUBSCRIPTION_ENDED = "subscription_ended"
    SUBSCRIPTION_PAUSED = "subscription_paused"
    SUBSCRIPTION_RESUMED = "subscription_resumed"
    TRIAL_ENDING = "trial_ending"
    SCHEDULE_CHANGED = "schedule_changed"
    CUSTOMER_CHANGED = "customer_changed"
    CUSTOMER_DELETED = "customer_deleted"
    METHOD_ADDED = "method_added"
    METHOD_CHANGED = "method_changed"
    METHOD_UPDATED_BY_NETWORK = "method_updated_by_network"
    METHOD_REMOVED = "method_removed"
    CARD_EXPIRING = "card_expiring"
    CARD_COLLECTED = "card_collected"
    READ = "read"
    OTHER = "other"


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """One report about one object.

    `snapshot` is the object as the event showed it, with empty `merchant_id` and `account_id`
    (the event does not know them) and `seen_at` the event's instant; it moves mirror rows
    forward only and decides no money.
    `object` is the provider's id of it (None where the event has none), `method` the payment
    method concerned, `link` the payment link that led here (our own metadata come back).
    `amount_minor` is the amount the notice is about: what remains for a failure, what was paid
    for a payment, the cumulative refund for a refund (for a failed one its own amount), the
    disputed amount for a dispute, what a credit note took off.
    `previous` holds the names of the changed fields where the event tells them.
    """

    kind: NoticeKind
    event: str
    occurred_at: datetime
    object: str | None = None
    customer: str | None = None
    invoice: str | None = None
    subscription: str | None = None
    payment: str | None = None
    charge: str | None = None
    method: str | None = None
    link: str | None = None
    amount_minor: int | None = None
    currency: str | None = None
    decline: Decline | None = None
    snapshot: Snapshot = None
    previous: tuple[str, ...] = ()

    @property
    def is_live(self) -> bool:
        """Whether it is what we read ourselves just now, and no event that may be late."""
        return self.event.startswith(LOOKS)


def not_ahead(notice: Notice, heard_at: datetime) -> Notice:
    """What is told as of a time to come (a test clock over there, or one gone wrong) is as of when
    it was heard: else nothing that is read live would ever be newer."""
    latest = heard_at + CLOCKS_APART
    if notice.occurred_at <= latest:
        return notice
    snapshot = notice.snapshot
    if not isinstance(snapshot, CreditNote | None) and snapshot.seen_at is not None:
        snapshot = replace(snapshot, seen_at=heard_at)
    return replace(notice, occurred_at=heard_at, snapshot=snapshot)
