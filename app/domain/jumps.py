"""A jump of an account's payment-failure rate, told by a sequential test against its own past.

Every night one more day is looked at, so an ordinary test would sooner or later call chance a jump.
The evidence here is a Shiryaev-Roberts sum of likelihood ratios: while the rate stays at or below
its bound, the sum less the number of days is a supermartingale, so that by Doob's inequality it
reaches 365 / a within a year with a probability of at most `a`. The bound is an upper confidence
bound of the rate of the eight weeks before, by Chernoff. Both together keep `PROMISED`.

Source of the method: Shiryaev (1963), Roberts (1966); for composite hypotheses Shin, Ramdas and
Rinaldo, "E-detectors" (2022).
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import ClassVar

PROMISED = 0.1  # of a false alarm in a year of one account: one in ten years
BLOCK = 28  # days for which a bound holds
BASELINE = 56  # days before them that it is made of
MEMORY = 3 * BLOCK  # days over which evidence is gathered
KEPT = BASELINE + BLOCK + MEMORY  # days that a judgement may look at
FEWEST = 100  # first attempts in a baseline below which there is no usual rate
RECENT = 7  # days of which an alert tells
BOUNDS_A_YEAR = 14  # blocks that can begin within a year
THRESHOLD = 365 / (PROMISED / 2)
DOUBT = PROMISED / 2 / BOUNDS_A_YEAR  # that a bound lies below the true rate
TIMES = (1.25, 1.5, 2.0, 3.0)  # what a jump may be, as a multiple of the bound
HIGHEST = 0.99
LARGEST = 1e12  # where evidence stops to grow: far above the threshold, and one float


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptDay:
    """Invoices of an account charged for the first time on a day of the merchant's, and how many
    of them were refused and got a case. `day` is an ISO date."""

    KEY: ClassVar = ("account_id", "day")
    UNIQUE: ClassVar = ()
    account_id: str
    day: str
    merchant_id: str
    attempts: int
    failed: int


Tally = tuple[int, int]  # attempts, failed
Days = Mapping[date, Tally]


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """What the days say. `attempts` and `failed` are of the last week; `usual` is the share of the
    baseline and `bound` what it may be, both None while too little is known."""

    attempts: int
    failed: int
    usual: float | None
    bound: float | None
    evidence: float

    @property
    def above(self) -> bool:
        """Whether the last week lies above the bound at all."""
        return self.bound is not None and self.failed > self.bound * self.attempts

    @property
    def jumped(self) -> bool:
        """Whether that is more than chance."""
        return self.above and self.evidence >= THRESHOLD


def judged(days: Days, last: date, *, since: date | None = None) -> Judgement:
    """What the days up to `last` (included) say; evidence is gathered from `since`, when an
    earlier jump was over, and over no more than `MEMORY` days before this block."""
    first = _block(last) - timedelta(days=MEMORY)
    evidence = 0.0
    for _, grown in path(days, max(first, since or first), last):
        evidence = grown
    baseline = _of_block(days, last)
    attempts, failed = _sum(days, last - timedelta(days=RECENT - 1), last)
    known = baseline[0] >= FEWEST
    return Judgement(
        attempts=attempts,
        failed=failed,
        usual=baseline[1] / baseline[0] if known else None,
        bound=bound(*baseline) if known else None,
        evidence=evidence,
    )


def path(days: Days, first: date, last: date) -> Iterator[tuple[date, float]]:
    """The evidence at the end of each day. Days whose block has too short a baseline add none."""
    sums = [0.0] * len(TIMES)
    day, highest, began = first, None, None
    while day <= last:
        if began != _block(day):
            began = _block(day)
            baseline = _of_block(days, day)
            enough = baseline[0] >= FEWEST
            highest = bound(*baseline) * _tempered(days, day) if enough else None
        if highest is not None:
            attempts, failed = days.get(day, (0, 0))
            for n, times in enumerate(TIMES):
                ratio = _ratio(attempts, failed, min(highest, HIGHEST / times), times)
                sums[n] = min((sums[n] + 1) * ratio, LARGEST)
        yield day, sum(sums) / len(sums)
        day += timedelta(days=1)


def bound(attempts: int, failed: int) -> float:
    """The largest rate that is still likely to show no more than so many refusals: the true one
    lies above it with a probability of at most `DOUBT`."""
    seen = failed / attempts
    low, high = seen, 1.0
    for _ in range(50):
        middle = (low + high) / 2
        if attempts * _divergence(seen, middle) < -math.log(DOUBT):
            low = middle
        else:
            high = middle
    return high


def _divergence(p: float, q: float) -> float:
    """Of a coin of rate p from one of rate q (Kullback-Leibler), natural units."""
    if q in (0.0, 1.0):
        return 0.0 if p == q else math.inf
    first = p * math.log(p / q) if p else 0.0
    return first + ((1 - p) * math.log((1 - p) / (1 - q)) if p < 1 else 0.0)


def _ratio(attempts: int, failed: int, rate: float, times: float) -> float:
    """How much likelier the day is at so many times the rate; never more likely below it."""
    raised = rate * times
    log = failed * math.log(times) + (attempts - failed) * math.log((1 - raised) / (1 - rate))
    return math.exp(min(log, math.log(LARGEST)))


def _tempered(days: Days, day: date) -> float:
    """Days differ by more than chance: paydays, weekends, cohorts. The bound is raised by as much
    as the weeks of its baseline, on their own, went above their mean, at most by half."""
    start = _block(day) - timedelta(days=BASELINE)
    weeks = [
        _sum(days, start + timedelta(days=7 * n), start + timedelta(days=7 * n + 6))
        for n in range(BASELINE // 7)
    ]
    total = [sum(column) for column in zip(*weeks, strict=True)]
    rate = total[1] / total[0]
    if not 0 < rate < 1:
        return 1.0
    spread = sum((k - n * rate) ** 2 / (n * rate * (1 - rate)) for n, k in weeks if n)
    excess = spread / (len(weeks) - 1)
    return 1.0 if excess <= USUAL_SPREAD else min(math.sqrt(excess / USUAL_SPREAD), 1.5)


USUAL_SPREAD = 2.0  # chance alone spreads eight weeks by more in one of twenty


def _block(day: date) -> date:
    return date.fromordinal(day.toordinal() - day.toordinal() % BLOCK)


def _of_block(days: Days, day: date) -> Tally:
    start = _block(day)
    return _sum(days, start - timedelta(days=BASELINE), start - timedelta(days=1))


def _sum(days: Days, first: date, last: date) -> Tally:
    span = (first + timedelta(days=n) for n in range((last - first).days + 1))
    tallies = [days.get(day, (0, 0)) for day in span]
    return sum(n for n, _ in tallies), sum(k for _, k in tallies)
