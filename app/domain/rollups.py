"""Rollups: sums of ledgers by day and month, so that figures need not read every line.

A cell is kept twice over on both of its axes, by day and by month: a long span is then a few
months and the days at its edges, and a cut-off is the months before it and some days of its own.
Where nearly all of a day is recorded on it, its cells by month would be the same once more: what
was recorded of a day is then the days up to the cut-off.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import ClassVar

from app.domain.records import Wide

# The windows that are kept; others, up to the longest, are added up from steps.
WINDOWS = (7, 14, 30, 60, 90)
LONGEST_WINDOW = 366
KINDS_WITHIN = ("cash", "other", "credited")
COUNTS = ("n", "n_excluded", "failed_minor", "excluded_minor", "owed_minor")
WITHIN = tuple(f"{kind}_{days}_minor" for kind in KINDS_WITHIN for days in WINDOWS)
MEASURES = COUNTS + WITHIN
# What is kept apart of cohorts: nothing, or both together. A plan has an interval or two, so that
# each for itself would be as many cells once more.
COHORT_KEYS = ("plan", "interval")
COHORT_LAYERS: tuple[tuple[str, ...], ...] = ((), COHORT_KEYS)
# What is kept of the holdout's arms: sums over customers, of products too.
ARM_MEASURES = (
    *("n", "customers", "failed_minor"),
    *(f"cash_{days}_minor" for days in WINDOWS),
    "failed_failed",
    *(f"failed_cash_{days}" for days in WINDOWS),
    *(f"cash_cash_{days}" for days in WINDOWS),
)
# What is kept by the day of 24 hours since the failure: by how much a longer window has more.
COHORT_STEPS = tuple(f"{kind}_minor" for kind in KINDS_WITHIN)
ARM_STEPS = ("cash_minor", "failed_cash", "cash_cash")
# How long before a line the other instant it knows of may lie to be kept by day; and by month,
# this month included.
KEPT_DAYS, KEPT_MONTHS = 31, 12


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowCell:
    """Lines of a ledger that add up: how many, and their signed minor units.

    `happened` and `recorded` are a day (`d2026-01-31`) or a month (`m2026-01`) of the merchant;
    a recorded day has its closing midnight in it. `layer` names the keys that are kept apart in
    it, `named` has their values as a JSON list, an empty text where the ledger left one empty.

    `since` is empty in a cell that has all lines. Beside it stand cells of those lines alone that
    know of another instant (when a subscription began, or ended before it came back) of that day
    or month, not long before: who joined and left within one period is told by them.
    """

    KEY: ClassVar = (
        *("merchant_id", "ledger", "layer", "happened", "since"),
        *("recorded", "currency", "kind", "named"),
    )
    UNIQUE: ClassVar = ()
    merchant_id: str
    ledger: str
    layer: str
    happened: str
    since: str
    recorded: str
    currency: str
    kind: str
    named: str
    n: int
    minor: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CohortCell:
    """What became of the invoices that failed on a day, as it was known by another day.

    `cash_30_minor` is what of the failed amount came in within 30 days, each invoice for itself
    and at most with what had failed; `owed_minor` what is owed still. `open` invoices are not
    decided yet. Days and layers as in `FlowCell`.
    """

    KEY: ClassVar = (
        *("merchant_id", "layer", "failed", "recorded"),
        *("currency", "plan", "interval", "trial_conversion", "open"),
    )
    UNIQUE: ClassVar = ()
    merchant_id: str
    layer: str
    failed: str
    recorded: str
    currency: str
    plan: str
    interval: str
    trial_conversion: bool
    open: bool
    n: int
    n_excluded: int
    failed_minor: int
    excluded_minor: int
    owed_minor: int
    cash_7_minor: int
    cash_14_minor: int
    cash_30_minor: int
    cash_60_minor: int
    cash_90_minor: int
    other_7_minor: int
    other_14_minor: int
    other_30_minor: int
    other_60_minor: int
    other_90_minor: int
    credited_7_minor: int
    credited_14_minor: int
    credited_30_minor: int
    credited_60_minor: int
    credited_90_minor: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CohortStep:
    """What a window of so many `days` has more, of the invoices that failed on a day, than one
    that is a day shorter: all steps of no more than W days are what came in within W days. It may
    be less than nothing, where cash took the place of a credit. Kept as a `CohortCell` is, but
    what failed on a day has no months of what was recorded: a step is recorded about when it is
    made, so that they would be as many.
    """

    KEY: ClassVar = (
        *("merchant_id", "layer", "failed", "recorded"),
        *("currency", "plan", "interval", "trial_conversion", "open", "days"),
    )
    UNIQUE: ClassVar = ()
    merchant_id: str
    layer: str
    failed: str
    recorded: str
    currency: str
    plan: str
    interval: str
    trial_conversion: bool
    open: bool
    days: int
    cash_minor: int
    other_minor: int
    credited_minor: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ArmCell:
    """Failures of one arm of the holdout by customer: what all of a customer's in a span come to
    is one observation, of which squares and products are added up (`failed_cash_30`: what failed
    times what of it came in within 30 days, minor units times minor units).

    A cell with an empty `since` has each customer's failures of a day (or of the days of a month)
    for themselves. A cell `since` a month has what changes where a customer failed in that month
    too, up to a year before: their products with each other, and that they are no new customer.
    Both together, over all months from a span's first, are what the span has. Days as in
    `FlowCell`.
    """

    KEY: ClassVar = ("merchant_id", "failed", "since", "recorded", "currency", "arm")
    UNIQUE: ClassVar = ()
    merchant_id: str
    failed: str
    since: str
    recorded: str
    currency: str
    arm: str
    n: int
    customers: int
    failed_minor: int
    cash_7_minor: int
    cash_14_minor: int
    cash_30_minor: int
    cash_60_minor: int
    cash_90_minor: int
    failed_failed: Wide
    failed_cash_7: Wide
    failed_cash_14: Wide
    failed_cash_30: Wide
    failed_cash_60: Wide
    failed_cash_90: Wide
    cash_cash_7: Wide
    cash_cash_14: Wide
    cash_cash_30: Wide
    cash_cash_60: Wide
    cash_cash_90: Wide


@dataclass(frozen=True, slots=True, kw_only=True)
class ArmStep:
    """What a window of so many `days` has more than one that is a day shorter, in what an
    `ArmCell` tells. Days as in `CohortStep`."""

    KEY: ClassVar = ("merchant_id", "failed", "since", "recorded", "currency", "arm", "days")
    UNIQUE: ClassVar = ()
    merchant_id: str
    failed: str
    since: str
    recorded: str
    currency: str
    arm: str
    days: int
    cash_minor: int
    failed_cash: Wide
    cash_cash: Wide


@dataclass(frozen=True, slots=True, kw_only=True)
class StandingCell:
    """Who was there when a period began, and what became of them in it: lines of one `kind` by
    where each subscription stood then, for how long (`tenure`) and with how much (`mrr_band`),
    either empty where nobody knows. `young` cells have those lines once more that are of who joined
    within the period."""

    KEY: ClassVar = (
        *("merchant_id", "starts_at", "ends_at", "currency"),
        *("tenure", "mrr_band", "kind", "young"),
    )
    UNIQUE: ClassVar = ()
    merchant_id: str
    starts_at: datetime
    ends_at: datetime
    currency: str
    tenure: str
    mrr_band: str
    kind: str
    young: bool
    n: int
    minor: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StandingMark:
    """A month, quarter or year of which `StandingCell`s are kept. They tell what was recorded by
    any instant from `known_from` to `known_until`: nothing about the period was between."""

    KEY: ClassVar = ("merchant_id", "starts_at", "ends_at")
    UNIQUE: ClassVar = ()
    merchant_id: str
    starts_at: datetime
    ends_at: datetime
    known_from: datetime
    known_until: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class RollupMark:
    """How far a merchant's rollups reach: all that was recorded by `folded_until`, and nothing
    else, is in the cells. Their days are those of `time_zone`."""

    KEY: ClassVar = ("merchant_id",)
    UNIQUE: ClassVar = ()
    merchant_id: str
    time_zone: str
    folded_until: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A ledger's line, or several alike, as it is added up; `named` has its keys."""

    happened_at: datetime
    currency: str
    kind: str
    named: Mapping[str, str]
    n: int = 1
    minor: int = 0
    since: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What an invoice that failed counts for at a cut-off; `counts` are `COUNTS` and what came in
    within one window of each of `KINDS_WITHIN`, negative where a former verdict is taken back."""

    failed_at: datetime
    currency: str
    plan: str
    interval: str
    trial_conversion: bool
    open: bool
    counts: tuple[int, ...]


def day_key(day: date) -> str:
    """A day as cells name it."""
    return f"d{day.isoformat()}"


def month_key(day: date) -> str:
    """The month of a day as cells name it."""
    return f"m{day.isoformat()[:7]}"


def layer_for(by: Collection[str], layers: Iterable[tuple[str, ...]]) -> tuple[str, ...] | None:
    """The smallest kept layer that knows these keys; None where none does."""
    fitting = [layer for layer in layers if set(by) <= {*layer, "currency"}]
    return min(fitting, key=len, default=None)


def layer_name(keys: Iterable[str]) -> str:
    """A layer as cells name it."""
    return "+".join(keys)


def since_keys(starts: date, happened: str) -> tuple[str, ...] | None:
    """The `since` cells that have what lies at or after `starts`, among lines of a day or month
    named `happened` that does not begin before it. None where no cells tell."""
    year, month = int(happened[1:5]), int(happened[6:8])
    back = (year - starts.year) * 12 + month - starts.month
    if starts.day == 1 and back < KEPT_MONTHS:
        return tuple(month_key(date(*_months_before(year, month, n), 1)) for n in range(back + 1))
    if not happened.startswith("d"):
        return None
    days = (date.fromisoformat(happened[1:]) - starts).days
    if days > KEPT_DAYS:
        return None
    return tuple(day_key(starts + timedelta(days=n)) for n in range(days + 1))


def _months_before(year: int, month: int, back: int) -> tuple[int, int]:
    years, months = divmod(year * 12 + month - 1 - back, 12)
    return years, months + 1
