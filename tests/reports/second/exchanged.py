"""Rows told in another currency, once more: each by the rate of the last day it is about."""

from collections.abc import Collection, Iterable, Iterator
from datetime import date, timedelta
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Any

from app.domain.exchange import ExchangeRate
from tests.reports.second.facts import DAY, MONTHS, Asked, Facts, Row

WORD = "reporting_currency"
DIGITS = {"jpy": 0, "usd": 2, "eur": 2, "kwd": 3}
# Averages, ends of intervals, and how many more would be needed.
NOT_ADDED = {
    *("arpa_minor", "clv_minor", "mean_minor", "incremental_minor", "low_minor", "high_minor"),
    "more_invoices",
}
TICK = timedelta(microseconds=1)


def told_in(
    into: str, facts: Facts, asked: Asked, rows: Iterable[Row], *, spans: bool
) -> Iterator[Row]:
    """Rows with what they come to. `spans`: whether the question is about a span."""
    for row in rows:
        last = _last_day(asked, row, spans=spans)
        of, rate = (last, "1") if row["currency"] == into else _rate(facts, asked, row, into, last)
        beside = {WORD: into, "exchange_rate": rate, "exchange_day": of.isoformat()}
        amounts = {
            f"reported_{name}": _into(row[name], rate, row["currency"], into)
            for name in row
            if name.endswith("_minor")
        }
        yield row | beside | amounts


def reported(told: Iterable[Row], into: str, columns: Collection[str]) -> Iterator[Row]:
    """What all currencies come to, by what else rows are of than `columns`."""
    sums: dict[tuple[Any, ...], Row] = {}
    for row in told:
        beside = {name for name in row if name.startswith("reported_")}
        amounts = {name.removeprefix("reported_") for name in beside} - NOT_ADDED
        other = {*columns, *beside, "currency", WORD, "exchange_rate", "exchange_day"}
        named = {name: row[name] for name in row if name not in other}
        held = sums.setdefault(tuple(named.values()), named | {"currency": into})
        for name in columns:
            if name in amounts:
                held[name] = held.get(name, 0) + (row[f"reported_{name}"] or 0)
            elif name == "n" or name.startswith("n_"):
                held[name] = held.get(name, 0) + row[name]
    yield from sums.values()


def _last_day(asked: Asked, row: Row, *, spans: bool) -> date:
    """Of a row's period, as far as it is over and asked about; of no period, of the span."""
    days = [asked.as_of.astimezone(asked.zone).date()]
    if spans:
        days.append((asked.ends - TICK).astimezone(asked.zone).date())
    if "period" in row:
        days.append(_end_of(date.fromisoformat(row["period"]), asked.interval))
    return min(days)


def _end_of(first: date, interval: str) -> date:
    if interval in MONTHS:
        months = first.year * 12 + first.month - 1 + MONTHS[interval]
        return date(months // 12, months % 12 + 1, 1) - DAY
    return first + (6 * DAY if interval == "week" else 0 * DAY)


def _rate(facts: Facts, asked: Asked, row: Row, into: str, last: date) -> tuple[date, str]:
    """The last that was given of the day or the seven days before."""
    known = facts.known(ExchangeRate, asked.as_of)
    for back in range(8):
        day = last - back * DAY
        named = (row["currency"], into, day.isoformat())
        lines = [one for one in known if (one.currency, one.reporting, one.day) == named]
        if lines:
            newest = max(lines, key=lambda one: (one.recorded_at, one.rate_id))
            return day, newest.rate
    raise LookupError(f"the world has no rate of {row['currency']} on {last}")


def _into(minor: int | None, rate: str, currency: str, into: str) -> int | None:
    if minor is None:
        return None
    whole = Decimal(minor).scaleb(-DIGITS[currency]) * Decimal(rate)
    return int(whole.scaleb(DIGITS[into]).quantize(Decimal(1), ROUND_HALF_EVEN))
