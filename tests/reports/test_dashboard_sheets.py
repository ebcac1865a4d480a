"""What single sheets of the dashboard tell, and how much a page of a full ledger weighs."""

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from fastapi import FastAPI

from app.domain.churn import ChurnKind
from app.domain.declines import DeclineKind
from app.domain.dunning import CaseKind, CaseState
from app.domain.merchants import Scope
from app.domain.mirror import Customer
from app.domain.mrr import MovementKind as M
from app.domain.recovery import Cause
from app.domain.saves import Rung
from tests.reports.builders import (
    ACCOUNT,
    LATER,
    MERCHANT,
    case,
    churned,
    day,
    entry,
    failure,
    judged,
    movement,
    redemption,
    session,
    taking,
)
from tests.reports.conftest import Ledger
from tests.reports.dashboards import PAGE, SPAN, app, reader, section, table

__all__ = ["app"]
pytestmark = pytest.mark.anyio


async def test_days_without_a_failure_show_what_there_was(app: FastAPI, ledger: Ledger) -> None:
    # given yen that are paid, and a subscription that ended on a day on which nothing failed
    await ledger.holds(
        movement(5_000, M.OPENING, currency="jpy"),
        movement(-5_000, M.CHURN_VOLUNTARY, at=day(34), currency="jpy"),
        churned("sub_1", at=day(34), currency="jpy", reason="too_expensive", minor=5_000),
        movement(100, M.OPENING, subscription_id="sub_2"),
    )
    books = await reader(app, Scope.FINANCE_READ)
    days = {"from": "2026-02-03", "to": "2026-02-04"}

    first = await books.get(PAGE, params=days)
    yen = await books.get(PAGE, params={**days, "currency": "jpy"})

    assert "There is nothing in this currency" not in yen.text
    assert "Too expensive: 1</title>" in section(yen, "reasons")
    assert table(yen, "mrr")[1][:2] == ["2026-02-03", "JP¥0"]
    assert '<option value="usd" selected>' in first.text
    assert "Recovered revenue by cause" in section(first, "nothing")
    assert not section(first, "recovered")


async def test_the_save_ladder_tells_what_held_on_each_rung(app: FastAPI, ledger: Ledger) -> None:
    names = [f"ses_{n}" for n in range(4)]
    taken = [replace(judged(n, Rung.ACCEPTED, at=day(5), kept=True)) for n in names[:3]]
    await ledger.holds(
        movement(2_000, M.OPENING),
        *(session(name) for name in names),
        *taken,
        *(judged(n, Rung.DEFLECTED_24H, at=day(5), kept=True) for n in names[:3]),
        judged("ses_0", Rung.SAVED_30D, at=day(5), kept=True),
        judged("ses_1", Rung.SAVED_30D, at=day(5), kept=False),
        replace(judged("ses_3", Rung.ABANDONED, at=day(6), kept=False), offer_kind=None),
    )
    books = await reader(app, Scope.FINANCE_READ)

    page = await books.get(PAGE, params=SPAN)

    cells = [[cell.replace("\u2013", "-") for cell in row] for row in table(page, "saves")]
    assert cells == [
        ["Rung", "Held", "Did not hold", "Not known yet", "Left without a word"],
        ["Accepted", "3", "-", "-", "-"],
        ["After 24 hours", "3", "0", "0", "-"],
        ["After 30 days", "1", "1", "1", "-"],
        ["After 90 days", "0", "0", "3", "-"],
        ["Abandoned", "-", "-", "-", "1"],
    ]
    assert "<title>After 30 days, Did not hold: 1</title>" in section(page, "saves")


async def test_an_offer_is_worth_the_cash_it_kept_and_its_cost_stands_beside(
    app: FastAPI, ledger: Ledger
) -> None:
    await ledger.holds(
        movement(2_000, M.OPENING),
        redemption("ses_1", at=day(5)),
        taking(7_000, at=day(10)),
    )
    books = await reader(app, Scope.FINANCE_READ)

    page = await books.get(PAGE, params=SPAN)

    heading, half = table(page, "offers")
    assert heading[:3] == ["Offer", "Cash kept, net", "Cost at most"]
    assert half[:3] == ["half", "US$70.00", "US$30.00"]
    assert "<title>half, Cash kept, net: US$70.00</title>" in section(page, "offers")


async def test_the_largest_open_cases_say_what_is_owed_and_how_long_there_is(
    app: FastAPI, ledger: Ledger
) -> None:
    opened = LATER - timedelta(days=20)
    owing = {"opened_at": opened, "currency": "usd", "customer_id": "cus_1"}
    known = Customer(
        merchant_id=MERCHANT, account_id=ACCOUNT, customer_id="cus_1", name="Kelp Diver"
    )
    await ledger.holds(
        known,
        movement(2_000, M.OPENING),
        *(case(f"in_{n}", amount_minor=n, due_minor=n * 100, **owing) for n in range(1, 12)),
        case("in_12", due_minor=1_200, state=CaseState.PARKED, **owing),
        case("sent", due_minor=9_900, kind=CaseKind.INVOICE, **owing),
        case("over", due_minor=9_900, state=CaseState.EXHAUSTED, **owing),
    )
    books = await reader(app, Scope.FINANCE_READ)
    desk = await reader(app, Scope.FINANCE_READ, Scope.CASES_READ)

    plain = section(await books.get(PAGE), "open")
    linked = section(await desk.get(PAGE), "open")

    assert re.findall(r"US\$(\d+)\.00", plain) == [str(n) for n in range(12, 2, -1)]
    assert "8 days" in plain
    assert "case_in_12" in plain
    assert "Kelp Diver" not in plain
    assert 'href="/operator/cases/case_in_12">Kelp Diver</a>' in linked


