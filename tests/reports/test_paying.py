"""How many pay: by whether a subscription has MRR, whatever brought it there."""

from typing import Any

import pytest

from app.domain.mrr import MovementKind as M
from app.storage.rollups import PostgresRollups
from tests.reports.builders import JAN_1, MERCHANT, day, movement
from tests.reports.conftest import Ledger

pytestmark = pytest.mark.anyio
EARLIER = JAN_1.replace(year=2025)
MONTHS: dict[str, Any] = {"from_": "2026-01-01", "to": "2026-03-31"}
FOLDED = pytest.mark.parametrize("folded", [False, True], ids=["from the ledger", "from rollups"])


async def paying(ledger: Ledger, *, folded: bool) -> list[tuple[int, int, int | None]]:
    """How many pay at the end of each month, how much, and how much each."""
    if folded:
        await PostgresRollups(ledger.engine).fold(MERCHANT, until=day(130))
    told = await ledger.tells("mrr", **MONTHS)
    assert told["identity"]["holds"]
    return [(row["n_end"], row["end_minor"], row["arpa_minor"]) for row in told["rows"]]


def there(count: int) -> list[Any]:
    names = [f"sub_{n}" for n in range(count)]
    return [movement(10_000, M.OPENING, at=EARLIER, subscription_id=name) for name in names]


@FOLDED
async def test_who_changes_to_another_subscription_pays_as_one(
    ledger: Ledger, folded: bool
) -> None:
    await ledger.holds(
        *there(3),
        movement(-10_000, M.MIGRATION, at=day(40), subscription_id="sub_0"),
        movement(16_000, M.MIGRATION, at=day(40), subscription_id="next"),
    )

    assert await paying(ledger, folded=folded) == [
        (3, 30_000, 10_000),
        (3, 36_000, 12_000),
        (3, 36_000, 12_000),
    ]


@FOLDED
async def test_a_change_that_was_told_as_leaving_and_joining_moves_nobody(
    ledger: Ledger, folded: bool
) -> None:
    # given lines that are taken back a week later, and told anew as they were dated
    went: dict[str, Any] = {"at": day(40), "subscription_id": "sub_0"}
    came: dict[str, Any] = {"at": day(40), "subscription_id": "next"}
    later: dict[str, Any] = {"recorded_at": day(47)}
    await ledger.holds(
        *there(3),
        movement(-10_000, M.CHURN_VOLUNTARY, **went),
        movement(10_000, M.CHURN_VOLUNTARY, source="restated", **went, **later),
        movement(-10_000, M.MIGRATION, source="migration", **went, **later),
        movement(10_000, M.NEW, **came),
        movement(-10_000, M.NEW, source="restated", **came, **later),
        movement(10_000, M.MIGRATION, source="migration", **came, **later),
    )

    assert await paying(ledger, folded=folded) == [(3, 30_000, 10_000)] * 3
    churn = await ledger.tells("churn", **MONTHS)
    assert [row["n_new"] for row in churn["rows"]] == [0, 0, 0]


@FOLDED
async def test_who_pays_nothing_for_a_while_does_not_pay(ledger: Ledger, folded: bool) -> None:
    # given a discount of 100 % in January that ends in March, and one that stays
    await ledger.holds(
        *there(3),
        movement(-4_000, M.CONTRACTION, at=day(9), subscription_id="sub_0"),
        movement(-6_000, M.CONTRACTION, at=day(10), subscription_id="sub_0"),
        movement(-10_000, M.CONTRACTION, at=day(11), subscription_id="sub_1"),
        movement(8_000, M.EXPANSION, at=day(70), subscription_id="sub_0"),
        movement(2_000, M.EXPANSION, at=day(71), subscription_id="sub_0"),
    )

    assert await paying(ledger, folded=folded) == [
        (1, 10_000, 10_000),
        (1, 10_000, 10_000),
        (2, 20_000, 10_000),
    ]


@FOLDED
async def test_who_began_for_nothing_pays_from_the_first_money_on(
    ledger: Ledger, folded: bool
) -> None:
    # given a free plan that is paid for in January, changed to a dearer one, and left in March
    free: dict[str, Any] = {"subscription_id": "free"}
    moved: dict[str, Any] = {"at": day(40), **free}
    await ledger.holds(
        *there(1),
        movement(2_000, M.EXPANSION, at=day(10), plan="basic", **free),
        movement(-2_000, M.SWITCH, source="from", plan="basic", **moved),
        movement(2_000, M.SWITCH, source="to", plan="pro", **moved),
        movement(3_000, M.EXPANSION, source="more", plan="pro", **moved),
        movement(-5_000, M.CHURN_VOLUNTARY, at=day(70), plan="pro", **free),
    )

    assert await paying(ledger, folded=folded) == [
        (2, 12_000, 6_000),
        (2, 15_000, 7_500),
        (1, 10_000, 10_000),
    ]
