"""What we ask of a payment provider when somebody leaves, or comes back before the end."""

from datetime import datetime
from typing import Protocol

from app.domain.cancellations import Departing
from app.domain.merchants import ProviderAccount


class Cancellations(Protocol):
    """Part of `Payments`, with its errors."""

    async def read_departing(self, account: ProviderAccount, subscription: str) -> Departing:
        """The live subscription, its open invoices and its drafts, and what its next invoice would
        come to where usage is metered."""
        ...

    async def cancel(
        self,
        account: ProviderAccount,
        subscription: str,
        *,
        at_once: bool,
        until: datetime | None = None,
        feedback: str | None,
        key: str,
    ) -> None:
        """End it at once, or when its period is over; where `until` (aware UTC) is later than that,
        then, and what is renewed meanwhile is owed. A schedule attached to it is released
        first. `feedback` is the provider's word for the reason. One already ended is fine."""
        ...

    async def uncancel(self, account: ProviderAccount, subscription: str, *, key: str) -> None:
        """Take a planned end back, in whatever way it was planned. Raises `ProviderRefused` where
        it has ended."""
        ...

    async def refund(
        self,
        account: ProviderAccount,
        payment: str,
        *,
        key: str,
        amount_minor: int | None = None,
    ) -> None:
        """Give a payment back, so much of it or all that is left. One given back already is
        fine."""
        ...

    async def paid_invoices(self, account: ProviderAccount, subscription: str) -> tuple[str, ...]:
        """The ids of the invoices of a subscription that were paid, wholly or in part."""
        ...
