"""The dashboard on a real ledger: the page says what the API says, and what was chosen wrong."""

import csv
import io
import re

import httpx
import pytest
from fastapi import FastAPI

from app.domain.merchants import Scope
from app.domain.recovery import Cause, EntryKind
from tests.reports.builders import day, entry, failure, movement
from tests.reports.conftest import Ledger
from tests.reports.dashboards import PAGE, SPAN, app, reader

__all__ = ["app"]

pytestmark = pytest.mark.anyio
TILE = re.compile(r'<dt class="quiet">([^<]+)</dt><dd class="figure">([^<]+)</dd>')


@pytest.fixture
async def books(app: FastAPI, ledger: Ledger) -> httpx.AsyncClient:
    """A finance reader of a merchant with two causes, two currencies, and a refund."""
    await ledger.holds(
        failure(20_000, at=day(4), invoice="in_1"),
        failure(5_000, at=day(5), invoice="in_2"),
        failure(900, at=day(5), invoice="in_3", currency="eur"),
        entry(10_000, at=day(5), failed_at=day(4)),
        entry(4_000, at=day(40), invoice_id="in_2", cause=Cause.CUSTOMER_NEW_CARD),
        entry(-1_000, EntryKind.REFUNDED, at=day(41)),
        entry(900, at=day(6), invoice_id="in_3", currency="eur", plan="=cmd()"),
    )
    return await reader(app, Scope.FINANCE_READ)


async def test_the_page_shows_the_figures_of_the_span_in_one_currency(
    books: httpx.AsyncClient,
) -> None:
    page = await books.get(PAGE, params=SPAN)

    tiles = dict(TILE.findall(page.text))
    assert page.status_code == 200
    assert tiles["Recovered, net"] == "US$130.00"
    assert tiles["Recovered cash"] == "US$140.00"
    assert tiles["Failed"] == "US$250.00"
    assert "<title>Jan 2026, Holdfast retry: US$100.00</title>" in page.text
    assert "<title>Feb 2026, Customer new card: US$40.00</title>" in page.text
    assert "Adds up to the ledger" in page.text
    assert "EUR" in page.text
    assert "€9.00" not in page.text


async def test_what_failed_has_first_payments_after_a_trial_as_recovered_cash_does(
    books: httpx.AsyncClient, ledger: Ledger
) -> None:
    await ledger.holds(
        failure(3_000, at=day(6), invoice="in_4", trial_conversion=True),
        entry(3_000, at=day(7), invoice_id="in_4", failed_at=day(6)),
    )

    page = await books.get(PAGE, params=SPAN)

    tiles = dict(TILE.findall(page.text))
    assert (tiles["Failed"], tiles["Recovered cash"]) == ("US$280.00", "US$170.00")
    assert tiles["Recovery rate, 30 days"] == "40.0 %"


async def test_the_page_has_parts_that_can_be_jumped_to(
    books: httpx.AsyncClient, ledger: Ledger
) -> None:
    await ledger.holds(movement(100, at=day(1)))

    page = await books.get(PAGE, params=SPAN)

    (jumps,) = re.findall(r'<nav class="tabs" aria-label="On this page">(.*?)</nav>', page.text)
    there = re.findall(r'<h2 id="(part-[a-z]+)" tabindex="-1">', page.text)
    assert re.findall(r'href="#([^"]+)"', jumps) == there
    assert there[:2] == ["part-back", "part-churn"]


async def test_a_few_weeks_are_drawn_by_week_where_no_period_is_asked_for(
    books: httpx.AsyncClient,
) -> None:
    page = await books.get(PAGE, params={"from": "2026-02-01", "to": "2026-02-28"})

    assert '<option value="week" selected>Weeks</option>' in page.text
    assert re.search(r"<title>\d+ Feb, Customer new card: US\$40.00</title>", page.text)


async def test_the_span_before_stands_beside_it_where_asked(books: httpx.AsyncClient) -> None:
    february = {"from": "2026-02-01", "to": "2026-02-28", "compare": "before"}

    page = await books.get(PAGE, params=february)

    assert dict(TILE.findall(page.text))["Recovered cash"] == "US$40.00"
    assert "before: US$100.00" in page.text


async def test_a_download_has_the_rows_of_the_page_and_no_formula(books: httpx.AsyncClient) -> None:
    told = await books.get(f"{PAGE}/plans.csv", params={**SPAN, "currency": "eur"})

    (row,) = csv.DictReader(io.StringIO(told.text))
    assert told.headers["content-disposition"].endswith('"plans-2026-01-01-2026-03-31.csv"')
    assert row["plan"] == "'=cmd()"
    assert row["recovered_minor"] == "900"


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ({"from": "yesterday"}, "A day, such as 2026-03-01"),
        ({"to": "0001-01-01"}, "A day, such as 2026-03-01"),
        ({"from": "2026-05-01", "to": "2026-04-01"}, "Lies after the last day"),
        ({"from": "2001-01-01", "to": "2026-04-01"}, "More than 1100 days"),
        ({"interval": "fortnight"}, "There is no such period"),
        ({**SPAN, "currency": "<script>"}, "There is nothing in this currency"),
        ({"from": "2025-01-01", "to": "2025-02-01"}, "Nothing within these days"),
    ],
)
async def test_a_wrong_choice_is_told_and_left_out(
    books: httpx.AsyncClient, query: dict[str, str], says: str
) -> None:
    page = await books.get(PAGE, params=query)

    assert page.status_code == 200
    assert says in page.text
    assert "<script>" not in page.text


async def test_a_download_that_does_not_exist_is_not_found(books: httpx.AsyncClient) -> None:
    nothing = await books.get(f"{PAGE}/nothing.csv")
    nonsense = await books.get(f"{PAGE}/plans.csv", params={"currency": "x" * 30})

    assert (nothing.status_code, nonsense.status_code) == (404, 404)


@pytest.mark.parametrize(
    ("path", "packed"),
    [
        (PAGE, True),
        (f"{PAGE}?currency=typed-by-whom&interval=typed-by-whom", True),
        (f"{PAGE}/mrr.csv?interval=day&from=2026-01-01&to=2026-03-31", True),
        ("/openapi.json", True),
        ("/operator/cases?find=typed-by-whom", False),
        ("/operator/sign-in?next=/operator/typed-by-whom", False),
    ],
)
async def test_what_repeats_nothing_that_was_typed_is_sent_packed(
    books: httpx.AsyncClient, ledger: Ledger, path: str, packed: bool
) -> None:
    await ledger.holds(movement(100, at=day(1)))

    told = await books.get(path, headers={"Accept-Encoding": "gzip, br"})
    plain = await books.get(path, headers={"Accept-Encoding": "identity"})

    assert told.headers.get("content-encoding") == ("gzip" if packed else None)
    assert told.text == plain.text
    assert ("accept-encoding" in told.headers.get("vary", "").lower()) is packed
    assert "content-encoding" not in plain.headers
    assert not packed or "typed-by-whom" not in told.text


async def test_a_key_without_the_scope_sees_no_figures(app: FastAPI, ledger: Ledger) -> None:
    support = await reader(app, Scope.CASES_READ)

    page = await support.get(PAGE)
    download = await support.get(f"{PAGE}/plans.csv")

    assert (page.status_code, download.status_code) == (403, 403)
    assert ">Finance</a>" not in (await support.get("/operator/cases")).text
