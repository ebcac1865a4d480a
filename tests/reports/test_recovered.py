"""Recovered revenue, computed by hand."""

from datetime import UTC, datetime

import pytest

from app.domain.recovery import Cause, EntryKind
from app.domain.redemptions import RedemptionState
from app.storage.rollups import PostgresRollups
from tests.reports.builders import MERCHANT, day, entry, redemption, session
from tests.reports.conftest import Ledger

pytestmark = pytest.mark.anyio
REVENUE = "recovered-revenue"
YEAR = {"from_": "2026-01-01", "to": "2026-12-31"}


async def test_refunds_and_disputes_are_taken_off_and_won_disputes_come_back(
    ledger: Ledger,
) -> None:
    # given 100.00 and a partial 40.00 recovered, 5.00 settled by credit, 30.00 refunded in
    # February, 100.00 taken by a dispute and given back, 9.00 of two credit notes, one voided
    await ledger.holds(
        entry(10_000, at=day(5)),
        entry(4_000, at=day(6), invoice_id="in_2"),
        entry(500, EntryKind.SETTLED_OTHER, at=day(7), invoice_id="in_3"),
        entry(-3_000, EntryKind.REFUNDED, at=day(33)),
        entry(-10_000, EntryKind.DISPUTE_LOST, at=day(34), invoice_id="in_4"),
        entry(10_000, EntryKind.DISPUTE_WON, at=day(35), invoice_id="in_4"),
        entry(900, EntryKind.CREDITED, at=day(8), invoice_id="in_5"),
        entry(800, EntryKind.CREDITED, at=day(9), invoice_id="in_5"),
        entry(-800, EntryKind.CREDIT_VOIDED, at=day(10), invoice_id="in_5"),
    )

    told = await ledger.tells(REVENUE, **YEAR)

    amounts = [list(row.values())[2:] for row in told["rows"]]
    assert [row["period"] for row in told["rows"]] == ["2026-01-01", "2026-02-01"]
    assert amounts == [
        [14_000, 500, 900, 0, 0, 0, 14_000, 0],
        [0, 0, 0, 3_000, 10_000, 10_000, -3_000, 0],
    ]
    assert told["totals"] == [
        {
            "currency": "usd",
            "recovered_minor": 14_000,
            "settled_other_minor": 500,
            "credited_minor": 900,
            "refunded_minor": 3_000,
            "dispute_lost_minor": 10_000,
            "dispute_won_minor": 10_000,
            "net_minor": 11_000,
            "discounts_minor": 0,
        }
    ]
    assert told["identity"]["holds"]
    assert told["identity"]["by_currency"] == [
        {"currency": "usd", "rows_minor": 12_400, "ledger_minor": 12_400}
    ]


async def test_currencies_are_never_added_and_yen_have_no_cents(ledger: Ledger) -> None:
    await ledger.holds(
        entry(4_900, at=day(5), currency="eur"),
        entry(980, at=day(5), currency="jpy", invoice_id="in_2"),
        entry(100, at=day(6), currency="eur", invoice_id="in_3"),
    )

    told = await ledger.tells(REVENUE, **YEAR)
    only_yen = await ledger.tells(REVENUE, currency="jpy", **YEAR)

    assert [(row["currency"], row["net_minor"]) for row in told["rows"]] == [
        ("eur", 5_000),
        ("jpy", 980),
    ]
    assert [total["net_minor"] for total in told["totals"]] == [5_000, 980]
    assert [row["currency"] for row in only_yen["rows"]] == ["jpy"]
    assert [check["currency"] for check in only_yen["identity"]["by_currency"]] == ["jpy"]


async def test_rows_are_grouped_by_cause_plan_and_billing_interval(ledger: Ledger) -> None:
    await ledger.holds(
        entry(100, at=day(1), cause=Cause.PROVIDER_RETRY),
        entry(200, at=day(2), invoice_id="in_2"),
        entry(400, at=day(3), invoice_id="in_3", plan=None, interval=None),
    )

    told = await ledger.tells(REVENUE, group_by="cause,plan,interval", **YEAR)

    assert [
        (row["cause"], row["plan"], row["interval"], row["recovered_minor"]) for row in told["rows"]
    ] == [
        ("holdfast_retry", None, None, 400),
        ("holdfast_retry", "basic", "month", 200),
        ("provider_retry", "basic", "month", 100),
    ]


