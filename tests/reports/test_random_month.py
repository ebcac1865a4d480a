"""A random month: churn, MRR and reasons against the same counted life by life."""

import random
from collections import Counter
from fractions import Fraction
from typing import Any

import pytest

from app.domain.churn_rates import Preset, Recognition
from app.storage.rollups import PostgresRollups
from tests.reports.builders import MERCHANT, day
from tests.reports.conftest import Ledger
from tests.reports.lives import CURRENCIES, ENDS, STARTS, Life, a_life, in_january, lost_by

pytestmark = pytest.mark.anyio
JANUARY: dict[str, Any] = {"from_": "2026-01-01", "to": "2026-01-31"}


@pytest.fixture(params=range(3))
async def month(request: pytest.FixtureRequest, ledger: Ledger) -> tuple[Ledger, list[Life]]:
    """Forty lives, partly in rollups already."""
    draw = random.Random(f"lives {request.param}")
    lives = [a_life(draw, number) for number in range(40)]
    await ledger.holds(*(row for life in lives for row in life.rows()))
    await PostgresRollups(ledger.engine).fold(MERCHANT, until=day(draw.randrange(60)))
    return ledger, lives


async def test_churn_is_what_the_lives_say_whoever_defines_it(
    month: tuple[Ledger, list[Life]],
) -> None:
    ledger, lives = month
    for preset in Preset:
        for recognition in (None, *Recognition):
            words = {"preset": preset.value}
            words |= {"recognition": recognition.value} if recognition else {}

            told = await ledger.tells("churn", **words, **JANUARY)

            for row in told["rows"]:
                mine = [life for life in lives if life.currency == row["currency"]]
                n, minor, whole = lost_by(mine, preset, recognition)
                assert (row["n_lost"], row["lost_minor"]) == (n, minor), (preset, recognition)
                assert row["logo_churn"] == f"{_half_up(Fraction(n, whole)):.6f}"
            assert {row["currency"] for row in told["rows"]} == set(CURRENCIES)
            assert told["identity"]["holds"]


def _half_up(share: Fraction) -> float:
    return int(share * 1_000_000 + Fraction(1, 2)) / 1_000_000


async def test_mrr_is_what_the_lives_pay(month: tuple[Ledger, list[Life]]) -> None:
    ledger, lives = month

    told = await ledger.tells("mrr", **JANUARY)

    for row in told["rows"]:
        mine = [life for life in lives if life.currency == row["currency"]]
        assert row["start_minor"] == sum(life.mrr_at(STARTS) for life in mine)
        assert row["end_minor"] == sum(life.mrr_at(ENDS) for life in mine)
        assert row["n_end"] == sum(life.mrr_at(ENDS) > 0 for life in mine)
        assert row["new_minor"] == sum(life.opening for life in mine if in_january(life.began))
        changed = [m for life in mine for at, m in life.changes if in_january(at)]
        assert row["expansion_minor"] == sum(m for m in changed if m > 0)
        assert row["contraction_minor"] == sum(m for m in changed if m < 0)
    assert told["identity"]["holds"]


async def test_reasons_are_counted_like_the_lives_that_ended(
    month: tuple[Ledger, list[Life]],
) -> None:
    ledger, lives = month

    told = await ledger.tells("churn-reasons", group_by="reason,kind_of_end", **JANUARY)

    ended = Counter(
        (life.currency, life.reason, life.kind.value) for life in lives if in_january(life.ended)
    )
    found = {
        (row["currency"], row["reason"], row["kind_of_end"]): row["n_ended"]
        for row in told["rows"]
        if row["n_ended"]
    }
    assert found == ended
