"""Sessions of another product, as its export tells of them: kept apart from our own."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import ClassVar


class ImportedOutcome(StrEnum):
    """How a session ended there. `ABANDONED` is never counted as saved."""

    SAVED = "saved"
    CANCELLED = "cancelled"
    ABANDONED = "abandoned"


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportedSession:
    """One line of an export. `reference` is the session's id there, unique within `product`.
    `reason` is ours, `told_reason` the words there. `words` and `competitor` are the customer's
    own, without card numbers; both are emptied a year after the session (`forgotten_at`)."""

    KEY: ClassVar = ("import_id",)
    UNIQUE: ClassVar = (("merchant_id", "product", "reference"),)
    import_id: str
    merchant_id: str
    account_id: str
    product: str
    reference: str
    customer_id: str | None = None
    subscription_id: str | None = None
    outcome: ImportedOutcome
    reason: str | None = None
    told_reason: str | None = None
    words: str | None = None
    competitor: str | None = None
    offer_kind: str | None = None
    plan: str | None = None
    interval: str | None = None
    currency: str | None = None
    mrr_minor: int | None = None
    at: datetime
    recorded_at: datetime
    forgotten_at: datetime | None = None
