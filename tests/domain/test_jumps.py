"""A jump of the failure rate is told within days; steady noise, in a year, hardly ever is one."""

import random
from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.jumps import (
    BASELINE,
    BLOCK,
    DOUBT,
    KEPT,
    MEMORY,
    PROMISED,
    THRESHOLD,
    bound,
    judged,
    path,
)

START = date(2025, 1, 1)
BEFORE = BASELINE + BLOCK
YEAR = 365
Days = dict[date, tuple[int, int]]


def noise(seed: int, *, a_day: int, rate: float, days: int, rhythm: float = 0.0) -> Days:
    """So many first attempts a day, more or less, refused at one rate; with `rhythm` the rate
    goes up and down by that share within each week."""
    draw, made = random.Random(seed), {}
    for n in range(days):
        attempts = draw.randint(a_day // 2, a_day * 3 // 2)
        today = rate * (1 + rhythm * (1 if n % 7 < 3 else -0.75))
        failed = sum(draw.random() < today for _ in range(attempts))
        made[START + timedelta(days=n)] = (attempts, failed)
    return made


def alarms(days: Days, years: int) -> bool:
    """Whether the evidence ever got to the threshold within so many years of nights."""
    first = START + timedelta(days=BEFORE)
    last = first + timedelta(days=YEAR * years - 1)
    return any(evidence >= THRESHOLD for _, evidence in path(days, first, last))


@pytest.mark.parametrize(
    ("a_day", "rate", "rhythm"),
    [
        pytest.param(6, 0.1, 0.0, id="a small account"),
        pytest.param(30, 0.08, 0.0, id="a usual one"),
        pytest.param(20, 0.4, 0.0, id="one that fails often"),
        pytest.param(30, 0.1, 0.4, id="one with busy days"),
    ],
)
def test_steady_noise_over_a_year_alarms_at_most_as_promised(
    a_day: int, rate: float, rhythm: float
) -> None:
    years = 15
    days = [
        noise(seed, a_day=a_day, rate=rate, rhythm=rhythm, days=YEAR + BEFORE)
        for seed in range(years)
    ]

    assert sum(alarms(one, 1) for one in days) <= PROMISED * years


@pytest.mark.parametrize(
    ("a_day", "usual", "then", "within"),
    [(100, 0.1, 0.2, 7), (1000, 0.08, 0.12, 4), (300, 0.05, 0.5, 1)],
)
def test_a_jump_is_told_within_days(a_day: int, usual: float, then: float, within: int) -> None:
    steady = noise(1, a_day=a_day, rate=usual, days=KEPT)
    after = noise(2, a_day=a_day, rate=then, days=within)
    jumped = steady | {day + timedelta(days=KEPT): tally for day, tally in after.items()}
    last = START + timedelta(days=KEPT - 1)

    assert not judged(jumped, last).jumped
    assert judged(jumped, last + timedelta(days=within)).jumped


def test_what_is_usual_after_two_months_is_no_jump_any_more() -> None:
    steady = noise(1, a_day=100, rate=0.1, days=KEPT)
    after = noise(2, a_day=100, rate=0.2, days=BASELINE + 2 * BLOCK)
    days = steady | {day + timedelta(days=KEPT): tally for day, tally in after.items()}

    told = judged(days, max(days))

    assert not told.jumped
    assert told.usual is not None
    assert 0.15 < told.usual < 0.25


def test_a_jump_that_is_over_is_not_told_again_of_the_same_days() -> None:
    days = noise(1, a_day=100, rate=0.1, days=KEPT)
    last = max(days)
    for n in range(1, 6):
        days[last + timedelta(days=n)] = (100, 40)

    first, again = judged(days, max(days)), judged(days, max(days), since=max(days))

    assert first.jumped
    assert again.evidence < first.evidence


@pytest.mark.parametrize("days", [{}, {START: (99, 99)}], ids=["nothing", "too little"])
def test_an_account_of_which_too_little_is_known_is_not_judged(days: Days) -> None:
    told = judged(days, START + timedelta(days=BLOCK))

    assert (told.usual, told.bound, told.jumped) == (None, None, False)


@given(st.integers(1, 5_000), st.floats(0, 1))
def test_the_bound_lies_above_what_was_seen_and_comes_nearer_with_more(
    attempts: int, share: float
) -> None:
    failed = round(attempts * share)

    high = bound(attempts, failed)

    assert failed / attempts <= high <= 1
    assert bound(attempts * 10, failed * 10) <= high + 1e-9


@given(
    st.dictionaries(
        st.integers(0, KEPT).map(lambda n: START + timedelta(days=n)),
        st.tuples(st.integers(0, 10_000), st.integers(0, 10_000)).map(
            lambda pair: (max(pair), min(pair))
        ),
        max_size=40,
    )
)
def test_any_days_at_all_are_judged(days: Days) -> None:
    told = judged(days, START + timedelta(days=KEPT))

    assert told.evidence >= 0
    assert 0 <= told.failed <= told.attempts


def test_the_sides_of_the_promise_add_up() -> None:
    blocks = -(-YEAR // BLOCK)

    assert YEAR / THRESHOLD + blocks * DOUBT <= PROMISED
    assert MEMORY + BASELINE + BLOCK == KEPT
