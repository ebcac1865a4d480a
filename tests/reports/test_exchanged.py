"""Figures in a reporting currency: each amount beside its own, with the rate and its day."""

import csv
import io
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.exchange import ExchangeRate, converted
from app.domain.ids import derive_id
from app.domain.money import THREE_DECIMAL, ZERO_DECIMAL, exponent
from app.domain.mrr import MovementKind as M
from app.reports.asking import WrongParameter
from app.reports.exchanged import RULE, UNIT
from app.reports.figures import ENDPOINTS
from app.reports.formats import CSV
from tests.document import api_document
from tests.reports.builders import JAN_1, MERCHANT, day, entry, movement
from tests.reports.conftest import Ledger
from tests.reports.month import month

pytestmark = pytest.mark.anyio
SPAN: dict[str, Any] = {"from_": "2026-01-01", "to": "2026-02-28", "reporting_currency": "eur"}
JANUARY = SPAN | {"to": "2026-01-31"}
PAGE = (Path(__file__).parents[2] / "docs" / "finance.md").read_text()


def rate(of: str, number: str, currency: str = "usd", *, at: datetime = JAN_1) -> ExchangeRate:
    """What one of a currency was in euros on a day."""
    return ExchangeRate(
        rate_id=derive_id("rate", at, of, number, currency),
        merchant_id=MERCHANT,
        currency=currency,
        reporting="eur",
        day=of,
        rate=number,
        recorded_by="key_1",
        recorded_at=at,
    )


@pytest.fixture
async def books(ledger: Ledger) -> Ledger:
    """In January 100.00 dollars, 10 000 yen and 3.00 euros came back, in February 0.01 dollars."""
    await ledger.holds(
        entry(10_000, at=day(5)),
        entry(10_000, at=day(6), currency="jpy", invoice_id="in_2"),
        entry(300, at=day(7), currency="eur", invoice_id="in_3"),
        entry(1, at=day(40), invoice_id="in_4"),
        rate("2026-01-30", "0.85"),
        rate("2026-01-31", "0.0061", "jpy"),
        rate("2026-02-28", "0.5"),
    )
    return ledger


async def test_each_row_has_its_rate_and_its_amounts_twice(books: Ledger) -> None:
    told = await books.tells("recovered-revenue", **SPAN)

    names = ("currency", "recovered_minor", "reported_recovered_minor")
    assert [
        (*(row[name] for name in names), row["exchange_rate"], row["exchange_day"])
        for row in told["rows"]
    ] == [
        ("eur", 300, 300, "1", "2026-01-31"),
        # the 31st is a Saturday: dollars have the rate of the day before
        ("jpy", 10_000, 6_100, "0.0061", "2026-01-31"),
        ("usd", 10_000, 8_500, "0.85", "2026-01-30"),
        # half a cent is even: nothing
        ("usd", 1, 0, "0.5", "2026-02-28"),
    ]
    assert {row["reporting_currency"] for row in told["rows"]} == {"eur"}
    assert [
        (row["period"], row["currency"], row["recovered_minor"]) for row in told["reported"]
    ] == [("2026-01-01", "eur", 14_900), ("2026-02-01", "eur", 0)]
    assert told["reporting"] == {"currency": "eur", "unit": UNIT, "definition": RULE}
    assert told["identity"]["holds"]
    assert [total["currency"] for total in told["totals"]] == ["eur", "jpy", "usd"]


async def test_who_does_not_ask_for_it_is_told_none(books: Ledger) -> None:
    told = await books.tells("recovered-revenue", from_="2026-01-01", to="2026-02-28")

    assert not {"reporting", "reported"} & set(told)
    assert not [name for row in told["rows"] for name in row if name.startswith("reported")]


async def test_a_span_or_a_cut_off_within_a_month_takes_the_rate_of_its_last_day(
    books: Ledger,
) -> None:
    await books.holds(rate("2026-01-10", "0.9"), rate("2026-01-06", "0.7", "jpy"))

    cut_short = await books.tells("recovered-revenue", **SPAN | {"to": "2026-01-10"})
    earlier = await books.tells("recovered-revenue", as_of="2026-01-10T15:00:00Z", **SPAN)

    for told in (cut_short, earlier):
        days = {row["currency"]: row["exchange_day"] for row in told["rows"]}
        assert days == {"eur": "2026-01-10", "jpy": "2026-01-06", "usd": "2026-01-10"}


