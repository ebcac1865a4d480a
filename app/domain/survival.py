"""How long something lasts, from lives of which many are not over yet: Kaplan-Meier.

Lives are counted in cohorts, by how many began and how many ended before each day of a grid. A
cohort says something of a step only if it was looked at until the step's end, so that what is too
young is left out there and not taken for what lasts.

Source: Kaplan and Meier (1958); variance by Greenwood (1926); the band is of log(-log S), which
stays between nothing and all (Kalbfleisch and Prentice, 2002).
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

# Days by which money is back, and days by which a save is over. The steps of a curve.
RECOVERY_DAYS = (1, 2, 3, 5, 7, 10, 14, 21, 28, 42, 60, 90)
SAVE_DAYS = (1, 7, 14, 30, 60, 90, 120, 180, 270, 365)
NORMAL_95 = 1.959964  # two-sided 95 % of a normal distribution


@dataclass(frozen=True, slots=True)
class Cohort:
    """Lives that began together and were looked at for `age` whole days. `ended` has, by a day of
    the grid, how many ended before it and not before the day ahead of it."""

    age: int
    began: int
    ended: Mapping[int, int]


@dataclass(frozen=True, slots=True)
class Point:
    """The curve at the end of one step. `at_risk` lives were looked at and not over when the step
    began, `ended` of them ended within it, `lasting` is the share of all that lasted. The band's
    ends are None where nothing has ended or nothing lasted."""

    day: int
    at_risk: int
    ended: int
    lasting: Fraction
    low: float | None
    high: float | None


def curve(cohorts: Iterable[Cohort], grid: Sequence[int]) -> list[Point]:
    """The curve of these cohorts, as far as anything was looked at."""
    known = list(cohorts)
    lasting, spread, points = Fraction(1), 0.0, []
    for place, day in enumerate(grid):
        old = [one for one in known if one.age >= day]
        gone = sum(one.ended.get(before, 0) for one in old for before in grid[:place])
        at_risk = sum(one.began for one in old) - gone
        if at_risk <= 0:
            break
        ended = min(max(sum(one.ended.get(day, 0) for one in old), 0), at_risk)
        lasting *= Fraction(at_risk - ended, at_risk)
        left = at_risk - ended
        spread = spread + ended / (at_risk * left) if left else math.inf
        points.append(Point(day, at_risk, ended, lasting, *_band(lasting, spread)))
    return points


def _band(lasting: Fraction, spread: float) -> tuple[float | None, float | None]:
    """The 95 % band at a point: S to the power of exp(+-z sqrt(V) / log S)."""
    if not 0 < lasting < 1:
        return None, None
    log = math.log(float(lasting))
    reach = NORMAL_95 * math.sqrt(spread) / abs(log)
    ends = (math.exp(log * math.exp(min(reach, 50.0))), math.exp(log * math.exp(-reach)))
    return min(ends), max(ends)
