"""Amounts and days as people of a language and a place write them."""

import re
from datetime import date, datetime
from decimal import Decimal
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from babel import Locale
from babel.core import UnknownLocaleError
from babel.dates import format_date, format_skeleton, format_time, format_timedelta
from babel.numbers import get_currency_precision, parse_pattern

from app.domain.money import exponent

DEFAULT_LOCALE = "en"
# CLDR wants a space between a currency's letters and its digits (KWD 12.345); Babel leaves it out.
LETTER_MEETS_DIGIT = re.compile(r"(?<=[A-Z])(?=\d)")


@lru_cache(maxsize=256)
def locale_of(language: str) -> Locale:
    """The locale of a language tag (`de`, `de-AT`, `en_GB`); English where it is none."""
    tag = language.replace("_", "-")
    for candidate in (tag, tag.split("-")[0], DEFAULT_LOCALE):
        try:
            return Locale.parse(candidate, sep="-")
        except (ValueError, UnknownLocaleError):
            continue
    raise UnknownLocaleError(DEFAULT_LOCALE)


@lru_cache(maxsize=256)
def zone_of(name: str) -> ZoneInfo:
    """The time zone of this name; UTC where there is none."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return ZoneInfo("UTC")


def show_money(minor: int, currency: str, language: str) -> str:
    """An amount of minor units in the customer's notation.

    The provider's exponent says how much money it is; CLDR only says how it is written. Its
    fewer digits (ISK has none, the provider counts two) are followed where they lose nothing.
    """
    digits = exponent(currency)
    amount = Decimal(minor).scaleb(-digits)
    written = min(digits, get_currency_precision(currency.upper()))
    shown = written if amount == round(amount, written) else digits
    locale = locale_of(language)
    pattern = parse_pattern(locale.currency_formats["standard"].pattern)
    pattern.frac_prec = (shown, shown)
    text: str = pattern.apply(amount, locale, currency=currency.upper(), currency_digits=False)
    return LETTER_MEETS_DIGIT.sub("\u00a0", text)


def show_day(instant: datetime, time_zone: str, language: str) -> str:
    """The day of an instant with its weekday, as the calendar of `time_zone` has it."""
    local = instant.astimezone(zone_of(time_zone))
    return format_date(local.date(), format="full", locale=locale_of(language))


def show_month(month: str, language: str) -> str:
    """A month written `YYYY-MM`, as in `December 2026`. Raises `ValueError` for what is none."""
    year, _, number = month.partition("-")
    first = date(int(year), int(number), 1)
    return format_skeleton("yMMMM", first, locale=locale_of(language))


def show_minute(instant: datetime, time_zone: str, language: str) -> str:
    """Day, time and zone of an instant, short, for lists."""
    zone = zone_of(time_zone)
    local = instant.astimezone(zone)
    locale = locale_of(language)
    day = format_date(local.date(), format="medium", locale=locale)
    return f"{day}, {format_time(local, format='short', tzinfo=zone, locale=locale)}"


def show_span(instant: datetime, now: datetime, language: str) -> str:
    """How far an instant lies from now, in one unit: `in 3 days`, `20 hours ago`.
    A unit is kept until the next holds two: 36 hours, 13 days, 7 weeks."""
    if abs((instant - now).total_seconds()) < 60:
        return "now"
    locale = locale_of(language)
    span: str = format_timedelta(instant - now, threshold=2, add_direction=True, locale=locale)
    return span
