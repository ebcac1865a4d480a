"""What the provider counts as taken, given back and lost: its own lists, read once more."""

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from app.domain.comparing import Movement
from app.domain.merchants import ProviderAccount


@dataclass(frozen=True, slots=True, kw_only=True)
class MovementPage:
    """One page of what was taken, given back or lost, as it stands now; `next` asks for more."""

    found: tuple[Movement, ...]
    next: str | None


class Movements(Protocol):
    """A part of `Payments`, with the same errors."""

    async def list_movements(
        self,
        account: ProviderAccount,
        of: str,
        *,
        since: datetime,
        until: datetime,
        after: str | None,
        limit: int,
    ) -> MovementPage:
        """One page of the `charge`s, `refund`s or `dispute`s made in that span, both ends
        included, as what they moved; one question. Of a refund its charge is told."""
        ...

    async def read_movements(self, account: ProviderAccount, ref: str) -> tuple[Movement, ...]:
        """What a charge, payment or dispute says now, one question; nothing where the provider
        knows none, which raises nothing here."""
        ...

    async def read_part(self, account: ProviderAccount, payment: str, invoice: str) -> int | None:
        """What of a payment went to this invoice, one question; None where the provider does not
        say."""
        ...
