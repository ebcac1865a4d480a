"""Why customers leave, counted: sessions by the reason given and how they ended."""

from collections import Counter
from dataclasses import dataclass
from datetime import datetime

from app.domain.records import Key
from app.domain.sessions import CancelSession, SessionState
from app.ports.world import World

AT_A_TIME = 2_000
LEFT = frozenset({SessionState.CANCELLED, SessionState.CANCELLING, SessionState.FAILED})


@dataclass(frozen=True, slots=True, kw_only=True)
class ReasonCount:
    """How many sessions gave this reason (None: gave none), and how many of them ended how. What
    is still under way is in `sessions` alone."""

    reason: str | None
    sessions: int
    cancelled: int
    saved: int
    abandoned: int


async def by_reason(
    world: World, merchant_id: str, *, since: datetime, until: datetime
) -> list[ReasonCount]:
    """The sessions opened from `since` up to and with `until`, the most frequent reason first."""
    seen: Counter[tuple[str | None, SessionState]] = Counter()
    where = {"merchant_id": merchant_id, "opened_at__gte": since, "opened_at__lte": until}
    after: Key | None = None
    while True:
        async with world.store.transaction(merchant_id) as tx:
            rows = await tx.find(
                CancelSession,
                where=where,
                order=("opened_at", "session_id"),
                after=after,
                limit=AT_A_TIME,
            )
        seen.update((row.reason, row.state) for row in rows)
        if len(rows) < AT_A_TIME:
            break
        after = (rows[-1].opened_at, rows[-1].session_id)
    found = [_count(reason, seen) for reason in {reason for reason, _ in seen}]
    return sorted(found, key=lambda row: (-row.sessions, row.reason or ""))


def _count(reason: str | None, seen: Counter[tuple[str | None, SessionState]]) -> ReasonCount:
    return ReasonCount(
        reason=reason,
        sessions=sum(n for (other, _), n in seen.items() if other == reason),
        cancelled=sum(seen[reason, state] for state in LEFT),
        saved=seen[reason, SessionState.SAVED],
        abandoned=seen[reason, SessionState.ABANDONED],
    )
