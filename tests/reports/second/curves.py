"""How long things last, once more: life by life."""

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from fractions import Fraction

from app.domain.churn import ChurnEntry, ChurnKind, ChurnRecord
from app.domain.recovery import EntryKind, RecoveryEntry
from app.domain.saves import Rung, SaveStep
from tests.reports.second.facts import DAY, Asked, Cell, Facts, Row, starts
from tests.reports.second.recovery import entries_of, failures_at, first_refusal

RECOVERY_STEPS = (1, 2, 3, 5, 7, 10, 14, 21, 28, 42, 60, 90)
SAVE_STEPS = (1, 7, 14, 30, 60, 90, 120, 180, 270, 365)
# Since when something is, and how long it took to end, if it has.
Life = tuple[datetime, timedelta | None]


def time_to_recovery(facts: Facts, asked: Asked) -> Iterator[Row]:
    lives: dict[Cell, list[Life]] = defaultdict(list)
    for failure in failures_at(facts, asked.as_of):
        if failure.exclusion is None and _is_asked(asked, failure.failed_at, failure.currency):
            first = first_refusal(facts, failure, asked.as_of)
            kind = first.refused_as if first else None
            cell = (failure.currency, *asked.keys(failure, decline_kind=kind))
            money = _first_money(entries_of(facts, failure, asked.as_of))
            # money may come before what was known as the failure: then it was there at once
            took = None if money is None else max(money.occurred_at - failure.failed_at, 0 * DAY)
            lives[cell].append((failure.failed_at, took))
    for cell, found in lives.items():
        for day, n, ended, left, low, high in _curve(asked, found, RECOVERY_STEPS):
            yield dict(zip(("currency", *asked.by), cell, strict=True)) | {
                "day": day,
                "n_at_risk": n,
                "n_recovered": ended,
                "recovered_share": 1 - left,
                "low": None if high is None else 1 - high,
                "high": None if low is None else 1 - low,
            }


def _first_money(entries: Iterable[RecoveryEntry]) -> RecoveryEntry | None:
    money = {EntryKind.RECOVERED, EntryKind.SETTLED_OTHER}
    paid = [entry for entry in entries if entry.kind in money]
    return min(paid, key=lambda entry: (entry.recorded_at, entry.entry_id), default=None)


def saves_lasting(facts: Facts, asked: Asked) -> Iterator[Row]:
    lives: dict[Cell, list[Life]] = defaultdict(list)
    for step in facts.known(SaveStep, asked.as_of):
        if step.rung is Rung.ACCEPTED and _is_asked(asked, step.begun_at, step.currency):
            cell = (step.currency, *asked.keys(step, offer=step.offer_id))
            end = _end_after(facts, step, asked.as_of)
            took = None if end is None else end - step.begun_at
            lives[cell].append((step.begun_at, took))
    for cell, found in lives.items():
        for day, n, ended, left, low, high in _curve(asked, found, SAVE_STEPS):
            yield dict(zip(("currency", *asked.by), cell, strict=True)) | {
                "day": day,
                "n_at_risk": n,
                "n_ended": ended,
                "lasting_share": left,
                "low": low,
                "high": high,
            }


def _end_after(facts: Facts, step: SaveStep, as_of: datetime) -> datetime | None:
    """When the subscription ended first; a change to another one is no end."""
    known = [
        record
        for record in facts.known(ChurnRecord, as_of)
        if (record.account_id, record.subscription_id) == (step.account_id, step.subscription_id)
    ]
    wrong = {record.about for record in known if record.entry is ChurnEntry.RESTATED}
    return min(
        (
            record.occurred_at
            for record in known
            if record.entry is ChurnEntry.CHURNED
            and record.kind is not ChurnKind.MIGRATION
            and record.record_id not in wrong
            and record.occurred_at >= step.begun_at
        ),
        default=None,
    )


def _is_asked(asked: Asked, at: datetime, currency: str) -> bool:
    return asked.begins <= at < asked.ends and asked.wants(currency)


Point = tuple[int, int, int, float, float | None, float | None]


def _curve(asked: Asked, lives: list[Life], steps: tuple[int, ...]) -> Iterator[Point]:
    """Kaplan and Meier's product, Greenwood's variance on the log-log scale."""
    left, spread, before = Fraction(1), 0.0, 0
    for day in steps:
        old = [took for began, took in lives if _seen_for(asked, began) >= day * DAY]
        at_risk = [took for took in old if took is None or took >= before * DAY]
        if not at_risk:
            return
        ended = sum(took is not None and took < day * DAY for took in at_risk)
        left *= 1 - Fraction(ended, len(at_risk))
        if ended < len(at_risk):
            spread += ended / (len(at_risk) * (len(at_risk) - ended))
        low, high = _band(float(left), spread)
        yield day, len(at_risk), ended, float(left), low, high
        before = day


def _seen_for(asked: Asked, began: datetime) -> timedelta:
    """How long all that began on its day were looked at."""
    day = began.astimezone(asked.zone).date()
    return asked.as_of - min(starts(day + DAY, asked.zone), asked.ends)


def _band(left: float, spread: float) -> tuple[float | None, float | None]:
    if not 0 < left < 1:
        return None, None
    middle = math.log(-math.log(left))
    reach = 1.959964 * math.sqrt(spread) / abs(math.log(left))
    return math.exp(-math.exp(middle + reach)), math.exp(-math.exp(middle - reach))
