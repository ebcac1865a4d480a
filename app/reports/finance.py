"""From a question's words to its answer: one function per endpoint of finance."""

from collections.abc import Awaitable, Callable, Collection, Mapping
from datetime import datetime
from functools import partial
from typing import Protocol
from zoneinfo import ZoneInfo

from app.domain.churn_rates import Preset, Recognition
from app.ports.figures import Figures
from app.reports import (
    churning,
    entries,
    failures,
    lasting,
    mrr,
    offering,
    rates,
    reconciled,
    recovered,
    risk,
    saving,
    standing,
)
from app.reports.answers import Answer
from app.reports.asking import (
    ATTRIBUTE,
    Question,
    WrongParameter,
    choice,
    cut_off,
    number,
    percent,
    question,
)
from app.reports.defined.churn import CHURN, MRR, OFFERS, REASONS, SEGMENTS
from app.reports.defined.lasting import RECOVERY_TIMES, SAVES_LASTING
from app.reports.defined.recovery import RECONCILIATION
from app.reports.defined.risk import AT_RISK, FAILURES, INCREMENTAL, PROJECTION
from app.reports.defined.saves import SAVES
from app.reports.defined.shape import Endpoint
from app.reports.exchanged import in_reporting_currency

Words = Mapping[str, str]


@in_reporting_currency
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


@in_reporting_currency
async def answer_recovery_rate(
    words: Words, *, merchant_id: str, figures: Figures, now: datetime, whole: bool
) -> Answer:
    """The recovery rate by cohort: also `w` (days, default 30) and `view` (default mature).
    Errors as above."""
    days = _days(words)
    view = rates.View(choice("view", words.get("view", rates.View.MATURE), frozenset(rates.View)))
    asked = await _asked(
        words, merchant_id, figures, cut_off(words.get("as_of"), now=now), rates.KEYS
    )
    return rates.recovery_rate(asked, days=days, view=view, figures=figures)


@in_reporting_currency
async def answer_churn(
    words: Words, *, merchant_id: str, figures: Figures, now: datetime, whole: bool
) -> Answer:
    """Churn: also `preset` (default holdfast), `recognition` (default the preset's) and `margin`
    (percent, default 100). Errors as above."""
    preset = Preset(choice("preset", words.get("preset", Preset.HOLDFAST), frozenset(Preset)))
    at = words.get("recognition")
    if at is not None:
        at = choice("recognition", at, frozenset(Recognition))
    rule = churning.definition_of(preset, None if at is None else Recognition(at))
    margin = number("margin", words.get("margin", "100"), lowest=1, highest=100)
    asked = await _table(words, merchant_id, figures, now, CHURN)
    make = standing.churn_by_standing if standing.asked_for(asked) else churning.churn
    return make(asked, preset=preset, rule=rule, margin_percent=margin, figures=figures)


@in_reporting_currency
async def answer_incremental(
    words: Words, *, merchant_id: str, figures: Figures, now: datetime, whole: bool
) -> Answer:
    """What came back only because of the treatment: also `w`. Errors as above."""
    asked = await _table(words, merchant_id, figures, now, INCREMENTAL)
    return risk.incremental(asked, days=_days(words), figures=figures)


async def answer_projection(
    words: Words, *, merchant_id: str, figures: Figures, now: datetime, whole: bool
) -> Answer:
    """What becomes of MRR: `months` (default 12), `churn` and `reduction` in percent,
    `start_minor` with a `currency`. Errors as above."""
    start, churn = words.get("start_minor"), words.get("churn")
    if start is not None and "currency" not in words:
        raise WrongParameter("currency", "is needed to know what start_minor is in")
    assumed = risk.Assumption(
        months=number("months", words.get("months", "12"), lowest=1, highest=120),
        reduction=percent("reduction", words.get("reduction", "0")),
        start_minor=None
        if start is None
        else number("start_minor", start, lowest=0, highest=10**15),
        churn=None if churn is None else percent("churn", churn),
    )
    asked = await _table(words, merchant_id, figures, now, PROJECTION)
    return risk.projection(asked, assumed, figures=figures)


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


class Answers(Protocol):
    """What answers a question of finance. Errors as above."""

    def __call__(
        self, words: Words, *, merchant_id: str, figures: Figures, now: datetime, whole: bool
    ) -> Awaitable[Answer]: ...


def _tabled(endpoint: Endpoint, make: Callable[..., Answer]) -> Answers:
    """What answers an endpoint that takes no words of its own."""

    async def answer(
        words: Words, *, merchant_id: str, figures: Figures, now: datetime, whole: bool
    ) -> Answer:
        asked = await _table(words, merchant_id, figures, now, endpoint)
        return make(asked, figures=figures)

    return answer


answer_payment_failures = in_reporting_currency(_tabled(FAILURES, failures.payment_failures))
answer_mrr = in_reporting_currency(_tabled(MRR, mrr.mrr))
answer_churn_reasons = in_reporting_currency(_tabled(REASONS, churning.churn_reasons))
answer_segments = in_reporting_currency(_tabled(SEGMENTS, churning.segments))
answer_offers = in_reporting_currency(_tabled(OFFERS, offering.offers))
answer_saves = in_reporting_currency(_tabled(SAVES, saving.saves))
answer_time_to_recovery = _tabled(RECOVERY_TIMES, partial(lasting.lasting, lives=lasting.RECOVERY))
answer_saves_lasting = _tabled(SAVES_LASTING, partial(lasting.lasting, lives=lasting.SAVED))
answer_reconciliation = _tabled(RECONCILIATION, reconciled.reconciliation)
answer_at_risk = in_reporting_currency(_tabled(AT_RISK, risk.at_risk))


def _days(words: Words) -> int:
    text = words.get("w", str(rates.DEFAULT_DAYS))
    return number("w", text, lowest=1, highest=rates.LONGEST_DAYS)


async def _table(
    words: Words, merchant_id: str, figures: Figures, now: datetime, endpoint: Endpoint
) -> Question:
    as_of = cut_off(words.get("as_of"), now=now)
    asks = endpoint.attributed and ATTRIBUTE in words.get("group_by", "")
    named = await figures.attributes(merchant_id) if asks else ()
    return await _asked(words, merchant_id, figures, as_of, endpoint.keys, named)


async def _asked(
    words: Words,
    merchant_id: str,
    figures: Figures,
    as_of: datetime,
    keys: frozenset[str],
    named: Collection[str] = (),
) -> Question:
    zone = ZoneInfo(await figures.time_zone(merchant_id))
    return question(
        words, merchant_id=merchant_id, zone=zone, as_of=as_of, keys=keys, attributes=named
    )
