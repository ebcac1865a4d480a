"""The recovery rate: of what failed in a period, how much came back within W days."""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from enum import StrEnum
from typing import Any

from app.ports.figures import CohortRule, CohortSums, Figures, Period
from app.reports.answers import Answer, Row, blocks, head_of, in_turn, key_cells, share
from app.reports.asking import Question
from app.reports.defined.recovery import RATE
from app.reports.periods import day_of, midnight

KEYS = RATE.keys
DEFAULT_DAYS, LONGEST_DAYS = 30, 366
SUMS = (
    "n",
    "n_open",
    "n_excluded",
    "failed_minor",
    "recovered_within_w_minor",
    "settled_other_within_w_minor",
    "credited_within_w_minor",
    "open_minor",
    "excluded_minor",
)
COLUMNS = (*SUMS, "rate", "open_share")


class View(StrEnum):
    """Which cohorts count; the words of finance's definition of the recovery rate."""

    MATURE = "mature"
    ALL = "all"
    CLOSED = "closed"


def recovery_rate(question: Question, *, days: int, view: View, figures: Figures) -> Answer:
    """The answer about the recovery rate, by the day of the first failure.

    Args:
        days: W, the days of 24 hours that each failed invoice has.

    `totals` are per currency and trial conversion; `identity` compares them with what the same
    span gives ungrouped, in larger pieces.
    """
    rule = _rule(question, days, view)
    totals: dict[tuple[str, bool], dict[str, int]] = {}

    async def ask(block: Sequence[Period]) -> list[CohortSums]:
        return await figures.cohorts(question.excerpt, block, question.by, rule)

    async def rows() -> AsyncIterator[Row]:
        async for sums in in_turn(question, ask, SUMS):
            cells = key_cells(sums.keys, question.by)
            cells["trial_conversion"] = sums.keys.trial_conversion
            yield cells | _with_shares(_add(totals, sums))

    async def tail() -> Mapping[str, Any]:
        return {
            "totals": [
                {"currency": currency, "trial_conversion": trial}
                | _with_shares(totals[currency, trial])
                for currency, trial in sorted(totals)
            ],
            "identity": await _identity(question, rule, totals, figures),
        }

    by = tuple(name for name in question.by if name != "currency")
    head = head_of(question, RATE, w=days, view=view.value)
    columns = ("period", "currency", *by, "trial_conversion", *COLUMNS)
    return Answer(head=head, columns=columns, rows=rows(), tail=tail)


def _rule(question: Question, days: int, view: View) -> CohortRule:
    """A day is mature when all of it lies more than W days before the cut-off: then no payment
    within W can be missing any more."""
    within = timedelta(days=days)
    before = midnight(day_of(question.excerpt.as_of - within, question.zone), question.zone)
    return CohortRule(
        within=within,
        before=before if view is View.MATURE else None,
        closed_only=view is View.CLOSED,
    )


def _add(totals: dict[tuple[str, bool], dict[str, int]], sums: CohortSums) -> dict[str, int]:
    counted = {name: getattr(sums, name) for name in SUMS}
    key = (sums.keys.currency, sums.keys.trial_conversion)
    former = totals.setdefault(key, dict.fromkeys(SUMS, 0))
    for name, count in counted.items():
        former[name] += count
    return counted


def _with_shares(counted: Mapping[str, int]) -> Row:
    failed = counted["failed_minor"]
    return {
        **counted,
        "rate": share(counted["recovered_within_w_minor"], failed),
        "open_share": share(counted["open_minor"], failed),
    }


async def _identity(
    question: Question,
    rule: CohortRule,
    totals: Mapping[tuple[str, bool], Mapping[str, int]],
    figures: Figures,
) -> Row:
    ungrouped: dict[tuple[str, bool], dict[str, int]] = {}
    for block in blocks(question):
        whole = replace(block[0], ends_at=block[-1].ends_at)
        for sums in await figures.cohorts(question.excerpt, [whole], (), rule):
            _add(ungrouped, sums)
    return {
        "says": "the rows add up to the cohorts asked once more, ungrouped and in larger pieces",
        "holds": ungrouped == totals,
    }
