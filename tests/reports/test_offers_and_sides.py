"""What offers cost and kept; and the ledger beside the provider's payments."""

from typing import Any

import pytest

from app.domain.recovery import EntryKind
from app.domain.redemptions import RedemptionState
from app.domain.saves import Rung
from app.reports.formats import CSV
from app.storage.rollups import PostgresRollups
from tests.reports.builders import (
    MERCHANT,
    day,
    entry,
    failure,
    judged,
    redemption,
    session,
    taking,
)
from tests.reports.conftest import Ledger

pytestmark = pytest.mark.anyio
JANUARY: dict[str, Any] = {"from_": "2026-01-01", "to": "2026-01-31"}


async def test_an_offer_is_told_with_its_cost_and_what_it_kept(ledger: Ledger) -> None:
    # given one that held for 90 days, one that did not for 30, one refused, and one of a pause
    await ledger.holds(
        *(session(f"ses_{n}") for n in range(4)),
        redemption("ses_0", at=day(2), subscription_id="sub_1"),
        redemption("ses_1", at=day(3), subscription_id="sub_2"),
        redemption("ses_2", at=day(4), subscription_id="sub_3", state=RedemptionState.FAILED),
        redemption("ses_3", at=day(5), subscription_id="sub_4", offer="rest", cost_minor=0),
        judged("ses_0", Rung.SAVED_30D, at=day(2), kept=True),
        judged("ses_0", Rung.SAVED_90D, at=day(2), kept=True),
        judged("ses_1", Rung.SAVED_30D, at=day(3), kept=False),
        taking(1_000, at=day(10)),
        taking(0, at=day(10), refunded_minor=800, recorded_at=day(20)),
        taking(0, at=day(10), came_back_minor=500, recorded_at=day(30)),
        taking(9_000, at=day(1), invoice="in_2"),
        taking(9_000, at=day(95), invoice="in_3"),
    )

    told = await ledger.tells("offers", **JANUARY)
    by_reason = await ledger.tells("offers", group_by="reason", **JANUARY)

    half, rest = told["rows"]
    assert (half["offer"], rest["offer"]) == ("half", "rest")
    assert {name: half[name] for name in half if name.startswith("n_")} == {
        "n_accepted": 3,
        "n_applied": 2,
        "n_failed": 1,
        "n_judged_30d": 2,
        "n_saved_30d": 1,
        "n_saved_90d": 1,
    }
    assert (half["cost_minor"], half["retained_minor"]) == (6_000, 700)
    assert (half["save_rate_30d"], half["saved_mrr_minor"]) == ("0.500000", 2_000)
    assert rest["save_rate_30d"] is None
    assert told["identity"]["holds"]
    assert by_reason["totals"] == told["totals"]


@pytest.mark.parametrize("folded", [False, True], ids=["from the ledger", "from rollups"])
async def test_cash_stands_under_the_latest_offer_before_it(ledger: Ledger, folded: bool) -> None:
    # given a second offer on day 20, applied on day 30, and money before, between and after
    await ledger.holds(
        *(session(f"ses_{n}") for n in range(2)),
        redemption("ses_0", at=day(2)),
        redemption("ses_1", at=day(20), offer="rest", settled_at=day(30)),
        taking(1_000, at=day(10)),
        taking(2_000, at=day(25), invoice="in_2"),
        taking(4_000, at=day(40), invoice="in_3"),
    )
    if folded:
        for number in (27, 50):
            await PostgresRollups(ledger.engine).fold(MERCHANT, until=day(number))

    async def kept(as_of: int) -> dict[str, int]:
        told = await ledger.tells("offers", as_of=day(as_of).isoformat(), **JANUARY)
        assert told["identity"]["holds"]
        return {row["offer"]: row["retained_minor"] for row in told["rows"]}

    # then each payment counts once: for the first until the second is known to have been applied
    assert await kept(28) == {"half": 3_000, "rest": 0}
    assert await kept(35) == {"half": 1_000, "rest": 2_000}
    assert await kept(50) == {"half": 1_000, "rest": 6_000}


async def test_ledger_and_provider_agree_to_the_cent(ledger: Ledger) -> None:
    await ledger.holds(
        failure(1_000),
        entry(400, at=day(2)),
        entry(600, at=day(3)),
        entry(-250, EntryKind.REFUNDED, at=day(9)),
        taking(400, at=day(2)),
        taking(600, at=day(3)),
        taking(0, at=day(3), refunded_minor=250, recorded_at=day(9)),
    )

    told = await ledger.tells("reconciliation", **JANUARY)

    assert told["rows"] == []
    assert told["identity"]["holds"]
    assert told["totals"] == [
        {
            "currency": "usd",
            "n_invoices": 1,
            "n_differences": 0,
            "ledger_recovered_minor": 1_000,
            "provider_paid_minor": 1_000,
            "ledger_refunded_minor": 250,
            "provider_refunded_minor": 250,
        }
    ]


async def test_an_invoice_that_by_rule_had_no_case_is_not_compared(ledger: Ledger) -> None:
    await ledger.holds(
        failure(1_000, exclusion="first_invoice", case_id=None), taking(1_000, at=day(2))
    )

    told = await ledger.tells("reconciliation", **JANUARY)

    assert told["rows"] == told["totals"] == []


async def test_differences_are_listed_one_by_one_and_never_averaged(ledger: Ledger) -> None:
    # given one that was paid and not entered, one entered and not paid: their sum is right
    await ledger.holds(
        failure(100, invoice="in_1"),
        failure(100, invoice="in_2"),
        failure(100, invoice="in_3"),
        taking(100, at=day(2), invoice="in_1"),
        entry(100, at=day(2), invoice_id="in_2"),
        taking(70, at=day(2), invoice="in_3"),
        entry(70, at=day(2), invoice_id="in_3"),
    )

    told = await ledger.tells("reconciliation", **JANUARY)
    table = await ledger.says("reconciliation", media_type=CSV, **JANUARY)

    assert [
        (row["invoice"], row["ledger_recovered_minor"], row["provider_paid_minor"])
        for row in told["rows"]
    ] == [("in_1", 0, 100), ("in_2", 100, 0)]
    assert told["totals"][0]["n_differences"] == 2
    assert not told["identity"]["holds"]
    assert table.count("\r\n") == 3
