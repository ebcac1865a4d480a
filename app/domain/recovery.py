"""What was failed and what came back: the rows finance reads."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import ClassVar


class EntryKind(StrEnum):
    """A line of the recovered-revenue ledger. The sign of the amount follows from the kind.

    `CREDITED` is no money: a credit note took it off what was owed. `CREDIT_VOIDED` puts it back.
    """

    RECOVERED = "recovered"
    SETTLED_OTHER = "settled_other"
    REFUNDED = "refunded"
    REFUND_FAILED = "refund_failed"
    DISPUTE_LOST = "dispute_lost"
    DISPUTE_WON = "dispute_won"
    CREDITED = "credited"
    CREDIT_VOIDED = "credit_voided"


class Cause(StrEnum):
    """Why money came back: exactly one per recovered invoice, the first that holds."""

    CUSTOMER_NEW_CARD = "customer_new_card"
    CUSTOMER_PAID_LINK = "customer_paid_link"
    CUSTOMER_AUTHENTICATED = "customer_authenticated"
    ACCOUNT_UPDATER = "account_updater"
    BACKUP_CARD = "backup_card"
    HOLDFAST_RETRY = "holdfast_retry"
    PROVIDER_RETRY = "provider_retry"
    MANUAL_OR_EXTERNAL = "manual_or_external"
    UNKNOWN = "unknown"


# Of what was not charged automatically no automatic payment failed: it is on record, in no rate.
NOT_AUTOMATIC = ("send_invoice", "zero_amount")


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """The first failed automatic attempt of an invoice: the cohort row of every rate.

    `amount_minor` is what remained then, `country` the customer's of that time. `exclusion` says
    why no case followed, if none did; one of `NOT_AUTOMATIC` counts in no rate.
    A correction (an earlier failure learned of later) is a new `version`; the highest recorded
    by the asked instant counts.
    """

    KEY: ClassVar = ("account_id", "invoice_id", "version")
    UNIQUE: ClassVar = ()
    merchant_id: str
    account_id: str
    invoice_id: str
    version: int
    customer_id: str | None
    subscription_id: str | None
    case_id: str | None
    currency: str
    amount_minor: int
    plan: str | None
    interval: str | None
    trial_conversion: bool
    exclusion: str | None
    failed_at: datetime
    recorded_at: datetime
    country: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RecoveryEntry:
    """One append-only line. `amount_minor` is signed: money in is positive, taken back negative.

    `provider_ref` is what the provider calls the movement; (account, kind, ref) is unique, so a
    report that comes twice is one line. `failed_at` is the invoice's first failure.
    """

    KEY: ClassVar = ("entry_id",)
    UNIQUE: ClassVar = (("account_id", "kind", "provider_ref"),)
    entry_id: str
    merchant_id: str
    account_id: str
    invoice_id: str
    case_id: str | None
    kind: EntryKind
    cause: Cause
    assisted_by: str | None
    currency: str
    amount_minor: int
    tax_minor: int
    plan: str | None
    interval: str | None
    provider_ref: str
    failed_at: datetime
    occurred_at: datetime
    recorded_at: datetime
