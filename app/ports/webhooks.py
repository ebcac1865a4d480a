"""Webhooks of a provider: verified on raw bytes, translated into notices."""

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from app.domain.notices import Notice


class BadSignature(Exception):
    """The request was not signed by who it says, or too long ago, or in the future."""


class BadEvent(Exception):
    """Validly signed, but not an event: not JSON, no id, no type."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EventHead:
    """What intake needs of an event before it is stored. `account` is the provider's account id
    if the event names one; `live` is None where the event does not say; `customer` whom its object
    is about, where it shows that."""

    id: str
    type: str
    created_at: datetime
    live: bool | None
    account: str | None
    customer: str | None = None


class Webhooks(Protocol):
    def verify(
        self, body: bytes, header: bytes, *, secrets: tuple[str, ...], now: datetime
    ) -> None:
        """Raise `BadSignature` unless one of `secrets` signed exactly these bytes within 300 s
        of `now`, before or after. Never raises anything else, whatever the bytes."""
        ...

    def head(self, body: bytes) -> EventHead:
        """Id, type and instant of a verified body. Raises `BadEvent`."""
        ...

    def translate(self, body: str | bytes) -> list[Notice]:
        """The notices of one event; empty for what concerns nobody. Raises `BadEvent` only for
        what is no event; unknown types, versions and values are read as far as they go."""
        ...
