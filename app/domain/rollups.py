"""Rollups: sums of ledgers by day and month, so that figures need not read every line.

A cell is kept twice over on both of its axes, by day and by month: a long span is then a few
months and the days at its edges, and a cut-off is the months before it and some days of its own.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, tzinfo
from operator import attrgetter
from typing import ClassVar

# The windows that are kept; others are counted from the ledger.
WINDOWS = (7, 14, 30, 60, 90)
KINDS_WITHIN = ("cash", "other", "credited")
COUNTS = ("n", "n_excluded", "failed_minor", "excluded_minor", "owed_minor")
WITHIN = tuple(f"{kind}_{days}_minor" for kind in KINDS_WITHIN for days in WINDOWS)
MEASURES = COUNTS + WITHIN
# What is kept apart: nothing, one key alone, or all keys together for any other grouping.
FLOW_KEYS = ("cause", "plan", "interval")
COHORT_KEYS = ("plan", "interval")


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowCell:
    """Lines of a ledger that add up: how many, and their signed minor units.

    `happened` and `recorded` are a day (`d2026-01-31`) or a month (`m2026-01`) of the merchant;
    a recorded day has its closing midnight in it. `layer` names the keys that are kept apart in
    it; the others are empty, like a key that the ledger left empty.
    """

    KEY: ClassVar = (
        *("merchant_id", "ledger", "layer", "happened", "recorded"),
        *("currency", "kind", "cause", "plan", "interval"),
    )
    UNIQUE: ClassVar = ()
    merchant_id: str
    ledger: str
    layer: str
    happened: str
    recorded: str
    currency: str
    kind: str
    cause: str
    plan: str
    interval: str
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
    """A ledger's line, or several alike, as it is added up."""

    happened_at: datetime
    currency: str
    kind: str
    cause: str = ""
    plan: str = ""
    interval: str = ""
    n: int = 1
    minor: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What an invoice that failed counts for at a cut-off; `counts` are `MEASURES`, negative
    where a former verdict is taken back."""

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


def layers(keys: Sequence[str]) -> tuple[tuple[str, ...], ...]:
    """The groupings that are kept: of nothing, of each key alone, of all."""
    return ((), *((key,) for key in keys), tuple(keys))


def layer_for(by: Iterable[str], keys: Sequence[str]) -> str:
    """The name of the smallest kept layer that knows these keys."""
    wanted = [key for key in keys if key in set(by)]
    return "+".join(wanted if len(wanted) < 2 else keys)


def flow_cells(
    merchant_id: str, ledger: str, lines: Iterable[Line], *, recorded: date, zone: tzinfo
) -> list[FlowCell]:
    """The cells that lines recorded on one day add to, in the order of their keys."""
    days: dict[tuple[str, ...], list[int]] = defaultdict(lambda: [0, 0])
    for line in lines:
        day = line.happened_at.astimezone(zone).date().isoformat()
        held = days[day, line.currency, line.kind, line.cause, line.plan, line.interval]
        held[0] += line.n
        held[1] += line.minor
    found: dict[tuple[str, ...], list[int]] = defaultdict(lambda: [0, 0])
    for (day, currency, kind, *values), (n, minor) in days.items():
        named = dict(zip(FLOW_KEYS, values, strict=True))
        for layer in layers(FLOW_KEYS):
            kept = tuple(named[key] if key in layer else "" for key in FLOW_KEYS)
            for happened, known in _grains(day, recorded):
                held = found["+".join(layer), happened, known, currency, kind, *kept]
                held[0] += n
                held[1] += minor
    cells = [_flow_cell(merchant_id, ledger, key, sums) for key, sums in found.items()]
    return sorted(cells, key=attrgetter(*FlowCell.KEY))


def cohort_cells(
    merchant_id: str, verdicts: Iterable[Verdict], *, recorded: date, zone: tzinfo
) -> list[CohortCell]:
    """The cells that verdicts of one day add to, in the order of their keys."""
    days: dict[tuple[str, str, str, str, bool, bool], list[int]] = {}
    for one in verdicts:
        day = one.failed_at.astimezone(zone).date().isoformat()
        key = (day, one.currency, one.plan, one.interval, one.trial_conversion, one.open)
        _add(days.setdefault(key, [0] * len(MEASURES)), one.counts)
    found: dict[tuple[str | bool, ...], list[int]] = {}
    for (day, currency, plan, interval, trial, is_open), counts in days.items():
        for layer in layers(COHORT_KEYS):
            kept = (plan if "plan" in layer else "", interval if "interval" in layer else "")
            for failed, known in _grains(day, recorded):
                cell = ("+".join(layer), failed, known, currency, *kept, trial, is_open)
                _add(found.setdefault(cell, [0] * len(MEASURES)), counts)
    names = (*CohortCell.KEY, *MEASURES)
    cells = [
        CohortCell(**dict(zip(names, (merchant_id, *key, *counts), strict=True)))  # type: ignore[arg-type]
        for key, counts in found.items()
        if any(counts)
    ]
    return sorted(cells, key=attrgetter(*CohortCell.KEY))


def _flow_cell(merchant_id: str, ledger: str, key: tuple[str, ...], sums: list[int]) -> FlowCell:
    layer, *places = key
    names = FlowCell.KEY[3:]
    return FlowCell(
        merchant_id=merchant_id,
        ledger=ledger,
        layer=layer,
        n=sums[0],
        minor=sums[1],
        **dict(zip(names, places, strict=True)),
    )


def _grains(day: str, recorded: date) -> tuple[tuple[str, str], ...]:
    happened = (f"d{day}", f"m{day[:7]}")
    return tuple((h, r) for h in happened for r in (day_key(recorded), month_key(recorded)))


def _add(held: list[int], counts: Iterable[int]) -> None:
    for place, count in enumerate(counts):
        held[place] += count
