"""Nightly files for people's own tools: the same answers, each with its rows and checksum."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from app.ports.exports import Box, Shelf, Written
from app.ports.figures import Figures
from app.reports import finance
from app.reports.answers import Answer, Row
from app.reports.asking import EARLIEST, SETTLING, stamp
from app.reports.columns import kinds_of
from app.reports.formats import CSV, rendered
from app.reports.periods import day_of, midnight

LADDER = 90  # days after an acceptance its last rung is looked at
BACK = 35  # days that each export looks back: what was recorded late is in the next nights' files
LONGEST_BACK = BACK + LADDER  # saves are looked at for so long
FIRST_DAY = EARLIEST + timedelta(days=LONGEST_BACK)  # the earliest whose files may look back so far
AFTER_MIDNIGHT = timedelta(hours=5)  # by then what the night mends is recorded
Ask = Callable[..., Awaitable[Answer]]


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    """A file of an export: the question it is the answer of, and what it says in a sentence. At the
    cut-off alone, or over the `back` days that end with the export's."""

    name: str
    says: str
    ask: Ask
    words: Mapping[str, str] = field(default_factory=dict)
    over_span: bool = True
    back: int = BACK

    def span(self, day: date) -> dict[str, str]:
        """The days that it is about, as parameters of the question."""
        if not self.over_span:
            return {}
        return {"from": (day - timedelta(days=self.back - 1)).isoformat(), "to": day.isoformat()}


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
        back=LONGEST_BACK,
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
    merchant_id: str,
    day: date,
    *,
    figures: Figures,
    shelf: Shelf,
    now: datetime,
    parquet: bool = False,
) -> bool:
    """Write the files of a merchant's day, unless they are there; whether they were written. With
    `parquet` each stands there in that form as well.

    The cut-off is five hours after the day's end, so that the same day gives the same bytes
    whenever it is exported. Raises `StoreUnavailable`, `OSError` where there is no room, and
    `NoParquet`; then nothing is there.
    """
    if shelf.has(merchant_id, day.isoformat()):
        return False
    zone = ZoneInfo(await figures.time_zone(merchant_id))
    as_of = midnight(day + timedelta(days=1), zone) + AFTER_MIDNIGHT - SETTLING
    async with shelf.box(merchant_id, day.isoformat()) as box:
        told = []
        for file in FILES:
            words = {**file.words, "as_of": stamp(as_of), **file.span(day)}
            for put in (_put, _put_table) if parquet else (_put,):
                answer = await file.ask(
                    words, merchant_id=merchant_id, figures=figures, now=now, whole=True
                )
                told.append({**await put(box, file, answer), **file.span(day)})
        about = {"merchant": merchant_id, "day": day.isoformat(), "time_zone": zone.key}
        await box.close({**about, "as_of": stamp(as_of), "files": told})
    return True


async def _put(box: Box, file: File, answer: Answer) -> dict[str, Any]:
    name, counted = f"{file.name}.csv", _Counted(answer.rows)
    written = await box.put(name, rendered(replace(answer, rows=counted.rows()), CSV))
    return _told(name, written, counted, answer)


async def _put_table(box: Box, file: File, answer: Answer) -> dict[str, Any]:
    name, counted = f"{file.name}.parquet", _Counted(answer.rows)
    written = await box.put_table(name, kinds_of(answer), counted.rows())
    return _told(name, written, counted, answer)


def _told(name: str, written: Written, counted: "_Counted", answer: Answer) -> dict[str, Any]:
    return {
        "name": name,
        "rows": counted.count,
        "bytes": written.size,
        "sha256": written.sha256,
        "columns": list(answer.columns),
    }


class _Counted:
    """Rows on their way, and how many they were."""

    def __init__(self, given: AsyncIterator[Row]) -> None:
        self._given, self.count = given, 0

    async def rows(self) -> AsyncIterator[Row]:
        async for row in self._given:
            self.count += 1
            yield row
