"""What of finance the dashboard shows: days, period, currency; and the span before, to compare."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from app.reports.periods import Step, day_of, first_day, months_later

NAMES = ("from", "to", "interval", "currency", "compare")
STEPS = {"day": "Days", "week": "Weeks", "month": "Months", "quarter": "Quarters", "year": "Years"}
USUAL_MONTHS = 6
USUAL_STEPS = ((14, Step.DAY), (62, Step.WEEK), (10_000, Step.MONTH))  # up to so many days
LONGEST_DAYS = 1_100
LONGEST_BY = {"day": 92, "week": 92 * 7}  # of one interval


@dataclass(slots=True)
class Chosen:
    """The choices of an address, which anybody may have typed. A choice that is wrong is left out,
    and `faults` says so. Days are the merchant's, both included."""

    typed: dict[str, str]
    since: date
    to: date
    faults: dict[str, str] = field(default_factory=dict)

    @property
    def interval(self) -> str:
        """The length of a period: one that makes a line of the span, or what was asked for."""
        given = self.typed["interval"]
        usual = next(step for longest, step in USUAL_STEPS if self.days <= longest)
        return given if given in STEPS and not self.too_many else usual.value

    @property
    def days(self) -> int:
        """How many days lie between the first and the last."""
        return (self.to - self.since).days

    @property
    def too_many(self) -> bool:
        """Whether what was asked for makes more periods than can be told apart on a page."""
        return self.days > LONGEST_BY.get(self.typed["interval"], LONGEST_DAYS)

    @property
    def compared(self) -> bool:
        """Whether the span before is to be shown."""
        return self.typed["compare"] == "before"

    @property
    def currency(self) -> str:
        """The currency asked for; empty for none."""
        return self.typed["currency"].lower()

    def words(self) -> dict[str, str]:
        """For a question of finance."""
        return {
            "from": self.since.isoformat(),
            "to": self.to.isoformat(),
            "interval": self.interval,
        }

    def before(self) -> dict[str, str]:
        """The span of as many days that ends the day before."""
        days = (self.to - self.since).days + 1
        to = self.since - timedelta(days=1)
        since = to - timedelta(days=days - 1)
        return {"from": since.isoformat(), "to": to.isoformat(), "interval": self.interval}

    def link(self, currency: str) -> str:
        """The query string of these choices as they were understood, nothing typed in it."""
        return f"?{urlencode({**self.words(), 'currency': currency})}"


def read_span(given: Mapping[str, str], now: datetime, zone: str) -> Chosen:
    """Read an address. Without days: the six calendar months that end today."""
    typed = {name: given.get(name, "").strip()[:40] for name in NAMES}
    today = day_of(now, ZoneInfo(zone))
    faults: dict[str, str] = {}
    to = _day(typed, "to", faults) or today
    since = _day(typed, "from", faults) or months_later(first_day(to, Step.MONTH), 1 - USUAL_MONTHS)
    if since > to:
        faults["from"] = "Lies after the last day; it was left out."
        since = first_day(to, Step.MONTH)
    if (to - since).days > LONGEST_DAYS:
        faults["from"] = f"More than {LONGEST_DAYS} days; the last of them are shown."
        since = to - timedelta(days=LONGEST_DAYS)
    if typed["interval"] and typed["interval"] not in STEPS:
        faults["interval"] = "There is no such period; it was left out."
    chosen = Chosen(typed, since, to, faults)
    if chosen.too_many:
        faults["interval"] = "Too many of them for a page; longer ones are shown."
    return chosen


def _day(typed: Mapping[str, str], name: str, faults: dict[str, str]) -> date | None:
    if not typed[name]:
        return None
    try:
        day = date.fromisoformat(typed[name])
    except ValueError:
        day = date.min
    if 2000 <= day.year <= 2199:
        return day
    faults[name] = "A day, such as 2026-03-01; it was left out."
    return None
