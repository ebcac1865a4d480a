"""Churn by how long somebody had been there and with how much when a period began."""

import random
from typing import Any

import pytest

from app.domain.churn import ChurnKind
from app.domain.churn_rates import Preset
from app.domain.mirror import Subscription
from app.domain.mrr import MovementKind as M
from app.reports.asking import WrongParameter
from app.storage.reports.figures import PostgresFigures
from app.storage.rollups import PostgresRollups
from tests.reports.builders import ACCOUNT, JAN_1, MERCHANT, churned, day, movement
from tests.reports.conftest import Ledger
from tests.reports.lives import STARTS, Life, a_life, lost_by
from tests.reports.random_rows import everything

pytestmark = pytest.mark.anyio
JANUARY: dict[str, Any] = {"from_": "2026-01-01", "to": "2026-01-31"}
EARLIER = JAN_1.replace(year=2025)


def paying(name: str, minor: int, *, days: int, kind: M = M.OPENING, **more: Any) -> list[Any]:
    """A subscription that began so many days before January, and pays so much since."""
    began = day(1 - days, 0)
    return [
        Subscription(
            merchant_id=MERCHANT,
            account_id=ACCOUNT,
            subscription_id=name,
            status="active",
            started_at=began,
        ),
        movement(minor, kind, at=began, subscription_id=name, **more),
    ]


def leaves(name: str, minor: int, at: int) -> list[Any]:
    return [
        movement(-minor, M.CHURN_VOLUNTARY, at=day(at), subscription_id=name),
        churned(name, at=day(at), minor=minor),
    ]


@pytest.fixture
async def january(ledger: Ledger) -> Ledger:
    """Of two who pay 9.00 for 20 days one leaves; of two who pay 90.00 for 400 days one grows to
    900.00 and leaves with it; one comes on the 3rd."""
    await ledger.holds(
        *paying("small_1", 900, days=20),
        *paying("small_2", 900, days=20),
        *paying("large_1", 9_000, days=400),
        *paying("large_2", 9_000, days=400),
        *paying("joined", 500, days=-2, kind=M.NEW),
        *leaves("small_1", 900, 9),
        movement(81_000, M.EXPANSION, at=day(5), subscription_id="large_1"),
        *leaves("large_1", 90_000, 20),
    )
    return ledger


async def test_who_leaves_is_a_share_of_who_stood_there_when_the_month_began(
    january: Ledger,
) -> None:
    bands = await january.tells("churn", group_by="mrr_band", **JANUARY)
    tenures = await january.tells("churn", group_by="tenure", **JANUARY)

    assert {
        row["mrr_band"]: (row["n_start"], row["n_new"], row["n_lost"], row["logo_churn"])
        for row in bands["rows"]
    } == {
        "minor_0": (2, 0, 1, "0.500000"),
        "minor_5000": (2, 0, 1, "0.500000"),
        "came": (0, 1, 0, None),
    }
    assert {
        row["tenure"]: (row["n_start"], row["start_minor"], row["gross_mrr_churn"])
        for row in tenures["rows"]
    } == {
        "days_0": (2, 1_800, "0.500000"),
        "days_366": (2, 18_000, "5.000000"),
        "came": (0, 0, None),
    }
    assert bands["identity"]["holds"]
    assert tenures["identity"]["holds"]


async def test_each_month_asks_anew_where_everybody_stands(january: Ledger) -> None:
    told = await january.tells(
        "churn", group_by="mrr_band,tenure", from_="2026-02-01", to="2026-03-31"
    )

    assert [
        (row["period"][:7], row["mrr_band"], row["tenure"], row["n_start"]) for row in told["rows"]
    ] == [
        ("2026-02", "minor_0", "days_0", 1),
        ("2026-02", "minor_0", "days_31", 1),
        ("2026-02", "minor_5000", "days_366", 1),
        ("2026-03", "minor_0", "days_31", 2),
        ("2026-03", "minor_5000", "days_366", 1),
    ]
    assert told["identity"]["holds"]


