"""Random ledgers: the service's figures against the same figures from raw rows."""

import random
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from app.domain.dunning import CaseState
from app.domain.merchants import Merchant
from app.domain.recovery import Cause, EntryKind
from app.reports.formats import NDJSON
from tests.reports import by_hand
from tests.reports.builders import JAN_1, LATER, MERCHANT, case, entry, failure, moved, the_account
from tests.reports.by_hand import Rows
from tests.reports.conftest import Ledger

pytestmark = pytest.mark.anyio
ZONES = ("Pacific/Auckland", "America/New_York", "Asia/Kathmandu", "Europe/Berlin")
CURRENCIES = ("usd", "eur", "jpy")
PLANS = (None, "basic", "pro")
SEEDS = range(4)
NAMES = {
    EntryKind.RECOVERED: "recovered_minor",
    EntryKind.SETTLED_OTHER: "settled_other_minor",
    EntryKind.CREDITED: "credited_minor",
    EntryKind.REFUNDED: "refunded_minor",
    EntryKind.DISPUTE_LOST: "dispute_lost_minor",
    EntryKind.DISPUTE_WON: "dispute_won_minor",
}
TAKEN_BACK = {EntryKind.REFUNDED, EntryKind.DISPUTE_LOST}


def random_rows(draw: random.Random, count: int = 50) -> Rows:
    """Some failed invoices of five months, with all that may happen to them."""
    rows = Rows([], [], [])
    for number in range(count):
        invoice = f"in_{number}"
        keys: dict[str, Any] = {
            "currency": draw.choice(CURRENCIES),
            "plan": draw.choice(PLANS),
            "interval": draw.choice(("month", "year")),
        }
        at = JAN_1 + timedelta(seconds=draw.randrange(150 * 86_400))
        amount, has_case = draw.randrange(1, 9_000), draw.random() < 0.8
        for version in range(1, draw.choice((2, 2, 3))):
            recorded_at = at + timedelta(hours=draw.randrange(1, 900))
            rows.failures.append(
                failure(
                    amount * version,
                    at=at - timedelta(days=version),
                    invoice=invoice,
                    version=version,
                    recorded_at=recorded_at,
                    case_id=f"case_{invoice}" if has_case else None,
                    trial_conversion=number % 7 == 0,
                    **keys,
                )
            )
        cause = draw.choice(list(Cause))
        for ref in range(draw.randrange(4)):
            kind = draw.choice([EntryKind.RECOVERED, *EntryKind])
            sign = -1 if kind in {*TAKEN_BACK, EntryKind.CREDIT_VOIDED} else 1
            paid_at = at + timedelta(seconds=draw.randrange(50 * 86_400))
            rows.entries.append(
                entry(
                    sign * draw.randrange(amount + 9),
                    kind,
                    at=paid_at,
                    ref=f"{invoice}:{ref}",
                    invoice_id=invoice,
                    cause=cause,
                    recorded_at=paid_at + timedelta(hours=draw.randrange(300)),
                    **keys,
                )
            )
        for state in draw.sample(list(CaseState), 2):
            moved_at = at + timedelta(seconds=draw.randrange(40 * 86_400))
            rows.moves.append(moved(state, at=moved_at, invoice=invoice))
    return rows


async def filled(ledger: Ledger, rows: Rows, zone: str) -> None:
    cases = [case(fact.invoice_id) for fact in rows.failures if fact.version == 1]
    merchant = Merchant(merchant_id=MERCHANT, name="Kelp", time_zone=zone)
    await ledger.holds(merchant, the_account(), *cases, *rows.entries, *rows.failures, *rows.moves)


@pytest.fixture(params=SEEDS)
async def story(
    request: pytest.FixtureRequest, empty_ledger: Ledger
) -> tuple[Ledger, Rows, random.Random, dict[str, Any]]:
    """A random ledger and a random question about it: span, cut-off."""
    draw = random.Random(request.param)
    rows, zone = random_rows(draw), draw.choice(ZONES)
    await filled(empty_ledger, rows, zone)
    first = date(2026, 1, 1) + timedelta(days=draw.randrange(40))
    question = {
        "zone": ZoneInfo(zone),
        "first": first,
        "last": first + timedelta(days=draw.randrange(30, 150)),
        "as_of": datetime(2026, 3, 1, tzinfo=UTC) + timedelta(hours=draw.randrange(4_000)),
    }
    return empty_ledger, rows, draw, question