@pytest.mark.parametrize(
    ("instant", "period"),
    [
        pytest.param("2026-03-08T04:59:59.999999", "2026-03-07", id="winter day ends at 5 UTC"),
        pytest.param("2026-03-08T05:00:00", "2026-03-08", id="the short day begins"),
        pytest.param("2026-03-09T03:59:59.999999", "2026-03-08", id="and has 23 hours"),
        pytest.param("2026-03-09T04:00:00", "2026-03-09", id="summer day begins at 4 UTC"),
        pytest.param("2026-11-01T04:00:00", "2026-11-01", id="the long day begins"),
        pytest.param("2026-11-02T04:59:59.999999", "2026-11-01", id="and has 25 hours"),
    ],
)
async def test_days_are_the_merchants_also_when_clocks_change(
    new_york_ledger: Ledger, instant: str, period: str
) -> None:
    await new_york_ledger.holds(entry(100, at=datetime.fromisoformat(instant).replace(tzinfo=UTC)))

    told = await new_york_ledger.tells(REVENUE, interval="day", **YEAR)

    assert [row["period"] for row in told["rows"]] == [period]
    assert told["time_zone"] == "America/New_York"


async def test_the_last_day_is_included_and_an_instant_is_not(ledger: Ledger) -> None:
    await ledger.holds(entry(100, at=datetime(2026, 1, 31, 23, 59, tzinfo=UTC)))

    by_day = await ledger.tells(REVENUE, from_="2026-01-31", to="2026-01-31")
    by_instant = await ledger.tells(
        REVENUE, from_="2026-01-31T00:00:00Z", to="2026-01-31T23:59:00Z"
    )

    assert [row["net_minor"] for row in by_day["rows"]] == [100]
    assert by_instant["rows"] == []


@pytest.mark.parametrize(
    ("interval", "period"),
    [
        ("day", "2026-05-14"),
        ("week", "2026-05-11"),
        ("month", "2026-05-01"),
        ("quarter", "2026-04-01"),
        ("year", "2026-01-01"),
    ],
)
async def test_a_period_is_named_by_its_first_day(
    ledger: Ledger, interval: str, period: str
) -> None:
    await ledger.holds(entry(100, at=datetime(2026, 5, 14, 9, tzinfo=UTC)))

    told = await ledger.tells(REVENUE, interval=interval, **YEAR)

    assert [row["period"] for row in told["rows"]] == [period]


async def test_without_dates_the_last_twelve_months_are_meant(ledger: Ledger) -> None:
    told = await ledger.tells(REVENUE, now=datetime(2026, 5, 14, 9, tzinfo=UTC))

    assert told["from"] == "2025-06-01T00:00:00.000000Z"
    assert told["to"] == "2026-05-15T00:00:00.000000Z"
    assert told["rows"] == []
    assert told["identity"]["holds"]


async def test_another_merchants_ledger_is_invisible(ledger: Ledger) -> None:
    await ledger.holds(entry(100))

    told = await ledger.tells(REVENUE, merchant_id="mer_2", **YEAR)

    assert told["rows"] == []


@pytest.mark.parametrize("folded", [False, True], ids=["from the ledger", "from rollups"])
async def test_discounts_stand_beside_the_cash_and_are_in_no_sum_of_it(
    ledger: Ledger, folded: bool
) -> None:
    # given a discount and a pause that took effect, and a discount that was refused
    await ledger.holds(
        *(session(f"ses_{n}") for n in range(3)),
        redemption("ses_0", at=day(2), plan="pro"),
        redemption("ses_1", at=day(3), offer="rest", cost_minor=0),
        redemption("ses_2", at=day(4), state=RedemptionState.FAILED),
        entry(100, at=day(5)),
    )
    if folded:
        await PostgresRollups(ledger.engine).fold(MERCHANT, until=day(20))

    told = await ledger.tells("recovered-revenue")
    by_cause = await ledger.tells("recovered-revenue", group_by="cause")

    (row,) = told["rows"]
    assert (row["discounts_minor"], row["net_minor"]) == (3_000, 100)
    assert [(row["cause"], row["discounts_minor"]) for row in by_cause["rows"]] == [
        (None, 3_000),
        ("holdfast_retry", 0),
    ]
    assert told["identity"]["holds"]
    assert by_cause["identity"]["holds"]
