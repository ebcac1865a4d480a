"""The curve of what lasts: by hand, against other words for it, and within its band."""

import random
from fractions import Fraction
from math import isclose, sqrt

from hypothesis import given
from hypothesis import strategies as st

from app.domain.survival import SAVE_DAYS, Cohort, curve

GRID = (10, 20, 30)


def test_a_curve_by_hand() -> None:
    # given ten that were looked at for long and five young ones, of which some ended
    cohorts = [Cohort(40, 10, {10: 2, 20: 2, 30: 3}), Cohort(12, 5, {10: 1, 20: 1})]

    points = curve(cohorts, GRID)

    assert [(one.day, one.at_risk, one.ended) for one in points] == [
        (10, 15, 3),
        (20, 8, 2),  # the young ones were not looked at for twenty days
        (30, 6, 3),
    ]
    assert [one.lasting for one in points] == [
        Fraction(4, 5),
        Fraction(4, 5) * Fraction(3, 4),
        Fraction(4, 5) * Fraction(3, 4) * Fraction(1, 2),
    ]


def test_the_band_is_greenwoods_by_log_log() -> None:
    """S = 0.8 of 15 with 3 gone: V = 3 / (15 * 12), and log S = -0.2231."""
    (point,) = curve([Cohort(10, 15, {10: 3})], (10,))

    reach = 1.959964 * sqrt(3 / (15 * 12)) / 0.22314355
    assert point.low is not None
    assert point.high is not None
    assert isclose(point.low, 0.8 ** (2.718281828**reach), rel_tol=1e-6)
    assert isclose(point.high, 0.8 ** (2.718281828**-reach), rel_tol=1e-6)


def test_where_nothing_ended_or_nothing_lasted_there_is_no_band() -> None:
    all_last, none_lasts = curve([Cohort(30, 4, {20: 4})], GRID)

    assert [float(point.lasting) for point in (all_last, none_lasts)] == [1.0, 0.0]
    assert (all_last.low, all_last.high) == (None, None)
    assert (none_lasts.low, none_lasts.high) == (None, None)


def test_a_curve_ends_where_nobody_was_looked_at_for_so_long() -> None:
    assert curve([Cohort(15, 5, {})], GRID)[-1].day == 10
    assert curve([Cohort(9, 5, {})], GRID) == curve([], GRID) == []


COHORTS = st.lists(
    st.builds(
        lambda age, began, ends: Cohort(age, began, dict(zip(GRID, ends, strict=True))),
        st.integers(0, 50),
        st.integers(0, 30),
        st.tuples(*(st.integers(-2, 15) for _ in GRID)),
    ),
    max_size=8,
)


@given(COHORTS)
def test_whatever_is_told_a_curve_only_falls_and_lies_within_its_band(
    cohorts: list[Cohort],
) -> None:
    points = curve(cohorts, GRID)

    shares = [one.lasting for one in points]
    assert shares == sorted(shares, reverse=True)
    assert all(0 <= one.lasting <= 1 for one in points)
    assert all(0 < one.ended <= one.at_risk for one in points if one.ended)
    for one in points:
        if one.low is not None and one.high is not None:
            assert 0 <= one.low <= float(one.lasting) + 1e-9
            assert float(one.lasting) - 1e-9 <= one.high <= 1


def test_the_curve_finds_the_truth_though_most_lives_are_not_over() -> None:
    """A fiftieth ends each day; cohorts of each of the last 200 days."""
    draw, cohorts = random.Random(7), []
    for age in range(200):
        ends = dict.fromkeys(SAVE_DAYS, 0)
        for _ in range(60):
            lasted = draw.expovariate(0.02)
            by = next((day for day in SAVE_DAYS if lasted < day), None)
            if by is not None and lasted < age:
                ends[by] += 1
        cohorts.append(Cohort(age, 60, ends))

    points = curve(cohorts, SAVE_DAYS)

    covered = [
        one.low <= 2.718281828 ** (-0.02 * one.day) <= one.high
        for one in points
        if one.low is not None and one.high is not None
    ]
    assert points[-1].day == 180
    assert all(covered)
