"""Who is lost, when, and how often: where a definition of churn is easily counted wrong."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from app.domain.churn import ChurnEntry as E
from app.domain.churn import ChurnKind
from app.domain.dunning import CaseState
from app.domain.mrr import MovementKind as M
from app.storage.rollups import PostgresRollups
from tests.reports.builders import JAN_1, MERCHANT, case, churned, day, moved, movement, record_id
from tests.reports.conftest import Ledger

pytestmark = pytest.mark.anyio
EARLIER = JAN_1.replace(year=2025)
MONTHS: dict[str, Any] = {"from_": "2026-01-01", "to": "2026-04-30"}
FOLDED = pytest.mark.parametrize("folded", [False, True], ids=["from the ledger", "from rollups"])


def there(count: int = 3) -> list[Any]:
    """So many at 100.00, for long."""
    names = [f"sub_{n}" for n in range(count)]
    return [movement(10_000, M.OPENING, at=EARLIER, subscription_id=name) for name in names]


def gone(
    name: str, number: int, *, kind: ChurnKind = ChurnKind.VOLUNTARY, **more: Any
) -> list[Any]:
    """One that ends on a day."""
    left = M.CHURN_VOLUNTARY if kind is ChurnKind.VOLUNTARY else M.CHURN_INVOLUNTARY
    return [
        movement(-10_000, left, at=day(number), subscription_id=name),
        churned(name, at=day(number), kind=kind, **more),
    ]


def back(name: str, ended: int, number: int) -> list[Any]:
    """The same come back on a later day."""
    about = record_id(name, E.CHURNED, day(ended))
    return [
        movement(10_000, M.REACTIVATION, at=day(number), subscription_id=name),
        churned(name, at=day(number), entry=E.REVERSED, about=about),
    ]


async def lost(ledger: Ledger, *, folded: bool = False, **words: str) -> list[int]:
    """How many are lost in each period."""
    if folded:
        await PostgresRollups(ledger.engine).fold(MERCHANT, until=day(130))
    told = await ledger.tells("churn", **(MONTHS | words))
    assert told["identity"]["holds"]
    return [row["n_lost"] for row in told["rows"]]


@FOLDED
async def test_who_joins_and_leaves_within_a_quarter_stands_apart_in_it(
    ledger: Ledger, folded: bool
) -> None:
    # given one who joins in January and leaves in February
    joined = movement(10_000, at=day(5), subscription_id="new")
    await ledger.holds(*there(), joined, *gone("new", 40, started_at=day(5)))

    assert await lost(ledger, folded=folded) == [0, 1, 0, 0]
    assert await lost(ledger, interval="quarter") == [0, 0]
    assert await lost(ledger, interval="year") == [0]
    assert await lost(ledger, interval="quarter", preset="stripe") == [1, 0]


@FOLDED
async def test_who_comes_back_within_the_quarter_was_not_lost_in_it(
    ledger: Ledger, folded: bool
) -> None:
    await ledger.holds(*there(), *gone("sub_0", 10), *back("sub_0", 10, 40))

    assert await lost(ledger, folded=folded, preset="chartmogul") == [1, 0, 0, 0]
    assert await lost(ledger, preset="chartmogul", interval="quarter") == [0, 0]
    assert await lost(ledger, preset="chartmogul", interval="year") == [0]


@FOLDED
async def test_a_return_is_taken_off_where_who_came_back_was_lost(
    ledger: Ledger, folded: bool
) -> None:
    # given one who asks in January, ends in February and comes back in that
    plan = churned("sub_0", at=day(10), entry=E.PENDING)
    await ledger.holds(*there(), plan, *gone("sub_0", 40, about=plan.record_id))
    await ledger.holds(*back("sub_0", 40, 50))
    if folded:
        await PostgresRollups(ledger.engine).fold(MERCHANT, until=day(130))

    async def rates(**words: str) -> list[str]:
        told = await ledger.tells("churn", **(MONTHS | words))
        return [row["logo_churn_after_returns"] for row in told["rows"]]

    assert await rates(recognition="request") == ["0.333333", "0.000000", "0.000000", "0.000000"]
    assert await rates() == ["0.000000"] * 4
    assert await rates(preset="seed", interval="quarter") == ["0.000000"] * 2


@FOLDED
async def test_a_trial_joins_when_it_is_paid_for(ledger: Ledger, folded: bool) -> None:
    # given a trial since January, paid for in February, and left in the same month
    paid = movement(10_000, at=day(35), subscription_id="new")
    await ledger.holds(*there(), paid, *gone("new", 50, started_at=day(21)))

    assert await lost(ledger, folded=folded) == [0, 0, 0, 0]


@FOLDED
async def test_a_plan_that_is_moved_is_asked_for_once_and_one_given_up_never(
    ledger: Ledger, folded: bool
) -> None:
    # given one whose end is moved to another day in February, and one who then stays after all
    rows = there()
    for name in ("sub_0", "sub_1"):
        plan = churned(name, at=day(10), entry=E.PENDING, source="first")
        over = churned(name, at=day(40), entry=E.WITHDRAWN, about=plan.record_id)
        rows += [plan, over]
    again = churned("sub_0", at=day(10), entry=E.PENDING, source="again", recorded_at=day(40))
    rows.append(replace(again, record_id="again"))
    await ledger.holds(*rows)

    before = await lost(ledger, preset="seed", as_of=day(20).isoformat())
    assert await lost(ledger, folded=folded, preset="seed") == [1, 0, 0, 0]
    assert before[0] == 2


@FOLDED
@pytest.mark.parametrize("kind", [ChurnKind.MERCHANT, ChurnKind.INVOLUNTARY])
async def test_who_asked_and_is_ended_by_others_is_lost_once(
    ledger: Ledger, folded: bool, kind: ChurnKind
) -> None:
    plan = churned("sub_0", at=day(10), entry=E.PENDING)
    await ledger.holds(*there(), plan, *gone("sub_0", 20, kind=kind, about=plan.record_id))

    assert await lost(ledger, folded=folded, preset="seed") == [1, 0, 0, 0]


@FOLDED
async def test_who_asked_and_only_changed_is_not_lost(ledger: Ledger, folded: bool) -> None:
    plan = churned("sub_0", at=day(10), entry=E.PENDING)
    changed = gone("sub_0", 40, kind=ChurnKind.MIGRATION, about=plan.record_id)
    await ledger.holds(*there(), plan, *changed)

    assert await lost(ledger, folded=folded, preset="seed") == [0, 0, 0, 0]


@FOLDED
async def test_who_paid_what_was_overdue_is_lost_when_they_leave(
    ledger: Ledger, folded: bool
) -> None:
    # given one past due for 30 days who paid then, and left in April
    await ledger.holds(
        *there(),
        case("in_1", subscription_id="sub_0", opened_at=day(-25)),
        moved(CaseState.RECOVERED, at=day(15), invoice="in_1"),
        *gone("sub_0", 100),
    )

    assert await lost(ledger, folded=folded, preset="baremetrics") == [1, 0, 0, 1]


@FOLDED
async def test_who_rested_while_overdue_is_lost_when_they_leave(
    ledger: Ledger, folded: bool
) -> None:
    # given one without MRR when their case was 30 days old
    await ledger.holds(
        *there(),
        movement(-10_000, M.PAUSE, at=day(1), subscription_id="sub_0"),
        movement(10_000, M.RESUME, at=day(20), subscription_id="sub_0"),
        case("in_1", subscription_id="sub_0", opened_at=day(-25)),
        *gone("sub_0", 40),
    )

    assert await lost(ledger, folded=folded, preset="baremetrics") == [0, 1, 0, 0]


@FOLDED
@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        pytest.param(3, [1, 0, 0, 0], id="asked before"),
        pytest.param(20, [1, 0, 0, 0], id="asked while overdue"),
    ],
)
async def test_who_is_overdue_and_asks_is_lost_by_the_first_of_both(
    ledger: Ledger, folded: bool, asked: int, expected: list[int]
) -> None:
    # given one 30 days past due on January 6, and ended in February
    plan = churned("sub_0", at=day(asked), entry=E.PENDING)
    await ledger.holds(
        *there(),
        case("in_1", subscription_id="sub_0", opened_at=day(6) - timedelta(days=30)),
        plan,
        *gone("sub_0", 40, about=plan.record_id),
    )

    words = {"preset": "baremetrics", "recognition": "request"}
    assert await lost(ledger, folded=folded, **words) == expected


@FOLDED
async def test_a_return_undoes_no_asking_of_another_month(ledger: Ledger, folded: bool) -> None:
    # given one who asked in January, ended in February and is back in that month
    plan = churned("sub_0", at=day(10), entry=E.PENDING)
    left = gone("sub_0", 40, about=plan.record_id)
    await ledger.holds(*there(), plan, *left, *back("sub_0", 40, 45))

    words = {"preset": "chartmogul", "recognition": "request"}
    assert await lost(ledger, folded=folded, **words) == [1, 0, 0, 0]
