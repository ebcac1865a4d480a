"""Reading what those who left answered to the one question."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from app.domain.afterwards import ExitFeedback
from app.domain.cancellations import CancelRequest
from app.ports.world import World


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedbackQuery:
    """Which answers to list; None asks for any. `answered_to` is not part of the span."""

    customer: str | None = None
    subscription: str | None = None
    answered_from: datetime | None = None
    answered_to: datetime | None = None

    def where(self) -> dict[str, Any]:
        """The query in the store's terms."""
        before = self.answered_to - timedelta(microseconds=1) if self.answered_to else None
        terms = {
            "customer_id": self.customer,
            "subscription_id": self.subscription,
            "at__gte": self.answered_from,
            "at__lte": before,
        }
        return {name: value for name, value in terms.items() if value is not None}


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """An answer, and the cancellation that it follows."""

    feedback: ExitFeedback
    request: CancelRequest


async def find(
    world: World,
    merchant_id: str,
    query: FeedbackQuery,
    *,
    after: tuple[datetime, str] | None = None,
    limit: int = 50,
) -> list[Answered]:
    """Answers of a merchant, the newest first; `after` is (at, request_id) of the last one seen.
    Of one that was forgotten, only that there was one."""
    async with world.store.transaction(merchant_id) as tx:
        rows = await tx.find(
            ExitFeedback,
            where={"merchant_id": merchant_id, **query.where()},
            order=("-at", "-request_id"),
            after=after,
            limit=limit,
        )
        asked = await tx.load(CancelRequest, [(row.request_id,) for row in rows])
    requests = {request.request_id: request for request in asked}
    return [Answered(feedback=row, request=requests[row.request_id]) for row in rows]
