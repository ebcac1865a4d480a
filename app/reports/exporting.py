"""Nightly files for people's own tools: the same answers, each with its rows and checksum."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from app.ports.exports import Box, Shelf
from app.ports.figures import Figures
from app.reports import finance
from app.reports.answers import Answer, Row
from app.reports.asking import SETTLING, stamp
from app.reports.formats import CSV, rendered
from app.reports.periods import day_of, midnight

BACK = 35  # days that each export looks back: what was recorded late is in the next nights' files
AFTER_MIDNIGHT = timedelta(hours=5)  # by then what the night mends is recorded
Ask = Callable[..., Awaitable[Answer]]


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    """A file of an export: the question it is the answer of, and what it says in a sentence. `at`
    the cut-off alone, or over a span of days."""

    name: str
    says: str
    ask: Ask
    words: Mapping[str, str] = field(default_factory=dict)
    over_span: bool = True


DAILY = {"interval": "day"}
FILES = (
    File(
        name="entries",
        says="Every line of the recovered-revenue ledger, by `entry_id`.",
        ask=finance.answer_entries,
    ),
    File(
        name="recovered-revenue",
        says="Recovered revenue by day and cause.",
        ask=finance.answer_recovered_revenue,
        words={**DAILY, "group_by": "cause"},
    ),
    File(
        name="recovery-rate",
        says="What failed on each day and how much of it is back, young days included.",
        ask=finance.answer_recovery_rate,
        words={**DAILY, "view": "all"},
    ),
    File(
        name="payment-failures",
        says="First payments and refusals by day and decline kind.",
        ask=finance.answer_payment_failures,
        words={**DAILY, "group_by": "decline_kind"},
    ),
    File(
        name="mrr",
        says="MRR and its movements by day and plan.",
        ask=finance.answer_mrr,
        words={**DAILY, "group_by": "plan"},
    ),
    File(
        name="churn-reasons",
        says="Ends by day and reason.",
        ask=finance.answer_churn_reasons,
        words={**DAILY, "group_by": "reason"},
    ),
    File(
        name="saves",
        says="The save ladder by day and kind of offer.",
        ask=finance.answer_saves,
        words={**DAILY, "group_by": "offer_kind"},
    ),
    File(
        name="at-risk",
        says="MRR at risk by plan, at the cut-off.",
        ask=finance.answer_at_risk,
        words={"group_by": "plan"},
        over_span=False,
    ),
)


def last_day(now: datetime, zone: ZoneInfo) -> date:
    """The latest day that is over for long enough to be exported."""
    return day_of(now - AFTER_MIDNIGHT, zone) - timedelta(days=1)


async def export_day(
    merchant_id: str, day: date, *, figures: Figures, shelf: Shelf, now: datetime
) -> bool:
    """Write the files of a merchant's day, unless they are there; whether they were written.

    The cut-off is five hours after the day's end, so that the same day gives the same bytes
    whenever it is exported. Raises `StoreUnavailable`, and `OSError` where there is no room; then
    nothing is there.
    """
    if shelf.has(merchant_id, day.isoformat()):
        return False
    zone = ZoneInfo(await figures.time_zone(merchant_id))
    as_of = midnight(day + timedelta(days=1), zone) + AFTER_MIDNIGHT - SETTLING
    span = {"from": (day - timedelta(days=BACK - 1)).isoformat(), "to": day.isoformat()}
    async with shelf.box(merchant_id, day.isoformat()) as box:
        told = []
        for file in FILES:
            words = {**file.words, "as_of": stamp(as_of), **(span if file.over_span else {})}
            answer = await file.ask(
                words, merchant_id=merchant_id, figures=figures, now=now, whole=True
            )
            told.append(await _put(box, file, answer))
        about = {"merchant": merchant_id, "day": day.isoformat(), "time_zone": zone.key}
        await box.close({**about, "as_of": stamp(as_of), **span, "files": told})
    return True


async def _put(box: Box, file: File, answer: Answer) -> dict[str, Any]:
    count = 0

    async def counted() -> AsyncIterator[Row]:
        nonlocal count
        async for row in answer.rows:
            count += 1
            yield row

    name = f"{file.name}.csv"
    written = await box.put(name, rendered(replace(answer, rows=counted()), CSV))
    return {
        "name": name,
        "rows": count,
        "bytes": written.size,
        "sha256": written.sha256,
        "columns": list(answer.columns),
    }
