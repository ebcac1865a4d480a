"""The recovery rate, computed by hand."""

from datetime import UTC, datetime, timedelta

import pytest

from app.domain.dunning import CaseState
from app.domain.recovery import EntryKind
from tests.reports.builders import JAN_1, case, day, entry, failure, moved
from tests.reports.conftest import Ledger

pytestmark = pytest.mark.anyio
RATE = "recovery-rate"
JANUARY = {"from_": "2026-01-01", "to": "2026-01-31"}


async def test_the_rate_is_what_came_back_within_w_of_what_failed(ledger: Ledger) -> None:
    # given 100.00 recovered on day 3, 50.00 recovered a day too late, 60.00 never
    await ledger.holds(
        failure(10_000),
        failure(5_000, invoice="in_2"),
        failure(6_000, invoice="in_3"),
        entry(10_000, at=day(3)),
        entry(5_000, at=day(32), invoice_id="in_2"),
    )

    within_30 = await ledger.tells(RATE, **JANUARY)
    within_31 = await ledger.tells(RATE, w="31", **JANUARY)

    assert within_30["rows"] == [
        {
            "period": "2026-01-01",
            "currency": "usd",
            "trial_conversion": False,
            "n": 3,
            "n_open": 0,
            "n_excluded": 0,
            "failed_minor": 21_000,
            "recovered_within_w_minor": 10_000,
            "settled_other_within_w_minor": 0,
            "credited_within_w_minor": 0,
            "open_minor": 0,
            "excluded_minor": 0,
            "rate": "0.476190",
            "open_share": "0.000000",
        }
    ]
    assert within_30["w"] == 30
    assert within_30["identity"]["holds"]
    assert within_31["totals"][0]["rate"] == "0.714286"


async def test_within_w_ends_with_the_last_instant_of_the_last_day(ledger: Ledger) -> None:
    end = JAN_1 + timedelta(days=30)
    await ledger.holds(
        failure(100),
        failure(100, invoice="in_2"),
        entry(100, at=end),
        entry(100, at=end + timedelta(microseconds=1), invoice_id="in_2"),
    )

    told = await ledger.tells(RATE, **JANUARY)

    assert told["totals"][0]["rate"] == "0.500000"


async def test_an_invoice_counts_at_most_with_what_had_failed(ledger: Ledger) -> None:
    # given 100.00 failed, 80.00 paid in two parts and 30.00 settled by credit
    await ledger.holds(
        failure(10_000),
        entry(5_000, at=day(2)),
        entry(3_000, at=day(3)),
        entry(3_000, EntryKind.SETTLED_OTHER, at=day(4)),
    )

    told = await ledger.tells(RATE, **JANUARY)

    total = told["totals"][0]
    assert total["recovered_within_w_minor"] == 8_000
    assert total["settled_other_within_w_minor"] == 2_000
    assert total["rate"] == "0.800000"


async def test_refunds_do_not_undo_a_recovery(ledger: Ledger) -> None:
    await ledger.holds(
        failure(100), entry(100, at=day(2)), entry(-100, EntryKind.REFUNDED, at=day(3))
    )

    told = await ledger.tells(RATE, **JANUARY)

    assert told["totals"][0]["rate"] == "1.000000"


async def test_trial_conversions_and_currencies_stand_apart(ledger: Ledger) -> None:
    await ledger.holds(
        failure(100),
        failure(200, invoice="in_2", trial_conversion=True),
        failure(300, invoice="in_3", currency="jpy", exclusion="ended_by_request"),
    )

    told = await ledger.tells(RATE, **JANUARY)

    assert [
        (total["currency"], total["trial_conversion"], total["failed_minor"])
        for total in told["totals"]
    ] == [("jpy", False, 300), ("usd", False, 100), ("usd", True, 200)]
    assert (told["totals"][0]["n_excluded"], told["totals"][0]["excluded_minor"]) == (1, 300)


