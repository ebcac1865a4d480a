"""How fast money comes back and how long saves last, asked of a ledger."""

import random
from datetime import timedelta
from fractions import Fraction
from typing import Any

import pytest

from app.domain.churn import ChurnEntry, ChurnKind
from app.domain.declines import DeclineKind
from app.domain.recovery import EntryKind
from app.domain.saves import Rung
from app.domain.survival import RECOVERY_DAYS
from app.reports.formats import CSV
from app.storage.rollups import PostgresRollups
from tests.reports.builders import (
    JAN_1,
    MERCHANT,
    case,
    churned,
    day,
    entry,
    failure,
    judged,
    record_id,
    refused,
    session,
)
from tests.reports.conftest import Ledger

pytestmark = pytest.mark.anyio
JANUARY: dict[str, Any] = {"from_": "2026-01-01", "to": "2026-01-31"}


def shares(told: dict[str, Any], column: str) -> dict[int, Any]:
    return {row["day"]: row[column] for row in told["rows"]}


async def test_money_back_by_the_day_of_its_first_payment(ledger: Ledger) -> None:
    # given four failures: back within a day, within ten in two parts, out of band, and never
    await ledger.holds(
        *(failure(1_000, invoice=f"in_{n}") for n in range(4)),
        entry(1_000, at=JAN_1 + timedelta(hours=3), invoice_id="in_0"),
        entry(400, at=JAN_1 + timedelta(days=8), invoice_id="in_1"),
        entry(600, at=JAN_1 + timedelta(days=30), invoice_id="in_1"),
        entry(-400, EntryKind.REFUNDED, at=JAN_1 + timedelta(days=31), invoice_id="in_1"),
        entry(1_000, EntryKind.SETTLED_OTHER, at=JAN_1 + timedelta(days=70), invoice_id="in_2"),
    )

    told = await ledger.tells("time-to-recovery", **JANUARY)

    assert [row["day"] for row in told["rows"]] == list(RECOVERY_DAYS)
    curve = shares(told, "recovered_share")
    assert (curve[1], curve[7], curve[10], curve[60], curve[90]) == (
        "0.250000",
        "0.250000",
        "0.500000",
        "0.500000",
        "0.750000",
    )
    assert shares(told, "n_at_risk")[14] == 2
    assert told["rows"][0]["low"] < "0.250000" < told["rows"][0]["high"]
    assert told["identity"]["holds"]


async def test_what_had_no_case_by_rule_and_what_was_told_anew_count_as_they_should(
    ledger: Ledger,
) -> None:
    await ledger.holds(
        failure(1_000, invoice="in_1"),
        failure(1_000, invoice="in_1", version=2, at=JAN_1 - timedelta(hours=30)),
        failure(1_000, invoice="in_2", exclusion="first_invoice"),
    )

    told = await ledger.tells("time-to-recovery", **JANUARY)
    before = await ledger.tells("time-to-recovery", from_="2025-12-01", to="2025-12-31")

    assert told["rows"] == []
    assert before["rows"][0]["n_at_risk"] == 1


@pytest.mark.parametrize("folded", [False, True], ids=["from the ledger", "from rollups"])
async def test_money_goes_with_its_failure_when_that_was_earlier(
    ledger: Ledger, folded: bool
) -> None:
    # given a failure of January 1 whose money came a day later, and which was of December, as is
    # learned then
    earlier = JAN_1 - timedelta(days=2)
    await ledger.holds(
        failure(1_000),
        entry(1_000, at=day(2)),
        failure(1_000, version=2, at=earlier, recorded_at=day(9)),
    )
    if folded:
        await PostgresRollups(ledger.engine).fold(MERCHANT, until=day(20))

    before = await ledger.tells("time-to-recovery", as_of=day(8).isoformat(), **JANUARY)
    january = await ledger.tells("time-to-recovery", **JANUARY)
    december = await ledger.tells("time-to-recovery", from_="2025-12-01", to="2025-12-31")

    assert shares(before, "recovered_share")[2] == "1.000000"
    assert january["rows"] == []
    assert shares(december, "n_recovered") == {1: 0, 2: 0, 3: 0, 5: 1}


async def test_classes_of_refusals_have_curves_of_their_own(ledger: Ledger) -> None:
    await ledger.holds(
        *(case(invoice) for invoice in ("in_1", "in_2")),
        *(failure(1_000, invoice=i, case_id=f"case_{i}") for i in ("in_1", "in_2")),
        refused("in_1", DeclineKind.INSUFFICIENT_FUNDS),
        refused("in_2", DeclineKind.NEW_METHOD),
        entry(1_000, at=day(3), invoice_id="in_1", case_id="case_in_1"),
    )

    told = await ledger.tells("time-to-recovery", group_by="decline_kind", **JANUARY)
    table = await ledger.says(
        "time-to-recovery", media_type=CSV, group_by="decline_kind", **JANUARY
    )

    last = {r["decline_kind"]: r["recovered_share"] for r in told["rows"] if r["day"] == 3}
    assert last == {
        DeclineKind.NEW_METHOD: "0.000000",
        DeclineKind.INSUFFICIENT_FUNDS: "1.000000",
    }
    assert table.startswith("currency,decline_kind,day,n_at_risk,n_recovered,recovered_share")


