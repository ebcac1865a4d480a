"""What operators see: audit lines, alerts, heartbeats, inbox rows."""

import zlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, ClassVar

# The parts of the inbox. As many drains may work at once; more than any one database feeds.
SHARES = 64
BODIES_KEPT = timedelta(days=30)  # after they were handled, parked or set aside


class InboxState(StrEnum):
    """`QUARANTINED`: validly signed, but of another account or mode. `PARKED`: poisonous."""

    PENDING = "pending"
    HANDLED = "handled"
    PARKED = "parked"
    QUARANTINED = "quarantined"


@dataclass(frozen=True, slots=True, kw_only=True)
class InboxEvent:
    """A webhook as it came. `body` is the raw text, dropped 30 days after handling and where it
    names somebody who was erased; without one there is nothing left to be heard. `share` is the
    part of the inbox it lies in (`share_of`); the events of one share are drained in order."""

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
    share: int = 0


def share_of(account_id: str, customer: str | None) -> int:
    """The share, 0 to 63, of an event about this customer: one and the same for all of them.
    What names no customer shares one by account."""
    return zlib.crc32(f"{account_id}\x1f{customer or ''}".encode()) % SHARES


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
    """Something a person must know. One open alert per (merchant, kind, subject). `told_at` is
    when it left for where the merchant wants to hear of it. What was not taken there is told again
    at `tell_at`, after `tries` in vain; `mailed_at` and `posted_at` are what need not be."""

    KEY: ClassVar = ("alert_id",)
    UNIQUE: ClassVar = (("merchant_id", "kind", "subject"),)
    alert_id: str
    merchant_id: str
    kind: str
    subject: str
    text: str
    at: datetime
    resolved_at: datetime | None = None
    told_at: datetime | None = None
    tries: int = 0
    tell_at: datetime | None = None
    mailed_at: datetime | None = None
    posted_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class IdempotencyKey:
    """A command that was carried out, by the key its sender gave it: the same key again is the
    same command. `request` is a digest of what was ordered, `subject` what it was about."""

    KEY: ClassVar = ("merchant_id", "key")
    UNIQUE: ClassVar = ()
    merchant_id: str
    key: str
    request: str
    subject: str
    at: datetime
