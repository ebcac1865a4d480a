"""From the words of a question to a checked question; each wrong word has its own refusal."""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from fractions import Fraction
from zoneinfo import ZoneInfo

from app.ports.figures import Excerpt
from app.reports.periods import Step, day_of, first_day, midnight, months_later

# No ledger transaction stays open longer (the store's time limits see to it), so that nothing
# can appear any more behind a cut-off that lies this far back.
SETTLING = timedelta(seconds=5)
LONGEST = {Step.DAY: timedelta(days=1_100)}
LONGEST_OTHERWISE = timedelta(days=7_320)
EARLIEST, LATEST = date(2000, 1, 1), date(2199, 12, 31)
ATTRIBUTE = "attribute."  # how the key of an attribute begins
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_INSTANT = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]+(Z|[+-][0-9]{2}:[0-9]{2})?")
# Longer than three letters: stablecoins such as usdc.
_CURRENCY = re.compile(r"[a-z]{3,8}")
_NUMBER = re.compile(r"[0-9]{1,15}")
_PERCENT = re.compile(r"[0-9]{1,3}(\.[0-9]{1,4})?")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


class WrongParameter(ValueError):
    """A question that cannot be answered: `name` is the parameter, `detail` what is wrong."""

    def __init__(self, name: str, detail: str) -> None:
        super().__init__(f"{name}: {detail}")
        self.name, self.detail = name, detail


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """A span of one merchant's ledger (`ends_at` not included, aware UTC), how it is cut into
    periods and by which keys it is grouped."""

    excerpt: Excerpt
    zone: ZoneInfo
    starts_at: datetime
    ends_at: datetime
    step: Step = Step.MONTH
    by: tuple[str, ...] = ()

    def echo(self) -> dict[str, object]:
        """What was asked, with every default filled in: asking this again gives this answer."""
        return {
            "as_of": stamp(self.excerpt.as_of),
            "from": stamp(self.starts_at),
            "to": stamp(self.ends_at),
            "time_zone": self.zone.key,
            "currency": self.excerpt.currency,
        }


def stamp(instant: datetime) -> str:
    """An instant as text, UTC, to the microsecond, so that it can be asked again exactly."""
    return instant.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def cut_off(text: str | None, *, now: datetime) -> datetime:
    """The effective `as_of`: the asked instant, but no later than `SETTLING` before `now`.

    What is recorded by then is final, so the same cut-off gives the same answer forever.
    Raises `WrongParameter` for an instant that has not come, or is none.
    """
    asked = now if text is None else instant("as_of", text)
    if asked > now:
        raise WrongParameter("as_of", "lies in the future; the latest possible cut-off is now")
    return min(asked, now - SETTLING)


def question(
    words: Mapping[str, str],
    *,
    merchant_id: str,
    zone: ZoneInfo,
    as_of: datetime,
    keys: frozenset[str],
    attributes: Collection[str] = (),
) -> Question:
    """Check the words that all finance questions share.

    Args:
        words: `from`, `to`, `interval`, `group_by`, `currency` as they came; all may be missing.
            Days are the merchant's, `to` included; instants need an offset, `to` not included.
            Without them: the twelve calendar months that end with the day of `as_of`.
        zone: the merchant's; `as_of`: the effective cut-off; `keys`: what may be grouped by, and
            besides each of the `attributes` under its prefix.

    Raises:
        WrongParameter: the first word that is wrong.
    """
    step = choice("interval", words.get("interval", Step.MONTH), frozenset(Step))
    starts_at, ends_at = _span(words, zone=zone, as_of=as_of)
    longest = LONGEST.get(Step(step), LONGEST_OTHERWISE)
    if ends_at - starts_at > longest:
        raise WrongParameter("to", f"the span is longer than {longest.days} days")
    return Question(
        excerpt=Excerpt(
            merchant_id=merchant_id,
            as_of=as_of,
            currency=currency_code("currency", words.get("currency")),
        ),
        zone=zone,
        starts_at=starts_at,
        ends_at=ends_at,
        step=Step(step),
        by=_group_by(words.get("group_by", ""), keys | {*map(ATTRIBUTE.__add__, attributes)}),
    )


def choice(name: str, text: str, allowed: frozenset[str]) -> str:
    """One of the allowed words. Raises `WrongParameter`."""
    if text not in allowed:
        raise WrongParameter(name, f"is not one of {', '.join(sorted(allowed))}")
    return text


def number(name: str, text: str, *, lowest: int, highest: int) -> int:
    """A whole number within bounds (included). Raises `WrongParameter`."""
    if not _NUMBER.fullmatch(text) or not lowest <= int(text) <= highest:
        raise WrongParameter(name, f"is not a whole number from {lowest} to {highest}")
    return int(text)


def percent(name: str, text: str) -> Fraction:
    """A percentage from 0 to 100 with up to four decimals, as a share of 1. Raises
    `WrongParameter`."""
    if not _PERCENT.fullmatch(text) or Fraction(text) > 100:
        raise WrongParameter(name, "is not a percentage from 0 to 100 such as 4.25")
    return Fraction(text) / 100


def plain_text(name: str, text: str) -> str:
    """Text the ledger could hold. Raises `WrongParameter` for control characters and length."""
    if len(text) > 255 or _CONTROL.search(text):
        raise WrongParameter(name, "has control characters or more than 255 characters")
    return text


def instant(name: str, text: str) -> datetime:
    """An instant with an offset, as UTC. Raises `WrongParameter`."""
    try:
        found = datetime.fromisoformat(text) if _INSTANT.fullmatch(text) else None
    except ValueError:
        found = None
    if found is None:
        raise WrongParameter(name, "is no instant such as 2026-03-01T00:00:00Z")
    if found.tzinfo is None:
        raise WrongParameter(name, "has no offset; write Z or one such as +02:00 (%2B02:00)")
    if not EARLIEST <= found.date() <= LATEST:
        raise WrongParameter(name, f"lies outside of {EARLIEST} to {LATEST}")
    return found.astimezone(UTC)


def _span(
    words: Mapping[str, str], *, zone: ZoneInfo, as_of: datetime
) -> tuple[datetime, datetime]:
    today = day_of(as_of, zone)
    to, since = words.get("to", today.isoformat()), words.get("from")
    ends_at = _edge("to", to, zone=zone, days_on=1)
    if since is None:
        last = day_of(ends_at - timedelta(microseconds=1), zone)
        starts_at = midnight(months_later(first_day(last, Step.MONTH), -11), zone)
    else:
        starts_at = _edge("from", since, zone=zone, days_on=0)
    if starts_at >= ends_at:
        raise WrongParameter("from", "does not lie before to")
    return starts_at, ends_at


def _edge(name: str, text: str, *, zone: ZoneInfo, days_on: int) -> datetime:
    if not _DATE.fullmatch(text):
        return instant(name, text)
    try:
        day = date.fromisoformat(text)
    except ValueError:
        raise WrongParameter(name, "is no day of the calendar") from None
    if not EARLIEST <= day <= LATEST:
        raise WrongParameter(name, f"lies outside of {EARLIEST} to {LATEST}")
    return midnight(day + timedelta(days=days_on), zone)


def currency_code(name: str, text: str | None) -> str | None:
    """A currency, where one is given. Raises `WrongParameter`."""
    if text is not None and not _CURRENCY.fullmatch(text):
        raise WrongParameter(name, "is no lower-case currency code such as eur")
    return text


def _group_by(text: str, keys: frozenset[str]) -> tuple[str, ...]:
    asked = dict.fromkeys(text.split(",") if text else ())
    return tuple(choice("group_by", word, keys) for word in asked)
