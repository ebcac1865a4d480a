"""From a question's words to its answer: one function per endpoint of finance."""

from collections.abc import Mapping
from datetime import datetime
from zoneinfo import ZoneInfo

from app.ports.figures import Figures
from app.reports import entries, rates, recovered
from app.reports.answers import Answer
from app.reports.asking import Question, choice, cut_off, number, question

Words = Mapping[str, str]


async def answer_recovered_revenue(
    words: Words, *, merchant_id: str, figures: Figures, now: datetime, whole: bool
) -> Answer:
    """Recovered revenue by period. `whole` makes no difference.

    Raises `WrongParameter` for words that cannot be meant; `StoreUnavailable` here or while the
    rows are read.
    """
    asked = await _asked(
        words, merchant_id, figures, cut_off(words.get("as_of"), now=now), recovered.KEYS
    )
    return recovered.recovered_revenue(asked, figures=figures)


async def answer_recovery_rate(
    words: Words, *, merchant_id: str, figures: Figures, now: datetime, whole: bool
) -> Answer:
    """The recovery rate by cohort: also `w` (days, default 30) and `view` (default mature).
    Errors as above."""
    days = number(
        "w", words.get("w", str(rates.DEFAULT_DAYS)), lowest=1, highest=rates.LONGEST_DAYS
    )
    view = rates.View(choice("view", words.get("view", rates.View.MATURE), frozenset(rates.View)))
    asked = await _asked(
        words, merchant_id, figures, cut_off(words.get("as_of"), now=now), rates.KEYS
    )
    return rates.recovery_rate(asked, days=days, view=view, figures=figures)


async def answer_entries(
    words: Words, *, merchant_id: str, figures: Figures, now: datetime, whole: bool
) -> Answer:
    """The lines behind recovered revenue: also `cause`, `kind`, `plan`, `limit`, `cursor`.

    `whole` and no `limit`: all lines; else a page. A cursor keeps the cut-off of its first page.
    Errors as above.
    """
    limit, cursor = entries.limit_of(words), entries.cursor_of(words)
    as_of = cut_off(words.get("as_of"), now=now)
    if cursor:
        as_of = min(as_of, cursor.as_of)
    asked = await _asked(words, merchant_id, figures, as_of, frozenset())
    after = cursor.after if cursor else None
    if whole and limit is None:
        return entries.everything(asked, words, after=after, figures=figures)
    size = limit or entries.DEFAULT_LIMIT
    return await entries.page(asked, words, after=after, limit=size, figures=figures)


async def _asked(
    words: Words, merchant_id: str, figures: Figures, as_of: datetime, keys: frozenset[str]
) -> Question:
    zone = ZoneInfo(await figures.time_zone(merchant_id))
    return question(words, merchant_id=merchant_id, zone=zone, as_of=as_of, keys=keys)
