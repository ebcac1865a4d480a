"""Churn of those who were there when a period began, by how long and with how much they were."""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from app.domain.churn_rates import Definition, Preset
from app.domain.mrr import MovementKind
from app.ports.figures import Figures, Period
from app.reports.answers import Answer, Row, head_of
from app.reports.asking import Question, WrongParameter
from app.reports.churning import figures_of, lengths_of, tallies
from app.reports.defined.churn import CHURN
from app.reports.periods import Step, cut, midnight, next_first_day
from app.reports.tables import Kinds, added, by_currency, in_order, place_cells

KEYS = frozenset(CHURN.standing)
STEPS = (Step.MONTH, Step.QUARTER, Step.YEAR)  # of which whole ones are kept
FOUND = MovementKind.OPENING
OF_MRR = (
    MovementKind.NEW,
    MovementKind.EXPANSION,
    MovementKind.CONTRACTION,
    MovementKind.REACTIVATION,
)


def asked_for(question: Question) -> bool:
    """Whether a question is grouped by where somebody stood when a period began.

    Raises `WrongParameter` where that is asked for beside other keys, or of days or weeks.
    """
    if not KEYS.intersection(question.by):
        return False
    if others := sorted(set(question.by) - KEYS - {"currency"}):
        raise WrongParameter("group_by", f"tenure and mrr_band are not told by {others[0]} as well")
    if question.step not in STEPS:
        raise WrongParameter(
            "interval", "is not month, quarter or year, as for tenure and mrr_band"
        )
    return True


def churn_by_standing(
    question: Question, *, preset: Preset, rule: Definition, margin_percent: int, figures: Figures
) -> Answer:
    """The answer, a row for each bucket and whole period that is over. `identity` compares what
    the rows add up to with MRR and churn of the same periods, asked once more as a whole."""
    by = tuple(name for name in question.by if name != "currency")
    totals: dict[Period, dict[str, dict[str, tuple[int, int]]]] = {}

    async def rows() -> AsyncIterator[Row]:
        lengths = lengths_of(question)
        for period in _periods(question):
            found = await figures.standing(question.excerpt, period, by)
            totals[period] = by_currency(found)
            places = {
                (period.day, sums.currency, tuple(sums.named[name] for name in by)): sums.kinds
                for sums in found
            }
            for place in sorted(places, key=in_order):
                kinds = places[place]
                n, mrr = kinds.get("start", (0, 0))
                people, money = tallies((mrr, n), kinds, kinds)
                cells = figures_of(people, money, rule, margin_percent, lengths[period.day])
                yield place_cells(place, by) | cells

    async def tail() -> Mapping[str, Any]:
        holds = True
        for period, told in totals.items():
            holds &= _plain(told) == _plain(await _whole(question, period, figures))
        says = "who was at the start, came, moved and left in all rows is MRR and churn as a whole"
        return {"identity": {"says": says, "holds": holds}}

    more = {"preset": preset.value, "rule": asdict(rule), "margin_percent": margin_percent}
    columns = ("period", "currency", *by, *CHURN.columns)
    return Answer(head=head_of(question, CHURN, **more), columns=columns, rows=rows(), tail=tail)


def _periods(question: Question) -> Sequence[Period]:
    """The whole periods of the span that were over at the cut-off."""
    step, zone = question.step, question.zone
    ends_at = min(question.ends_at, question.excerpt.as_of)
    return [
        period
        for period in cut(question.starts_at, ends_at, step, zone)
        if period.starts_at == midnight(period.day, zone)
        and period.ends_at == midnight(next_first_day(period.day, step), zone)
    ]


async def _whole(
    question: Question, period: Period, figures: Figures
) -> dict[str, dict[str, tuple[int, int]]]:
    excerpt = question.excerpt
    found: dict[str, dict[str, tuple[int, int]]] = {}
    before = by_currency(await figures.balance("mrr", excerpt, period.starts_at, ()))
    moved = by_currency(await figures.flows("mrr", excerpt, [period], ()))
    for currency in {*before, *moved}:
        kinds, moves = before.get(currency, {}), moved.get(currency, {})
        start = {"start": _added_up(kinds)}
        added(start, {"start": moves.get(FOUND, (0, 0))})
        added(start, {kind: moves[kind] for kind in OF_MRR if kind in moves})
        found[currency] = start
    for currency, kinds in by_currency(await figures.flows("churn", excerpt, [period], ())).items():
        added(found.setdefault(currency, {}), kinds)
    return found


def _added_up(kinds: Kinds) -> tuple[int, int]:
    return sum(n for n, _ in kinds.values()), sum(minor for _, minor in kinds.values())


def _plain(told: Mapping[str, Kinds]) -> dict[tuple[str, str], tuple[int, int]]:
    return {
        (currency, str(kind)): sums
        for currency, kinds in told.items()
        for kind, sums in kinds.items()
        if sums != (0, 0)
    }
