"""`as_of`: the same question gives the same answer, whatever is written meanwhile."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from app.reports.formats import CSV, NDJSON
from tests.reports.builders import LATER, day, entry, failure
from tests.reports.conftest import Ledger

pytestmark = pytest.mark.anyio
YEAR: dict[str, Any] = {"from_": "2026-01-01", "to": "2026-12-31"}


@pytest.mark.parametrize("endpoint", ["recovered-revenue", "recovery-rate"])
async def test_an_answer_repeats_to_the_byte_while_the_ledger_grows(
    ledger: Ledger, endpoint: str
) -> None:
    await ledger.holds(failure(500), entry(100, at=day(2)))
    first = await ledger.tells(endpoint, **YEAR)
    words = YEAR | {"as_of": first["as_of"]}
    said = await ledger.says(endpoint, **words)

    # when lines that concern the same past are recorded later
    await ledger.holds(
        entry(300, at=day(3), recorded_at=LATER),
        failure(900, version=2, recorded_at=LATER),
        failure(700, invoice="in_2", recorded_at=LATER),
    )
    again = await ledger.says(endpoint, now=LATER + timedelta(days=9), **words)
    today = await ledger.says(endpoint, now=LATER + timedelta(days=9), **YEAR)

    assert again == said
    assert today != said


async def test_a_cut_off_is_never_nearer_than_the_longest_ledger_transaction(
    ledger: Ledger,
) -> None:
    now = datetime(2026, 6, 1, tzinfo=UTC)

    by_default = await ledger.tells("recovered-revenue", now=now)
    asked = await ledger.tells("recovered-revenue", now=now, as_of="2026-06-01T00:00:00Z")
    older = await ledger.tells("recovered-revenue", now=now, as_of="2026-05-01T02:00:00+02:00")

    assert by_default["as_of"] == asked["as_of"] == "2026-05-31T23:59:55.000000Z"
    assert older["as_of"] == "2026-05-01T00:00:00.000000Z"


async def test_what_is_recorded_at_the_cut_off_is_in(ledger: Ledger) -> None:
    cut_off = datetime(2026, 3, 1, tzinfo=UTC)
    await ledger.holds(
        entry(100, at=day(2), recorded_at=cut_off),
        entry(200, at=day(3), recorded_at=cut_off + timedelta(microseconds=1)),
    )

    told = await ledger.tells("recovered-revenue", as_of="2026-03-01T00:00:00Z", **YEAR)

    assert [total["net_minor"] for total in told["totals"]] == [100]


@pytest.mark.parametrize("limit", ["1", "2", "3", "7", "8"])
async def test_pages_of_entries_are_one_snapshot(ledger: Ledger, limit: str) -> None:
    # given seven lines, some of the same instant
    await ledger.holds(*(entry(n, at=day(n // 2 + 1), invoice_id=f"in_{n}") for n in range(1, 8)))
    whole = await ledger.tells("recovered-revenue/entries", limit="1000", **YEAR)

    pages, words = [], YEAR | {"limit": limit}
    while True:
        page = await ledger.tells("recovered-revenue/entries", now=LATER, **words)
        pages.append(page["rows"])
        # a line of the same past arrives between two pages
        number = len(pages)
        await ledger.holds(entry(50, at=day(4), recorded_at=LATER, invoice_id=f"late_{number}"))
        if page["next_cursor"] is None:
            break
        words |= {"cursor": page["next_cursor"]}

    assert [row for rows in pages for row in rows] == whole["rows"]
    assert len(whole["rows"]) == 7


async def test_the_lines_of_a_span_add_up_to_its_figure(ledger: Ledger) -> None:
    await ledger.holds(*(entry(n, at=day(n), invoice_id=f"in_{n}") for n in range(1, 60)))
    span: dict[str, Any] = {"from_": "2026-01-05", "to": "2026-02-10"}

    told = await ledger.tells("recovered-revenue", **span)
    lines = await ledger.says("recovered-revenue/entries", media_type=NDJSON, **span)
    table = await ledger.says("recovered-revenue/entries", media_type=CSV, **span)

    assert lines.count("\n") == table.count("\r\n") - 1 == 37
    assert told["totals"][0]["net_minor"] == sum(range(5, 42))