async def test_a_projection_nobody_can_make_is_said_and_not_drawn(
    app: FastAPI, ledger: Ledger
) -> None:
    await ledger.holds(movement(2_000, at=LATER - timedelta(days=3)))
    books = await reader(app, Scope.FINANCE_READ)

    page = section(await books.get(PAGE), "projection")

    assert "Churn is not known yet" in page
    assert "<svg" not in page


async def test_a_customers_worth_is_told_by_month_whatever_the_page_shows(
    app: FastAPI, ledger: Ledger
) -> None:
    # given two of twenty lost in the second week of January
    lost = [f"sub_{n}" for n in range(2)]
    await ledger.holds(
        *(
            movement(2_000, M.OPENING, at=day(-40), subscription_id=f"sub_{n}", plan="basic")
            for n in range(20)
        ),
        *(
            movement(-2_000, M.CHURN_VOLUNTARY, at=day(8), subscription_id=name, plan="basic")
            for name in lost
        ),
        *(churned(name, at=day(8), minor=2_000) for name in lost),
    )
    books = await reader(app, Scope.FINANCE_READ)

    page = await books.get(PAGE, params={**SPAN, "to": "2026-01-31", "interval": "week"})

    assert table(page, "worth") == [["Period", "basic"], ["2026-01-01", "US$200.00"]]
    assert len(table(page, "churn")) == 6


PLANS = [f"A plan with a rather long name, number {n}" for n in range(12)]
CURRENCIES = ("usd", "eur", "jpy")


def full() -> Iterator[Any]:
    """Two years of a merchant with twelve plans, three currencies and every cause: rows of each
    week, for each plan."""
    first = datetime(2025, 1, 6, 12, tzinfo=UTC)
    for week in range(100):
        at = first + timedelta(weeks=week)
        for n, plan in enumerate(PLANS):
            currency, name = CURRENCIES[(n + week) % 3], f"{week}_{n}"
            told: dict[str, Any] = {"currency": currency, "plan": plan}
            sub = {"subscription_id": f"sub_{name}"}
            yield movement(49_00, M.NEW, at=at - timedelta(days=40), **sub, **told)
            yield failure(4_900, at=at, invoice=f"in_{name}", case_id=f"case_{name}", **told)
            yield case(name, currency=currency, opened_at=at, decline_kind=_nth(DeclineKind, n))
            cause = _nth(Cause, n + week)
            yield entry(
                4_000, at=at + timedelta(days=n), invoice_id=f"in_{name}", cause=cause, **told
            )
            if n % 3 == week % 3:
                how, kind = _end(n)
                yield movement(-49_00, how, at=at, **sub, **told)
                yield churned(f"sub_{name}", at=at, kind=kind, reason=f"reason_{n}", **told)
            if n % 4 == 0:
                yield session(f"ses_{name}", at=at)
                yield replace(
                    redemption(f"ses_{name}", at=at, offer=f"offer-{n}"), currency=currency
                )


def _nth(kinds: Any, n: int) -> Any:
    return list(kinds)[n % len(kinds)]


def _end(n: int) -> tuple[M, ChurnKind]:
    if n % 2:
        return M.CHURN_VOLUNTARY, ChurnKind.VOLUNTARY
    return M.CHURN_INVOLUNTARY, ChurnKind.INVOLUNTARY


async def test_the_first_page_of_a_full_ledger_is_light(app: FastAPI, ledger: Ledger) -> None:
    await ledger.holds(*full())
    books = await reader(app, Scope.FINANCE_READ, Scope.CASES_READ)
    weeks = {"from": "2026-08-03", "to": "2026-09-06"}
    years = {"from": "2025-01-01", "to": str(date(2026, 11, 30))}

    pages = [await books.get(PAGE, params=words) for words in ({}, weeks)]
    whole = await books.get(PAGE, params={**years, "interval": "day"})
    sheet = await books.get(re.findall(r'href="([^"]+\.css[^"]*)"', pages[0].text)[0])

    for page in pages:
        drawn = page.text.count("<svg class")
        assert drawn >= 14
        assert len(page.content) + len(sheet.content) < 100_000
        assert page.num_bytes_downloaded + sheet.num_bytes_downloaded < 30_000
    assert "Others" in pages[0].text
    assert "Too many of them for a page" in whole.text
    assert len(whole.content) < 140_000
    assert whole.num_bytes_downloaded < 20_000
