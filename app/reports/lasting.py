"""How long things last: cohorts of a ledger, by days, as survival curves with their numbers."""

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from app.domain.survival import RECOVERY_DAYS, SAVE_DAYS, Cohort, Point, curve
from app.ports.figures import Figures, Period
from app.reports.answers import Answer, Row
from app.reports.asking import Question
from app.reports.defined.lasting import RECOVERY_TIMES, SAVES_LASTING
from app.reports.defined.shape import Endpoint
from app.reports.periods import Step, cut, midnight, months_later
from app.reports.tables import Kinds, added, count, same_as_a_whole

# Currency and the values of the keys asked for.
Group = tuple[str, tuple[str | None, ...]]
DAYS_AT_ONCE = 120
BEGAN = "began"


@dataclass(frozen=True, slots=True, kw_only=True)
class Lives:
    """Which ledger tells of beginnings and ends, on which grid of days, and how it is told."""

    endpoint: Endpoint
    ledger: str
    grid: tuple[int, ...]
    ended: str
    share: str
    risen: bool  # whether what has ended is told, else what lasts


RECOVERY = Lives(
    endpoint=RECOVERY_TIMES,
    ledger="recovering",
    grid=RECOVERY_DAYS,
    ended="n_recovered",
    share="recovered_share",
    risen=True,
)
SAVED = Lives(
    endpoint=SAVES_LASTING,
    ledger="lasting",
    grid=SAVE_DAYS,
    ended="n_ended",
    share="lasting_share",
    risen=False,
)


def lasting(question: Question, lives: Lives, *, figures: Figures) -> Answer:
    """The answer: a row for each group and day of the grid, as far as anything is that old."""
    by = tuple(name for name in question.by if name != "currency")
    totals: dict[str, dict[str, tuple[int, int]]] = {}

    async def rows() -> AsyncIterator[Row]:
        cohorts: dict[Group, list[Cohort]] = {}
        for block in _blocks(question, lives):
            ages = {period.day: _age(period, question) for period in block}
            for sums in await figures.flows(lives.ledger, question.excerpt, block, by):
                added(totals.setdefault(sums.currency, {}), sums.kinds)
                group = (sums.currency, tuple(sums.named[name] for name in by))
                found = _cohort(ages[sums.period], sums.kinds, lives)
                cohorts.setdefault(group, []).append(found)
        for group in sorted(cohorts, key=_in_order):
            currency, named = group
            cells: Row = {"currency": currency} | dict(zip(by, named, strict=True))
            for point in curve(cohorts[group], lives.grid):
                yield cells | _cells(point, lives)

    async def tail() -> Mapping[str, Any]:
        return {"identity": await same_as_a_whole(question, lives.ledger, totals, figures)}

    head = {
        "figure": lives.endpoint.path,
        **question.echo(),
        "group_by": list(question.by),
        "definitions": lives.endpoint.definitions(),
    }
    columns = ("currency", *by, *lives.endpoint.columns)
    return Answer(head=head, columns=columns, rows=rows(), tail=tail)


def _blocks(question: Question, lives: Lives) -> Iterator[Sequence[Period]]:
    """Months of what is older than the grid, one by one days of the rest."""
    oldest = question.excerpt.as_of - timedelta(days=lives.grid[-1] + 1)
    edge = _first_of_month(oldest, question)
    old = (question.starts_at, min(edge, question.ends_at))
    young = (max(edge, question.starts_at), question.ends_at)
    for (starts_at, ends_at), step in ((old, Step.MONTH), (young, Step.DAY)):
        if starts_at >= ends_at:
            continue
        periods = list(cut(starts_at, ends_at, step, question.zone))
        for first in range(0, len(periods), DAYS_AT_ONCE):
            yield periods[first : first + DAYS_AT_ONCE]


def _first_of_month(at: datetime, question: Question) -> datetime:
    day = at.astimezone(question.zone).date()
    return midnight(months_later(day.replace(day=1), 0), question.zone)


def _age(period: Period, question: Question) -> int:
    """For how many whole days all of a period's lives were looked at."""
    return max((question.excerpt.as_of - period.ends_at) // timedelta(days=1), 0)


def _cohort(age: int, kinds: Kinds, lives: Lives) -> Cohort:
    return Cohort(age, count(kinds, BEGAN), {day: count(kinds, f"d{day}") for day in lives.grid})


def _cells(point: Point, lives: Lives) -> Row:
    share, ends = float(point.lasting), (point.low, point.high)
    if lives.risen:
        low, high = (None if end is None else 1 - end for end in reversed(ends))
        share, ends = 1 - share, (low, high)
    return {
        "day": point.day,
        "n_at_risk": point.at_risk,
        lives.ended: point.ended,
        lives.share: f"{share:.6f}",
        "low": None if ends[0] is None else f"{ends[0]:.6f}",
        "high": None if ends[1] is None else f"{ends[1]:.6f}",
    }


def _in_order(group: Group) -> tuple[str, ...]:
    """The same way on every machine; an empty key comes first."""
    return (group[0], *("" if name is None else f" {name}" for name in group[1]))
