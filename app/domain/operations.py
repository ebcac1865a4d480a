"""What operators see: audit lines, alerts, heartbeats, inbox rows."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, ClassVar


class InboxState(StrEnum):
    """`QUARANTINED`: validly signed, but of another account or mode. `PARKED`: poisonous."""

    PENDING = "pending"
    HANDLED = "handled"
    PARKED = "parked"
    QUARANTINED = "quarantined"


@dataclass(frozen=True, slots=True, kw_only=True)
class InboxEvent:
    """A webhook as it came. `body` is the raw text; dropped 30 days after handling."""

    KEY: ClassVar = ("account_id", "event_id")
    UNIQUE: ClassVar = ()
    merchant_id: str
    account_id: str
    event_id: str
    type: str
    body: str | None
    state: InboxState = InboxState.PENDING
    reason: str | None = None
    created_at: datetime
    received_at: datetime
    handled_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEntry:
    """Who did what to what, before and after. Append-only."""

    KEY: ClassVar = ("audit_id",)
    UNIQUE: ClassVar = ()
    audit_id: str
    merchant_id: str
    at: datetime
    actor: str
    action: str
    subject: str
    before: dict[str, Any] | None = None
    after: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """Something a person must know. One open alert per (merchant, kind, subject)."""

    KEY: ClassVar = ("alert_id",)
    UNIQUE: ClassVar = (("merchant_id", "kind", "subject"),)
    alert_id: str
    merchant_id: str
    kind: str
    subject: str
    text: str
    at: datetime
    resolved_at: datetime | None = None