async def test_a_correction_leaves_what_was_told_as_of_before(books: Ledger) -> None:
    await books.holds(rate("2026-01-30", "0.95", at=day(50)))
    dollars = JANUARY | {"currency": "usd"}

    before = await books.tells("recovered-revenue", as_of=day(49).isoformat(), **dollars)
    now = await books.tells("recovered-revenue", **dollars)

    assert [row["exchange_rate"] for row in before["rows"]] == ["0.85"]
    assert [row["exchange_rate"] for row in now["rows"]] == ["0.95"]


async def test_a_rate_that_is_not_there_is_named_and_nothing_is_told(books: Ledger) -> None:
    with pytest.raises(WrongParameter) as refused:
        await books.tells("recovered-revenue", **SPAN | {"interval": "day"})

    assert refused.value.name == "reporting_currency"
    assert "jpy on 2026-01-06, usd on 2026-01-05" in refused.value.detail
    with pytest.raises(WrongParameter, match="no lower-case currency code"):
        await books.tells("mrr", reporting_currency="EURO")


async def test_averages_are_converted_but_not_added_up(ledger: Ledger) -> None:
    # given a hundred who pay in dollars, and one in pounds
    await ledger.holds(
        *month(),
        movement(10_000, M.OPENING, at=day(-9), subscription_id="sub_gb", currency="gbp"),
        rate("2026-01-31", "0.9"),
        rate("2026-01-31", "1.2", "gbp"),
    )

    mrr = await ledger.tells("mrr", **JANUARY)
    churn = await ledger.tells("churn", group_by="mrr_band", **JANUARY)

    ends = {row["currency"]: row["reported_end_minor"] for row in mrr["rows"]}
    assert ends == {"gbp": 12_000, "usd": 1_044_900}
    assert {row["currency"]: row["reported_arpa_minor"] for row in mrr["rows"]}["gbp"] == 12_000
    (whole,) = mrr["reported"]
    assert (whole["end_minor"], whole["n_end"]) == (1_056_900, 116)
    assert "arpa_minor" not in whole
    told = {row["mrr_band"]: (row["start_minor"], row["n_lost"]) for row in churn["reported"]}
    assert told == {"minor_5000": (912_000, 4), "came": (0, 0)}


async def test_files_have_the_columns_too(books: Ledger) -> None:
    told = await books.says("recovered-revenue", media_type=CSV, **SPAN)

    rows = list(csv.DictReader(io.StringIO(told, newline="")))
    assert [row["reported_net_minor"] for row in rows] == ["300", "6100", "8500", "0"]


@pytest.mark.parametrize("path", ENDPOINTS)
def test_what_has_amounts_may_be_asked_in_a_reporting_currency(path: str) -> None:
    route = api_document()["paths"][f"/v1/finance/{path}"]["get"]
    words = {parameter["name"] for parameter in route["parameters"]}

    assert ("reporting_currency" in words) == ENDPOINTS[path].exchanged


def test_the_page_says_by_which_rate() -> None:
    assert RULE in " ".join(PAGE.split())
    assert UNIT in " ".join(PAGE.split())


@pytest.mark.parametrize(
    ("minor", "number", "currency", "reporting", "expected"),
    [
        pytest.param(10_000, "0.0061", "jpy", "eur", 6_100, id="no decimals to two"),
        pytest.param(6_100, "163.93", "eur", "jpy", 10_000, id="two to none"),
        pytest.param(1_000, "2.6", "kwd", "eur", 260, id="three to two"),
        pytest.param(100, "0.4", "eur", "kwd", 400, id="two to three"),
        pytest.param(5, "0.5", "usd", "eur", 2, id="half to the even below"),
        pytest.param(7, "0.5", "usd", "eur", 4, id="half to the even above"),
        pytest.param(-5, "0.5", "usd", "eur", -2, id="what was given back"),
    ],
)
def test_minor_units_become_those_of_the_other_currency(
    minor: int, number: str, currency: str, reporting: str, expected: int
) -> None:
    assert converted(minor, number, currency, reporting) == expected


@given(
    st.integers(-(10**12), 10**12),
    st.sampled_from(sorted(ZERO_DECIMAL | THREE_DECIMAL | {"usd"})),
    st.decimals("0.0001", "9999", places=4),
)
def test_what_is_converted_is_off_by_half_a_unit_at_most(
    minor: int, currency: str, number: Decimal
) -> None:
    found = converted(minor, str(number), currency, "eur")

    assert abs(found - minor * number * 100 / 10 ** exponent(currency)) <= Decimal("0.5")
    assert converted(-minor, str(number), currency, "eur") == -found