async def test_views_mature_all_and_closed(ledger: Ledger) -> None:
    # given a lost case and an open one of day 1, half of it paid, and an open one of day 20
    await ledger.holds(
        case("in_1"),
        moved(CaseState.EXHAUSTED, at=day(29)),
        case("in_2"),
        case("in_3"),
        failure(1_000, case_id="case_in_1"),
        failure(2_000, invoice="in_2", case_id="case_in_2"),
        failure(4_000, invoice="in_3", case_id="case_in_3", at=day(20)),
        entry(1_000, at=day(9), invoice_id="in_2"),
    )
    now = day(35)

    found = {
        view: (await ledger.tells(RATE, view=view, now=now, **JANUARY))["totals"][0]
        for view in ("mature", "all", "closed")
    }

    seen = {
        view: (total["n"], total["n_open"], total["failed_minor"], total["open_minor"])
        for view, total in found.items()
    }
    assert seen == {
        "mature": (2, 1, 3_000, 1_000),
        "all": (3, 2, 7_000, 5_000),
        "closed": (1, 0, 1_000, 0),
    }
    assert found["all"]["open_share"] == "0.714286"


@pytest.mark.parametrize(
    ("now", "cohorts"),
    [
        pytest.param(datetime(2026, 2, 1, 0, 0, 4, tzinfo=UTC), 0, id="the day is not over"),
        pytest.param(datetime(2026, 2, 1, 0, 0, 5, tzinfo=UTC), 1, id="all of it is 30 days old"),
    ],
)
async def test_a_cohort_is_mature_when_its_whole_day_is_older_than_w(
    ledger: Ledger, now: datetime, cohorts: int
) -> None:
    await ledger.holds(failure(100, at=datetime(2026, 1, 1, 0, 0, tzinfo=UTC)))

    told = await ledger.tells(RATE, now=now, **JANUARY)

    assert len(told["rows"]) == cohorts


async def test_cohorts_are_days_of_the_merchant(new_york_ledger: Ledger) -> None:
    await new_york_ledger.holds(failure(100, at=datetime(2026, 1, 2, 4, 59, tzinfo=UTC)))

    told = await new_york_ledger.tells(RATE, interval="day", **JANUARY)

    assert [row["period"] for row in told["rows"]] == ["2026-01-01"]


async def test_an_earlier_failure_learned_of_later_moves_the_cohort_from_then_on(
    ledger: Ledger,
) -> None:
    await ledger.holds(
        failure(5_000, at=day(10)),
        failure(8_000, at=day(8), version=2, recorded_at=day(12)),
    )

    before = await ledger.tells(RATE, interval="day", as_of="2026-01-11T00:00:00Z", view="all")
    after = await ledger.tells(RATE, interval="day", as_of="2026-01-13T00:00:00Z", view="all")

    assert [(row["period"], row["failed_minor"]) for row in before["rows"]] == [
        ("2026-01-10", 5_000)
    ]
    assert [(row["period"], row["failed_minor"]) for row in after["rows"]] == [
        ("2026-01-08", 8_000)
    ]


async def test_what_was_open_then_stays_open_in_answers_about_then(ledger: Ledger) -> None:
    # given a case that ended on day 20, was parked on day 25, and got its money on day 40
    await ledger.holds(
        case(),
        failure(100, case_id="case_in_1"),
        moved(CaseState.EXHAUSTED, at=day(20)),
        moved(CaseState.PARKED, at=day(25)),
        moved(CaseState.RECOVERED, at=day(40)),
        entry(100, at=day(40)),
    )

    open_on = {
        number: (await ledger.tells(RATE, as_of=day(number).isoformat(), view="all", **JANUARY))[
            "totals"
        ][0]["n_open"]
        for number in (19, 20, 24, 25, 39, 40)
    }

    assert open_on == {19: 1, 20: 0, 24: 0, 25: 1, 39: 1, 40: 0}
