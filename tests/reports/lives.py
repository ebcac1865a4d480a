"""Random lives of subscriptions: as the rows that tell of them, and counted one by one by hand."""

import random
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from app.domain.churn import ChurnCause, ChurnEntry, ChurnKind
from app.domain.mrr import MovementKind as M
from tests.reports.builders import JAN_1, churned, day, movement, record_id

STARTS, ENDS = day(1, 0), day(32, 0)
PLANS = ("basic", "pro")
REASONS = (None, "price", "bugs")
CURRENCIES = ("usd", "eur")


@dataclass(frozen=True)
class Life:
    """One subscription: when it began and with how much, what changed, how it ended and whether
    it came back. `asked` is when leaving was asked for, where that was before the end."""

    name: str
    currency: str
    began: datetime
    opening: int
    changes: tuple[tuple[datetime, int], ...]
    ended: datetime | None
    asked: datetime | None
    kind: ChurnKind
    reason: str | None
    back: datetime | None

    def mrr_at(self, at: datetime) -> int:
        """Minor units right before an instant."""
        if self.began >= at or (self.ended and self.ended < at and not self.is_back(at)):
            return 0
        until = min(at, self.ended) if self.ended else at
        return self.opening + sum(minor for when, minor in self.changes if when < until)

    def is_back(self, at: datetime) -> bool:
        return self.back is not None and self.back < at

    @property
    def at_end(self) -> int:
        assert self.ended
        return self.mrr_at(self.ended)

    def rows(self) -> list[Any]:
        """What the ledgers hold of it."""
        kind = M.NEW if self.began >= STARTS else M.OPENING
        keys: dict[str, Any] = {"subscription_id": self.name, "currency": self.currency}
        found: list[Any] = [movement(self.opening, kind, at=self.began, **keys)]
        for when, minor in self.changes:
            if self.ended is None or when < self.ended:
                change = M.EXPANSION if minor > 0 else M.CONTRACTION
                found.append(movement(minor, change, at=when, **keys))
        told: dict[str, Any] = {
            "currency": self.currency,
            "started_at": self.began,
            "kind": self.kind,
            "reason": self.reason,
            "minor": self.at_end if self.ended else self.mrr_at(ENDS),
        }
        plan = None
        if self.asked:
            plan = record_id(self.name, ChurnEntry.PENDING, self.asked)
            found.append(churned(self.name, at=self.asked, entry=ChurnEntry.PENDING, **told))
        if self.ended:
            how = M.CHURN_VOLUNTARY if self.kind is ChurnKind.VOLUNTARY else M.CHURN_INVOLUNTARY
            found += [
                movement(-self.at_end, how, at=self.ended, **keys),
                churned(self.name, at=self.ended, about=plan, cause=self._cause(), **told),
            ]
        if self.ended and self.back:
            end = record_id(self.name, ChurnEntry.CHURNED, self.ended)
            found += [
                movement(self.at_end, M.REACTIVATION, at=self.back, **keys),
                churned(self.name, at=self.back, entry=ChurnEntry.REVERSED, about=end, **told),
            ]
        return found

    def _cause(self) -> ChurnCause:
        asked = self.kind is ChurnKind.VOLUNTARY
        return ChurnCause.REQUESTED if asked else ChurnCause.DUNNING_ENDED


def a_life(draw: random.Random, number: int) -> Life:
    """Began before January or in it; may change, end, come back, all at different seconds."""

    def some_time(after: datetime, days: int) -> datetime:
        return after + timedelta(seconds=draw.randrange(1, days * 86_400))

    joined = draw.random() < 0.3
    began = some_time(STARTS, 20) if joined else JAN_1 - timedelta(days=draw.randrange(40, 400))
    later = max(began, STARTS)
    opening = draw.randrange(1_000, 9_000)
    changes = tuple(
        (some_time(later, 40), draw.choice((-1, 1)) * draw.randrange(1, 300))
        for _ in range(draw.randrange(3))
    )
    kind = draw.choice((ChurnKind.VOLUNTARY, ChurnKind.VOLUNTARY, ChurnKind.INVOLUNTARY))
    ended = some_time(later, 45) if draw.random() < 0.6 else None
    asked = None
    if kind is ChurnKind.VOLUNTARY and draw.random() < 0.5:
        asked = some_time(later, 30)
        ended = max(ended, asked + timedelta(hours=1)) if ended else None
    back = some_time(ended, 20) if ended and draw.random() < 0.4 else None
    changes = tuple(change for change in changes if not ended or change[0] < ended)
    return Life(
        name=f"sub_{number}",
        currency=draw.choice(CURRENCIES),
        began=began,
        opening=opening,
        changes=changes,
        ended=ended,
        asked=asked,
        kind=kind,
        reason=draw.choice(REASONS),
        back=back,
    )


def in_january(at: datetime | None) -> bool:
    return at is not None and STARTS <= at < ENDS


def lost_by(lives: list[Life], preset: str, recognition: str | None) -> tuple[int, int, int]:
    """Who is lost in January, one life after another; their MRR; and of how many."""
    at_request = (recognition or ("request" if preset == "seed" else "end")) == "request"
    n = minor = whole = 0
    for life in lives:
        was_there, joined = life.mrr_at(STARTS) > 0, in_january(life.began)
        whole += was_there + (joined and preset == "stripe")
        when = life.ended
        if at_request and life.kind is ChurnKind.VOLUNTARY:
            when = life.asked or life.ended
        if not in_january(when) or (not was_there and preset != "stripe"):
            continue
        back = in_january(life.ended) and in_january(life.back) and was_there
        n += 0 if back and preset == "chartmogul" else 1
        minor += life.at_end if life.ended else life.mrr_at(ENDS)
    return n, minor, whole
