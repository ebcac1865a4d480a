"""JSON, CSV and NDJSON of one answer, and which of them a caller gets."""

import csv
import io
import json
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.mrr import MovementKind as M
from app.reports.answers import share
from app.reports.columns import ColumnKind
from app.reports.formats import CSV, JSON, NDJSON, cell_of, preferred, safe_cell
from tests.reports.builders import JAN_1, day, entry, movement
from tests.reports.conftest import Ledger

pytestmark = pytest.mark.anyio
YEAR = {"from_": "2026-01-01", "to": "2026-12-31"}
DANGEROUS = "=+-@\t\r\n\uff1d\uff0b\uff0d\uff20"


@pytest.mark.parametrize(
    "text",
    [
        "=HYPERLINK(1)",
        "+1",
        "-1",
        "@SUM(A1)",
        "\t=1",
        "\r=1",
        "\n=1",
        " =1",
        "\u00a0=1",
        "\uff1d1",
    ],
)
def test_a_formula_becomes_text(text: str) -> None:
    assert safe_cell(text) == f"'{text}"


@given(st.text())
def test_no_text_cell_begins_like_a_formula(text: str) -> None:
    cell = str(safe_cell(text))

    assert not cell.startswith(tuple(DANGEROUS))
    assert cell in (text, f"'{text}")


@given(st.integers())
def test_a_number_stays_a_number(number: int) -> None:
    assert safe_cell(number) == number


@pytest.mark.parametrize("share", ["-0.031000", "0.000000", "12.500000"])
def test_a_share_below_nothing_is_a_number_and_text_that_looks_like_one_is_not(share: str) -> None:
    assert cell_of(share, ColumnKind.DECIMAL) == share
    assert cell_of("-0.031000", ColumnKind.TEXT) == "'-0.031000"
    assert cell_of("-1+cmd()", ColumnKind.DECIMAL) == "'-1+cmd()"
    assert cell_of(None, ColumnKind.DECIMAL) == ""


async def test_a_negative_rate_is_the_same_number_in_csv_and_json(ledger: Ledger) -> None:
    await ledger.holds(movement(10_000, M.OPENING, at=JAN_1.replace(year=2025)))
    await ledger.holds(movement(500, M.EXPANSION, at=day(2)))

    (row,) = (await ledger.tells("churn", from_="2026-01-01", to="2026-01-31"))["rows"]
    told = await ledger.says("churn", media_type=CSV, from_="2026-01-01", to="2026-01-31")

    (line,) = csv.DictReader(io.StringIO(told))
    assert line["net_mrr_churn"] == row["net_mrr_churn"] == "-0.050000"


@given(st.integers(min_value=0, max_value=10**15), st.integers(min_value=1, max_value=10**15))
def test_a_share_is_rounded_half_up_from_exact_integers(part: int, whole: int) -> None:
    said = share(part, whole)

    assert said is not None
    difference = Fraction(said) - Fraction(part, whole)
    assert Fraction(-1, 2_000_000) < difference <= Fraction(1, 2_000_000)
    assert len(said.split(".")[1]) == 6


def test_a_share_of_nothing_is_not_known() -> None:
    assert share(0, 0) is None


async def test_a_hostile_plan_name_is_harmless_in_csv_and_true_in_ndjson(ledger: Ledger) -> None:
    hostile = '=cmd|"/C calc",1\n2'
    await ledger.holds(entry(-5, "refunded", at=day(2), plan=hostile))  # type: ignore[arg-type]
    words = {"group_by": "plan", **YEAR}

    table = await ledger.says("recovered-revenue", media_type=CSV, **words)  # type: ignore[arg-type]
    lines = await ledger.says("recovered-revenue", media_type=NDJSON, **words)  # type: ignore[arg-type]
    told = await ledger.tells("recovered-revenue", **words)

    read = list(csv.DictReader(io.StringIO(table, newline="")))
    assert [row["plan"] for row in read] == [f"'{hostile}"]
    assert [row["net_minor"] for row in read] == ["-5"]
    assert [json.loads(line) for line in lines.splitlines()] == told["rows"]
    assert told["rows"][0]["plan"] == hostile
    assert list(read[0]) == list(told["rows"][0])


async def test_empty_answers_are_whole_in_each_format(ledger: Ledger) -> None:
    told = {
        media_type: await ledger.says("recovered-revenue/entries", media_type=media_type)
        for media_type in (JSON, CSV, NDJSON)
    }

    assert json.loads(told[JSON])["rows"] == []
    assert told[CSV].startswith("entry_id,occurred_at,")
    assert told[CSV].count("\r\n") == 1
    assert told[NDJSON] == ""


@pytest.mark.parametrize(
    ("accept", "media_type"),
    [
        ("", JSON),
        ("*/*", JSON),
        ("text/csv", CSV),
        ("TEXT/CSV; charset=utf-8", CSV),
        ("application/x-ndjson", NDJSON),
        ("application/*", JSON),
        ("text/*", CSV),
        ("application/json;q=0.5, text/csv;q=0.8", CSV),
        ("application/json;q=0, */*", CSV),
        ("text/html, */*;q=0.1", JSON),
        ("text/html", None),
        ("application/json;q=0", None),
        ("application/json;q=nonsense", None),
        ("application/json;q=nan", None),
    ],
)
def test_accept_decides_the_format(accept: str, media_type: str | None) -> None:
    assert preferred(accept) == media_type
