"""What the treatment brought in, and how sure that is."""

import random
from collections.abc import Iterable

import pytest

from app.domain.holdouts import FEWEST, Arm, effect, half_width


def arm_of(pairs: Iterable[tuple[int, int]]) -> Arm:
    """An arm of customers with one invoice each: (failed, recovered)."""
    rows = list(pairs)
    return Arm(
        customers=len(rows),
        invoices=len(rows),
        f=sum(f for f, _ in rows),
        c=sum(c for _, c in rows),
        ff=sum(f * f for f, _ in rows),
        fc=sum(f * c for f, c in rows),
        cc=sum(c * c for _, c in rows),
    )


def drawn(draw: random.Random, count: int, rate: float) -> Arm:
    amounts = [draw.randrange(500, 9_000) for _ in range(count)]
    return arm_of((minor, minor if draw.random() < rate else 0) for minor in amounts)


def test_the_effect_is_the_difference_of_rates_on_what_failed_treated() -> None:
    treated = arm_of([(1_000, 1_000)] * 600 + [(1_000, 0)] * 400)
    holdout = arm_of([(1_000, 1_000)] * 50 + [(1_000, 0)] * 50)

    found = effect(treated, holdout)

    assert found.minor == 100_000
    assert found.low_minor is not None
    assert found.high_minor is not None
    assert found.low_minor < 100_000 < found.high_minor
    assert found.more_invoices is None


@pytest.mark.parametrize(
    ("holdout", "more"),
    [
        pytest.param(Arm(), 90_000, id="nobody is held out"),
        pytest.param(arm_of([(100, 0)] * 50), 950, id="half of what is needed"),
        pytest.param(arm_of([(100, 0)] * (FEWEST - 1)), 11, id="one is missing"),
    ],
)
def test_too_few_give_no_effect_but_say_how_many_are_missing(holdout: Arm, more: int) -> None:
    found = effect(arm_of([(100, 100)] * 900), holdout)

    assert (found.minor, found.low_minor, found.high_minor) == (None, None, None)
    assert found.more_invoices == more


def test_looking_every_hundred_customers_seldom_finds_an_effect_where_there_is_none() -> None:
    draw, called = random.Random(7), 0
    for _ in range(60):
        rows = [(draw.randrange(500, 9_000), draw.random() < 0.5) for _ in range(2_400)]
        pairs = [(minor, minor * paid) for minor, paid in rows]
        for seen in range(600, 2_401, 200):
            held = [pair for n, pair in enumerate(pairs[:seen]) if n % 5 == 0]
            kept = [pair for n, pair in enumerate(pairs[:seen]) if n % 5]
            found = effect(arm_of(kept), arm_of(held))
            if found.low_minor and found.high_minor and found.low_minor * found.high_minor > 0:
                called += 1
                break

    assert called <= 3


def test_a_large_effect_is_found() -> None:
    draw = random.Random(3)

    found = effect(drawn(draw, 4_000, 0.65), drawn(draw, 800, 0.45))

    assert found.low_minor is not None
    assert found.low_minor > 0


def test_more_customers_make_it_surer() -> None:
    widths = [half_width(n, 0.5) for n in (200, 1_000, 5_000, 50_000)]

    assert widths == sorted(widths, reverse=True)
