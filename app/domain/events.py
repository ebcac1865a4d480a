"""Outgoing events: what merchants' own software is told, and how the telling stands."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, ClassVar


class DeliveryState(StrEnum):
    """`PENDING` until the endpoint took it (`DELIVERED`), every try failed (`GIVEN_UP`), or the
    endpoint was disabled or deleted first (`DROPPED`)."""

    PENDING = "pending"
    DELIVERED = "delivered"
    GIVEN_UP = "given_up"
    DROPPED = "dropped"


@dataclass(frozen=True, slots=True, kw_only=True)
class OutgoingEvent:
    """One fact as it is told; never changed. `data` is the payload of its `type` and `version`.

    `sequence` counts from 1 within `subject` (a case, else what the fact is about): the order in
    which an endpoint gets them. `account_id` is None for a test of an endpoint alone.
    """

    KEY: ClassVar = ("event_id",)
    UNIQUE: ClassVar = (("merchant_id", "subject", "sequence"),)
    event_id: str
    merchant_id: str
    account_id: str | None
    type: str
    version: int
    subject: str
    sequence: int
    data: dict[str, Any]
    occurred_at: datetime
    told_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class EventSubject:
    """How many events of a subject were told: the sequence number of the latest."""

    KEY: ClassVar = ("merchant_id", "subject")
    UNIQUE: ClassVar = ()
    merchant_id: str
    subject: str
    told: int


@dataclass(frozen=True, slots=True, kw_only=True)
class EventEndpoint:
    """Where a merchant wants to be told. No `types` means every type.

    `secrets_sealed`: the newest first; the former ones sign too for a day after `rotated_at`.
    `failing_since` is the first failed try since the last success, `failures` counts them; until
    `resting_until` nothing is sent there. A deleted row keeps no secret.
    """

    KEY: ClassVar = ("endpoint_id",)
    UNIQUE: ClassVar = ()
    endpoint_id: str
    merchant_id: str
    url: str
    description: str = ""
    types: tuple[str, ...] = ()
    secrets_sealed: tuple[str, ...] = ()
    rotated_at: datetime | None = None
    enabled: bool = True
    disabled_reason: str | None = None
    failing_since: datetime | None = None
    failures: int = 0
    resting_until: datetime | None = None
    created_at: datetime
    deleted_at: datetime | None = None

    def wants(self, type_: str) -> bool:
        """Whether events of this type are delivered here."""
        return self.enabled and self.deleted_at is None and type_ in (self.types or (type_,))


@dataclass(frozen=True, slots=True, kw_only=True)
class EventDelivery:
    """One event on its way to one endpoint. `nth` is 0 for the first delivery, and counts the
    replays, which keep to no order. `tries` counts answers and failures; `due_at` is the next."""

    KEY: ClassVar = ("delivery_id",)
    UNIQUE: ClassVar = (("event_id", "endpoint_id", "nth"),)
    delivery_id: str
    merchant_id: str
    event_id: str
    endpoint_id: str
    subject: str
    sequence: int
    nth: int = 0
    state: DeliveryState = DeliveryState.PENDING
    tries: int = 0
    due_at: datetime
    settled_at: datetime | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryTry:
    """One request to an endpoint. `status` is None where no answer came; `text` is the answer's
    beginning, or why there was none; `ms` is how long it took."""

    KEY: ClassVar = ("try_id",)
    UNIQUE: ClassVar = ()
    try_id: str
    merchant_id: str
    delivery_id: str
    number: int
    status: int | None
    ms: int
    text: str
    at: datetime