def words_of(question: dict[str, Any]) -> dict[str, str]:
    return {
        "from_": question["first"].isoformat(),
        "to": question["last"].isoformat(),
        "as_of": question["as_of"].isoformat(),
    }


Story = tuple[Ledger, Rows, random.Random, dict[str, Any]]


async def test_recovered_revenue_is_what_the_raw_rows_say(story: Story) -> None:
    ledger, rows, draw, question = story
    by = draw.sample(["cause", "plan", "interval"], draw.randrange(4))

    told = await ledger.tells("recovered-revenue", group_by=",".join(by), **words_of(question))

    expected = by_hand.sums_by_kind(rows, by=by, **question)
    found = {
        (row["period"], row["currency"], *(row[k] for k in by)): {
            kind: (-row[name] if kind in TAKEN_BACK else row[name]) for kind, name in NAMES.items()
        }
        for row in told["rows"]
    }
    assert found == expected
    assert found
    assert told["identity"]["holds"]


@pytest.mark.parametrize(
    ("by", "interval"),
    [
        ("cause", "day"),
        ("plan", "week"),
        ("interval", "month"),
        ("currency", "quarter"),
        ("cause,plan,interval", "quarter"),
    ],
)
async def test_every_grouping_adds_up_to_the_ungrouped_totals(
    empty_ledger: Ledger, by: str, interval: str
) -> None:
    draw = random.Random(interval)
    await filled(empty_ledger, random_rows(draw), "Europe/Berlin")

    whole = await empty_ledger.tells("recovered-revenue", interval="year")
    told = await empty_ledger.tells("recovered-revenue", interval=interval, group_by=by)

    assert told["totals"] == whole["totals"]
    assert told["identity"]["holds"]


@pytest.mark.parametrize("view", ["mature", "all", "closed"])
async def test_the_recovery_rate_is_what_the_raw_rows_say(story: Story, view: str) -> None:
    ledger, rows, draw, question = story
    by = draw.sample(["plan", "interval"], draw.randrange(3))
    days = draw.choice((7, 30, 41))

    told = await ledger.tells(
        "recovery-rate", group_by=",".join(by), view=view, w=str(days), **words_of(question)
    )

    expected = by_hand.cohorts(rows, by=by, view=view, days=days, **question)
    found = {
        (row["period"], row["currency"], *(row[k] for k in by), row["trial_conversion"]): row
        for row in told["rows"]
    }
    assert {key: _counts(row) for key, row in found.items()} == {
        key: tuple(vars(cohort).values()) for key, cohort in expected.items()
    }
    for key, cohort in expected.items():
        rate = found[key]["rate"]
        assert rate is None if cohort.rate is None else abs(float(cohort.rate) - float(rate)) < 1e-6
    assert told["identity"]["holds"]


def _counts(row: dict[str, Any]) -> tuple[int, ...]:
    names = ("n", "n_open", "failed_minor", "recovered_within_w_minor")
    more = ("settled_other_within_w_minor", "credited_within_w_minor", "open_minor")
    return tuple(row[name] for name in (*names, *more))


async def test_the_entries_are_the_raw_rows_of_the_span(story: Story) -> None:
    ledger, rows, _, question = story

    lines = await ledger.says(
        "recovered-revenue/entries", media_type=NDJSON, now=LATER, **words_of(question)
    )

    zone, as_of = question["zone"], question["as_of"]
    expected = [
        line
        for line in rows.entries
        if line.recorded_at <= as_of
        and question["first"] <= line.occurred_at.astimezone(zone).date() <= question["last"]
    ]
    assert len(lines.splitlines()) == len(expected)
    assert all(line.entry_id in lines for line in expected)
