"""Reading churn records: who left, why, and what it cost."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from app.domain.churn import ChurnCause, ChurnEntry, ChurnKind, ChurnOrigin, ChurnRecord
from app.ports.world import World


@dataclass(frozen=True, slots=True, kw_only=True)
class ChurnQuery:
    """Which lines to list; None asks for any. `occurred_to` is not part of the span."""

    entries: Collection[ChurnEntry] = ()
    kinds: Collection[ChurnKind] = ()
    causes: Collection[ChurnCause] = ()
    origins: Collection[ChurnOrigin] = ()
    customer: str | None = None
    subscription: str | None = None
    reason: str | None = None
    plan: str | None = None
    currency: str | None = None
    trial: bool | None = None
    occurred_from: datetime | None = None
    occurred_to: datetime | None = None
    as_of: datetime | None = None

    def where(self) -> dict[str, Any]:
        """The query in the store's terms."""
        before = self.occurred_to - timedelta(microseconds=1) if self.occurred_to else None
        terms: dict[str, Any] = {
            "entry": tuple(self.entries) or None,
            "kind": tuple(self.kinds) or None,
            "cause": tuple(self.causes) or None,
            "origin": tuple(self.origins) or None,
            "customer_id": self.customer,
            "subscription_id": self.subscription,
            "reason": self.reason,
            "plan": self.plan,
            "currency": self.currency,
            "trial": self.trial,
            "occurred_at__gte": self.occurred_from,
            "occurred_at__lte": before,
            "recorded_at__lte": self.as_of,
        }
        return {name: value for name, value in terms.items() if value is not None}


async def find(
    world: World,
    merchant_id: str,
    query: ChurnQuery,
    *,
    after: tuple[datetime, str] | None = None,
    limit: int = 50,
) -> list[ChurnRecord]:
    """Lines of a merchant, what happened last first; `after` is (occurred_at, record_id) of the
    last one seen."""
    async with world.store.transaction(merchant_id) as tx:
        return await tx.find(
            ChurnRecord,
            where={"merchant_id": merchant_id, **query.where()},
            order=("-occurred_at", "-record_id"),
            after=after,
            limit=limit,
        )
