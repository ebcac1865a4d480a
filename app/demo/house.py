"""A company of the story, connected: what it is called here and there, and its provider."""

from asyncio import to_thread
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from app.demo.cast import Company, Subscriber
from app.demo.provider import Provider, SignedUp


@dataclass(slots=True, kw_only=True)
class House:
    """One merchant with a key to its API. `people` and `known` are by subscriber's key; `status`
    is the provider's last word on what it waits for."""

    company: Company
    merchant_id: str
    account_id: str
    key: str
    provider: Provider
    people: dict[str, Subscriber]
    known: dict[str, SignedUp]
    status: dict[str, Any] = field(default_factory=dict)

    async def advance(self, at: datetime) -> None:
        """Let the provider play everything up to `at`."""
        self.status = await to_thread(self.provider.advance, at)

    async def deliver(self) -> bool:
        """Send what waits to be sent; whether there was any, or is still."""
        self.status = await to_thread(self.provider.deliver)
        return bool(self.status["undelivered"] or self.status.get("sent"))

    @property
    def told(self) -> bool:
        """Whether the provider told the service anything when it was last let play."""
        return bool(self.status.get("deliveries"))

    @property
    def following(self) -> datetime | None:
        """When something happens next at the provider."""
        at = self.status["next_event_at"]
        return datetime.fromisoformat(at) if at else None