async def test_only_whole_periods_that_are_over_are_told(january: Ledger) -> None:
    span = {"from_": "2025-12-15", "to": "2026-02-28"}

    over = await january.tells("churn", group_by="tenure", **span, as_of=day(45).isoformat())
    whole = await january.tells("churn", group_by="tenure", **JANUARY, as_of=day(45).isoformat())
    early = await january.tells("churn", group_by="tenure", **JANUARY, as_of=day(30).isoformat())

    assert over["rows"] == whole["rows"]
    assert {row["period"] for row in whole["rows"]} == {"2026-01-01"}
    assert early["rows"] == []


async def test_who_is_found_in_a_month_stands_where_they_were_found(ledger: Ledger) -> None:
    await ledger.holds(
        movement(30_000, M.OPENING, at=day(10), subscription_id="sub_1"),
        *leaves("sub_1", 30_000, 20),
    )

    (row,) = (await ledger.tells("churn", group_by="mrr_band", **JANUARY))["rows"]

    assert (row["mrr_band"], row["n_start"], row["n_lost"]) == ("minor_20000", 1, 1)


@pytest.mark.parametrize(
    ("words", "name"),
    [
        pytest.param({"group_by": "tenure,plan"}, "group_by", id="another key"),
        pytest.param({"group_by": "tenure", "interval": "day"}, "interval", id="days"),
        pytest.param({"group_by": "mrr_band", "interval": "week"}, "interval", id="weeks"),
    ],
)
async def test_what_would_be_too_much_is_refused(
    ledger: Ledger, words: dict[str, str], name: str
) -> None:
    with pytest.raises(WrongParameter) as refused:
        await ledger.tells("churn", **words)

    assert refused.value.name == name


def band(life: Life) -> str:
    minor = life.mrr_at(STARTS)
    names = [name for name in (20_000, 5_000, 1_000, 0) if minor >= name]
    return f"minor_{names[0]}" if minor else "came"


@pytest.mark.parametrize("seed", range(2))
async def test_bands_are_counted_like_the_lives_that_stand_in_them(
    ledger: Ledger, seed: int
) -> None:
    draw = random.Random(f"bands {seed}")
    lives = [a_life(draw, number) for number in range(40)]
    await ledger.holds(*(row for life in lives for row in life.rows()))
    await PostgresRollups(ledger.engine).fold(MERCHANT, until=day(draw.randrange(60)))

    for preset in Preset:
        told = await ledger.tells("churn", preset=preset.value, group_by="mrr_band", **JANUARY)

        for row in told["rows"]:
            mine = [one for one in lives if one.currency == row["currency"]]
            n, minor, _ = lost_by([o for o in mine if band(o) == row["mrr_band"]], preset, None)
            assert (row["n_lost"], row["lost_minor"]) == (n, minor), (preset, row["mrr_band"])
        assert told["identity"]["holds"]


@pytest.mark.parametrize("seed", range(2))
async def test_whatever_the_ledgers_hold_the_buckets_add_up(ledger: Ledger, seed: int) -> None:
    draw = random.Random(f"buckets {seed}")
    await ledger.holds(*everything(draw, 12))
    await PostgresRollups(ledger.engine).fold(MERCHANT, until=day(draw.randrange(90)))
    as_of = day(draw.randrange(60, 90)).isoformat()

    for keys in ("tenure", "mrr_band", "tenure,mrr_band"):
        ledger.figures = PostgresFigures(ledger.engine)
        told = await ledger.tells("churn", group_by=keys, as_of=as_of)
        ledger.figures = PostgresFigures(ledger.engine, at_once=7)
        in_parts = await ledger.tells("churn", group_by=keys, as_of=as_of)

        assert told["rows"]
        assert told["identity"]["holds"]
        assert in_parts == told


async def test_who_leaves_unpaid_is_told_by_tenure_too(january: Ledger) -> None:
    await january.holds(churned("small_2", at=day(12), kind=ChurnKind.INVOLUNTARY, minor=900))

    told = await january.tells("churn", group_by="tenure", **JANUARY)

    (row,) = [row for row in told["rows"] if row["tenure"] == "days_0"]
    assert (row["n_lost"], row["logo_churn"]) == (2, "1.000000")
