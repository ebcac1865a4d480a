"""Rates by which a merchant wants money of other currencies told in one of their own."""

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from fractions import Fraction
from typing import ClassVar

from app.domain.money import exponent

# No rate is made on a weekend, nor between Christmas and the new year by every source.
HOLDS_FOR = timedelta(days=7)


@dataclass(frozen=True, slots=True, kw_only=True)
class ExchangeRate:
    """A line: on `day` (`2026-01-31`), one of `currency` was `rate` of `reporting`, both in whole
    units, as a decimal. A correction is a line recorded later. `recorded_by` is a key's id."""

    KEY: ClassVar = ("rate_id",)
    UNIQUE: ClassVar = ()
    rate_id: str
    merchant_id: str
    currency: str
    reporting: str
    day: str
    rate: str
    recorded_by: str
    recorded_at: datetime


# The rates of each currency, by day and in order.
Rates = Mapping[str, Sequence[tuple[date, str]]]


def rate_on(rates: Rates, currency: str, day: date) -> tuple[date, str] | None:
    """The last rate of a currency up to a day and the day it is of; None where that is more than a
    week before, or there is none."""
    known = rates.get(currency, ())
    place = bisect_right(known, day, key=lambda pair: pair[0])
    if not place or day - known[place - 1][0] > HOLDS_FOR:
        return None
    return known[place - 1]


def converted(minor: int, rate: str, currency: str, reporting: str) -> int:
    """Minor units of one currency in those of another, rounded half to even."""
    digits = exponent(reporting) - exponent(currency)
    return round(minor * Fraction(rate) * Fraction(10) ** digits)
