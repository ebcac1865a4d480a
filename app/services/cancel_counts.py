"""Why customers leave, counted: sessions by the reason given and how they ended, and what else was
answered."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from app.domain.records import Key
from app.domain.sessions import CancelSession, SessionState
from app.domain.survey import SurveyAnswer
from app.ports.world import World

AT_A_TIME = 2_000
MOST_NAMED = 100  # competitors; there are more ways to write than there are
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


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerCounts:
    """How often what was answered: by competitor (however it was written, the most frequent
    first), by `rating` and `likely` from 0 to 10, and by red flag."""

    answers: int
    competitors: Mapping[str, int]
    ratings: Mapping[int, int]
    likely: Mapping[int, int]
    flags: Mapping[str, int]


async def of_answers(
    world: World, merchant_id: str, *, since: datetime, until: datetime
) -> AnswerCounts:
    """What was answered from `since` up to and with `until`."""
    competitors: Counter[str] = Counter()
    ratings: Counter[int] = Counter()
    likely: Counter[int] = Counter()
    flags: Counter[str] = Counter()
    written: dict[str, str] = {}
    count, after = 0, None
    where = {"merchant_id": merchant_id, "at__gte": since, "at__lte": until}
    while True:
        async with world.store.transaction(merchant_id) as tx:
            rows = await tx.find(
                SurveyAnswer,
                where=where,
                order=("at", "session_id", "step"),
                after=after,
                limit=AT_A_TIME,
            )
        for row in rows:
            if row.competitor:
                folded = " ".join(row.competitor.casefold().split())
                competitors[written.setdefault(folded, row.competitor)] += 1
            ratings.update([row.rating] if row.rating is not None else [])
            likely.update([row.likely] if row.likely is not None else [])
            flags.update(row.flags)
        count += len(rows)
        if len(rows) < AT_A_TIME:
            break
        after = (rows[-1].at, rows[-1].session_id, rows[-1].step)
    return AnswerCounts(
        answers=count,
        competitors=dict(competitors.most_common(MOST_NAMED)),
        ratings=dict(sorted(ratings.items())),
        likely=dict(sorted(likely.items())),
        flags=dict(sorted(flags.items())),
    )


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