async def test_young_failures_say_nothing_of_later_days(ledger: Ledger) -> None:
    await ledger.holds(
        failure(1_000, at=day(1), invoice="in_1"),
        failure(1_000, at=day(60), invoice="in_2"),
        entry(1_000, at=day(62), invoice_id="in_2", failed_at=day(60)),
    )

    told = await ledger.tells("time-to-recovery", from_="2026-01-01", to="2026-03-31", now=day(66))

    at_risk = dict.fromkeys((1, 2, 3), 2) | dict.fromkeys((5, 7, 10, 14, 21, 28, 42, 60), 1)
    assert shares(told, "n_at_risk") == at_risk
    assert shares(told, "recovered_share")[60] == "0.500000"


async def test_a_save_lasts_until_its_subscription_ends(ledger: Ledger) -> None:
    # given three: one left on day 20, one was replaced, one is there; an end that was told wrong
    left, wrong = JAN_1 + timedelta(days=20), JAN_1 + timedelta(days=3)
    await ledger.holds(
        *(session(f"ses_{n}") for n in range(4)),
        *(
            judged(f"ses_{n}", Rung.ACCEPTED, at=JAN_1, kept=True, subscription=f"sub_{n}")
            for n in range(4)
        ),
        churned("sub_0", at=left),
        churned("sub_1", at=left, kind=ChurnKind.MIGRATION),
        churned("sub_3", at=wrong),
        churned(
            "sub_3",
            at=left,
            entry=ChurnEntry.RESTATED,
            about=record_id("sub_3", ChurnEntry.CHURNED, wrong),
        ),
        churned("sub_2", at=JAN_1 - timedelta(days=50)),
    )

    told = await ledger.tells("saves-lasting", **JANUARY)
    by_offer = await ledger.tells("saves-lasting", group_by="offer,reason", **JANUARY)

    lasting = shares(told, "lasting_share")
    assert (lasting[7], lasting[14], lasting[30], lasting[270]) == (
        "1.000000",
        "1.000000",
        "0.750000",
        "0.750000",
    )
    assert [row["lasting_share"] for row in by_offer["rows"]] == list(lasting.values())
    assert {row["offer"] for row in by_offer["rows"]} == {"half"}
    assert told["identity"]["holds"]


async def test_a_save_is_over_once_whoever_comes_back_and_leaves_again(ledger: Ledger) -> None:
    # given two, of whom one was given up on day 20, came back, and was given up again
    first, again = JAN_1 + timedelta(days=20), JAN_1 + timedelta(days=50)
    await ledger.holds(
        *(session(f"ses_{n}") for n in range(2)),
        *(
            judged(f"ses_{n}", Rung.ACCEPTED, at=JAN_1, kept=True, subscription=f"sub_{n}")
            for n in range(2)
        ),
        churned("sub_0", at=first, kind=ChurnKind.INVOLUNTARY),
        churned(
            "sub_0",
            at=JAN_1 + timedelta(days=30),
            entry=ChurnEntry.REVERSED,
            about=record_id("sub_0", ChurnEntry.CHURNED, first),
        ),
        churned("sub_0", at=again, kind=ChurnKind.INVOLUNTARY),
    )

    told = await ledger.tells("saves-lasting", **JANUARY)

    assert shares(told, "n_ended") | {30: 1, 60: 0} == shares(told, "n_ended")
    assert shares(told, "lasting_share")[60] == "0.500000"


async def test_the_curve_is_that_of_a_second_simple_method(ledger: Ledger) -> None:
    """Step by step over single lives, without cohorts or rollups."""
    draw = random.Random(3)
    lives = []
    for number in range(60):
        failed = JAN_1 + timedelta(hours=draw.randrange(24 * 80))
        back = failed + timedelta(hours=draw.randrange(24 * 40)) if draw.random() < 0.6 else None
        lives.append((f"in_{number}", failed, back))
    await ledger.holds(
        *(failure(100, at=failed, invoice=name) for name, failed, _ in lives),
        *(
            entry(100, at=back, failed_at=failed, invoice_id=name)
            for name, failed, back in lives
            if back is not None
        ),
    )
    as_of = day(100, hour=0)

    told = await ledger.tells(
        "time-to-recovery",
        from_="2026-01-01",
        to="2026-04-30",
        now=as_of + timedelta(days=1),
        as_of="2026-04-10T00:00:00Z",
    )

    left, expected = Fraction(1), {}
    for before, until in zip((0, *RECOVERY_DAYS), RECOVERY_DAYS, strict=False):
        step = [
            back is not None and back <= as_of and back - failed < timedelta(days=until)
            for _, failed, back in lives
            if (as_of - failed).days - (1 if failed.hour or failed.minute else 0) >= until - 1
            and as_of.date() - failed.date() >= timedelta(days=until + 1)
            and not (back is not None and back - failed < timedelta(days=before))
        ]
        if step:
            left *= Fraction(len(step) - sum(step), len(step))
            expected[until] = f"{float(1 - left):.6f}"
    assert shares(told, "recovered_share") == expected
