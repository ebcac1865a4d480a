"""Answers told in a reporting currency as well: each row by the rate of the last day of its period.

Amounts stay what they are; what they come to stands beside them, with the rate and its day, so
that anybody can do the sum again.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import replace
from datetime import date, datetime, timedelta
from functools import wraps
from typing import Any
from zoneinfo import ZoneInfo

from app.domain.exchange import HOLDS_FOR, Rates, converted, rate_on
from app.ports.figures import Figures
from app.reports.answers import Answer, Row
from app.reports.asking import WrongParameter, currency_code, instant
from app.reports.defined.shape import DECIMAL, MINOR, Figure
from app.reports.figures import ENDPOINTS
from app.reports.periods import Step, day_of, next_first_day

WORD = "reporting_currency"
BESIDE = (WORD, "exchange_rate", "exchange_day")
RULE = (
    "An amount times the rate that you gave for the last day of the row's period in your time "
    "zone; where `to` or `as_of` lies before its end, or the row has no period, for that day. "
    "Where the day has no rate, the last of the seven days before holds, and where these have "
    "none, nothing is told. Minor units are rounded half to even, each amount for itself. "
    "`reported` adds up the rounded amounts of all currencies, and their counts, but nothing that "
    "is an average or the end of an interval. Each period has its own rate, so that one may begin "
    "with another amount than the one before ended with."
)
UNIT = "minor units of the reporting currency"
MOST_NAMED = 5  # of what is missing
Ask = Callable[..., Awaitable[Answer]]
Wanted = tuple[str, date]


def in_reporting_currency(ask: Ask) -> Ask:
    """The same question, that may also be asked in a `reporting_currency`.

    Raises `WrongParameter` where a rate is missing, before a row is told: the question is asked
    twice, once for the currencies and days that it has.
    """

    @wraps(ask)
    async def answer(
        words: Mapping[str, str],
        *,
        merchant_id: str,
        figures: Figures,
        now: datetime,
        whole: bool,
    ) -> Answer:
        given: dict[str, Any] = {"merchant_id": merchant_id, "figures": figures, "now": now}
        into = currency_code(WORD, words.get(WORD))
        plain = {name: word for name, word in words.items() if name != WORD}
        first = await ask(plain, whole=whole, **given)
        if into is None:
            return first
        zone = ZoneInfo(await figures.time_zone(merchant_id))
        wanted = {_wanted(row, first.head, zone) async for row in first.rows}
        wanted = {(currency, day) for currency, day in wanted if currency != into}
        as_of = first.head["as_of"]
        rates = await _rates(figures, merchant_id, instant("as_of", as_of), into, wanted)
        again = await ask(plain | {"as_of": as_of}, whole=whole, **given)
        return _told_in(again, into, rates, zone)

    return answer


def _wanted(row: Row, head: Mapping[str, Any], zone: ZoneInfo) -> Wanted:
    """The currency of a row, and the day whose rate it takes."""
    last = day_of(instant("as_of", head["as_of"]), zone)
    if "to" in head:
        last = min(last, day_of(instant("to", head["to"]) - timedelta(microseconds=1), zone))
    if "period" in row:
        following = next_first_day(date.fromisoformat(row["period"]), Step(head["interval"]))
        last = min(last, following - timedelta(days=1))
    return row["currency"], last


async def _rates(
    figures: Figures, merchant_id: str, as_of: datetime, into: str, wanted: set[Wanted]
) -> Rates:
    if not wanted:
        return {}
    days = [day for _, day in wanted]
    rates = await figures.rates(merchant_id, as_of, into, min(days) - HOLDS_FOR, max(days))
    missing = sorted(pair for pair in wanted if rate_on(rates, *pair) is None)
    if missing:
        named = ", ".join(f"{currency} on {day}" for currency, day in missing[:MOST_NAMED])
        more = f" and {len(missing) - MOST_NAMED} more" if len(missing) > MOST_NAMED else ""
        detail = f"there was no rate, nor of the seven days before, for {named}{more}"
        raise WrongParameter(WORD, f"{detail}; give rates at /v1/exchange-rates")
    return rates


def _told_in(answer: Answer, into: str, rates: Rates, zone: ZoneInfo) -> Answer:
    figures = ENDPOINTS[answer.head["figure"]].figures
    amounts = [figure.column for figure in figures if figure.unit == MINOR]
    adding = [figure for figure in figures if figure.adds and figure.unit not in DECIMAL]
    columns = {figure.column for figure in figures}
    keys = [name for name in answer.columns if name not in columns and name != "currency"]
    sums: dict[tuple[Any, ...], dict[str, int]] = {}

    async def rows() -> AsyncIterator[Row]:
        async for row in answer.rows:
            currency, day = _wanted(row, answer.head, zone)
            found = rate_on(rates, currency, day)
            of, rate = (day, "1") if currency == into or found is None else found
            told = {
                name: None if row[name] is None else converted(row[name], rate, currency, into)
                for name in amounts
            }
            _add(sums.setdefault(tuple(row[key] for key in keys), {}), row | told, adding)
            beside = dict(zip(BESIDE, (into, rate, of.isoformat()), strict=True))
            yield row | beside | {f"reported_{name}": minor for name, minor in told.items()}

    async def tail() -> Mapping[str, Any]:
        reported = [
            dict(zip(keys, values, strict=True)) | {"currency": into} | added
            for values, added in sums.items()
        ]
        return {"reported": reported, **await answer.tail()}

    told_of = {"currency": into, "unit": UNIT, "definition": RULE}
    return replace(
        answer,
        head={**answer.head, "reporting": told_of},
        columns=(*answer.columns, *BESIDE, *(f"reported_{name}" for name in amounts)),
        rows=rows(),
        tail=tail,
    )


def _add(held: dict[str, int], row: Row, adding: list[Figure]) -> None:
    for figure in adding:
        held[figure.column] = held.get(figure.column, 0) + (row[figure.column] or 0)
