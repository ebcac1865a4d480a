"""The recovery curve: how much of what failed had come back after so many days."""

from collections.abc import AsyncIterator, Mapping
from datetime import datetime
from typing import Any

from app.ports.figures import Figures
from app.reports import finance
from app.reports.answers import Answer, Row

DAYS = (7, 14, 30, 60, 90)  # those for which sums are kept
COLUMNS = ("w", "currency", "n", "failed_minor", "recovered_within_w_minor", "rate")


async def answer_recovery_curve(
    words: Mapping[str, str],
    *,
    merchant_id: str,
    figures: Figures,
    now: datetime,
    whole: bool,
) -> Answer:
    """The recovery rate of the whole span for each of `DAYS`, as of one instant.

    Each counts the cohorts that had so many days; first payments after a trial are left out. Words
    and errors are those of the recovery rate.
    """
    rows: list[Row] = []
    head: Mapping[str, Any] = {}
    holds = True
    for days in DAYS:
        as_of = {"as_of": head["as_of"]} if head else {}
        answer = await finance.answer_recovery_rate(
            {**words, **as_of, "w": str(days)},
            merchant_id=merchant_id,
            figures=figures,
            now=now,
            whole=whole,
        )
        async for _ in answer.rows:
            pass
        tail = await answer.tail()
        head, holds = answer.head, holds and tail["identity"]["holds"]
        rows += [
            {"w": f"{days} days", **{name: total[name] for name in COLUMNS[1:]}}
            for total in tail["totals"]
            if not total["trial_conversion"]
        ]

    async def told() -> AsyncIterator[Row]:
        for row in rows:
            yield row

    async def tail_of() -> Mapping[str, Any]:
        return {"identity": {"holds": holds}}

    return Answer(head=head, columns=COLUMNS, rows=told(), tail=tail_of)
