"""MRR by period: start, movements, end, and that they add up."""

from collections.abc import AsyncIterator, Iterator, Mapping
from datetime import date
from typing import Any

from app.domain.mrr import MovementKind
from app.ports.figures import Figures
from app.reports.answers import Answer, Row, head_of
from app.reports.asking import Question
from app.reports.attributed import kept_keys, named_in
from app.reports.defined.churn import MRR
from app.reports.periods import cut
from app.reports.tables import Place, by_currency, count, gathered, in_order, minor, place_cells

KINDS = tuple(MovementKind)
Group = tuple[str, tuple[str | None, ...]]
# MRR and paying subscriptions.
State = tuple[int, int]


async def balances(question: Question, figures: Figures) -> dict[Group, State]:
    """MRR and paying subscriptions of each group when the question's span begins."""
    by = [name for name in question.by if name != "currency"]
    excerpt, starts_at = question.excerpt, question.starts_at
    states: dict[Group, State] = {}
    for sums in await figures.balance("mrr", excerpt, starts_at, kept_keys(by)):
        group = (sums.currency, named_in(sums, by))
        held = states.get(group, (0, 0))
        more = (minor(sums.kinds, *KINDS), count(sums.kinds, *KINDS))
        states[group] = (held[0] + more[0], held[1] + more[1])
    return states


def mrr(question: Question, *, figures: Figures) -> Answer:
    """The answer about MRR, by the time movements take effect. A period in which nothing moved
    has a row for each group that has MRR.

    `identity` compares each currency's end with the sum of all movements, asked once more.
    """
    by = tuple(name for name in question.by if name != "currency")
    ends: dict[str, int] = {}

    async def rows() -> AsyncIterator[Row]:
        states = await balances(question, figures)
        cells = await gathered(question, "mrr", figures)
        for row, state in _rows(question, states, cells, by):
            yield row | {"arpa_minor": state[0] // state[1] if state[1] > 0 else None}
        for (currency, _), state in states.items():
            ends[currency] = ends.get(currency, 0) + state[0]

    async def tail() -> Mapping[str, Any]:
        found = await figures.balance("mrr", question.excerpt, question.ends_at, ())
        wanted = {c: minor(kinds, *KINDS) for c, kinds in by_currency(found).items()}
        checks = [
            {"currency": c, "rows_minor": ends.get(c, 0), "ledger_minor": wanted.get(c, 0)}
            for c in sorted({*ends, *wanted})
        ]
        return {
            "identity": {
                "says": "start + movements = end, and the ends add up to all movements before it",
                "holds": all(check["rows_minor"] == check["ledger_minor"] for check in checks),
                "by_currency": checks,
            }
        }

    columns = ("period", "currency", *by, *MRR.columns)
    return Answer(head=head_of(question, MRR), columns=columns, rows=rows(), tail=tail)


def _rows(
    question: Question,
    states: dict[Group, State],
    cells: Mapping[Place, Mapping[str, tuple[int, int]]],
    by: tuple[str, ...],
) -> Iterator[tuple[Row, State]]:
    """Rows in order, each with the state at its end; `states` moves along."""
    groups = sorted({*states, *((c, named) for _, c, named in cells)}, key=group_order)
    for day in periods_of(question):
        for group in groups:
            start = states.get(group, (0, 0))
            kinds = cells.get((day, *group), {})
            end = (start[0] + minor(kinds, *KINDS), start[1] + count(kinds, *KINDS))
            states[group] = end
            if kinds or start != (0, 0):
                moves = {f"{kind}_minor": minor(kinds, kind) for kind in KINDS}
                counted = {name: moves[name] for name in MRR.columns if name in moves}
                cell = place_cells((day, *group), by) | {"start_minor": start[0]} | counted
                yield cell | {"end_minor": end[0], "n_end": end[1]}, end


def group_order(group: Group) -> tuple[str, ...]:
    """Sorts groups the same way on every machine; an empty key comes first."""
    return in_order((date.min, *group))


def periods_of(question: Question) -> list[date]:
    """The first day of each period of a question."""
    return [
        period.day
        for period in cut(question.starts_at, question.ends_at, question.step, question.zone)
    ]
