"""Finance over HTTP: the whole app on a real database, asked with real keys."""

import csv
import io
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from pydantic import BaseModel

from app.api.finance_schemas import EntriesOut, RecoveredRevenueOut, RecoveryRateOut
from app.api.finance_tables import (
    AtRiskOut,
    ChurnOut,
    FailuresOut,
    IncrementalOut,
    MrrOut,
    OffersOut,
    ProjectionOut,
    ReasonsOut,
    ReconciliationOut,
    SavesOut,
    SegmentsOut,
)
from app.config import Settings
from app.domain.merchants import Scope
from app.domain.recovery import Cause
from app.domain.saves import Rung
from app.main import create_app
from app.ports.world import World
from app.reports.figures import ENDPOINTS
from app.services.api_keys import create_key
from app.storage.scope import APP, ENTER
from tests.reports.builders import (
    LATER,
    MERCHANT,
    case,
    day,
    entry,
    failure,
    held_out,
    judged,
    merchant,
    movement,
    redemption,
    session,
    the_account,
)
from tests.reports.conftest import Ledger
from tests.reports.month import month
from tests.reports.test_exchanged import rate

pytestmark = pytest.mark.anyio
BASE = "/v1/finance"
YEAR = {"from": "2026-01-01", "to": "2026-12-31"}
ROUTES: dict[str, type[BaseModel]] = {
    "recovered-revenue": RecoveredRevenueOut,
    "recovery-rate": RecoveryRateOut,
    "payment-failures": FailuresOut,
    "mrr": MrrOut,
    "churn": ChurnOut,
    "churn-reasons": ReasonsOut,
    "segments": SegmentsOut,
    "offers": OffersOut,
    "saves": SavesOut,
    "reconciliation": ReconciliationOut,
    "incremental": IncrementalOut,
    "recovered-revenue/entries": EntriesOut,
}
AT_AN_INSTANT: dict[str, type[BaseModel]] = {"at-risk": AtRiskOut, "projection": ProjectionOut}
NOTHING: dict[str, str] = {}
WORDS = dict.fromkeys(ROUTES, YEAR) | dict.fromkeys(AT_AN_INSTANT, NOTHING)
ROUTES |= AT_AN_INSTANT


@pytest.fixture
async def app(clean_database: str, tmp_path: Path) -> AsyncIterator[FastAPI]:
    """The app with its clock standing at `LATER`."""
    clock = tmp_path / "clock"
    clock.write_text(LATER.isoformat())
    app = create_app(Settings(database_url=clean_database, clock_file=clock, state_dir=tmp_path))
    async with app.router.lifespan_context(app):
        yield app


async def a_client(app: FastAPI, *scopes: Scope, merchant_id: str = MERCHANT) -> httpx.AsyncClient:
    world: World = app.state.world
    _, secret = await create_key(
        world, merchant_id=merchant_id, name="books", scopes=scopes, actor="test"
    )
    return httpx.AsyncClient(
        transport=httpx.ASGITransport(app=app),
        base_url="http://holdfast.test",
        headers={"Authorization": f"Bearer {secret}"},
    )


@pytest.fixture
async def finance(app: FastAPI, ledger: Ledger) -> AsyncIterator[httpx.AsyncClient]:
    """A client that may read finance, and a ledger with two lines and a failure."""
    await ledger.holds(
        case(),
        held_out(),
        redemption("ses_1", at=day(4)),
        session("ses_1", at=day(4)),
        judged("ses_1", Rung.ACCEPTED, at=day(4), kept=True),
        failure(500, case_id="case_in_1"),
        entry(100, at=day(2), cause=Cause.CUSTOMER_NEW_CARD),
        entry(200, at=day(3), invoice_id="in_2"),
        *month(),
    )
    async with await a_client(app, Scope.FINANCE_READ) as client:
        yield client


@pytest.mark.parametrize("route", ROUTES)
async def test_an_answer_is_what_the_documentation_says(
    finance: httpx.AsyncClient, route: str
) -> None:
    answer = await finance.get(f"{BASE}/{route}", params=WORDS[route])

    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    told = ROUTES[route].model_validate_json(answer.content).model_dump()
    assert told["rows"]
    assert told["as_of"] == answer.headers["holdfast-as-of"] == "2026-11-30T23:59:55.000000Z"


@pytest.mark.parametrize("route", [path for path, known in ENDPOINTS.items() if known.exchanged])
async def test_an_answer_in_a_reporting_currency_is_what_the_documentation_says(
    finance: httpx.AsyncClient, ledger: Ledger, route: str
) -> None:
    await ledger.holds(rate("2026-01-31", "0.9"), rate("2026-11-30", "0.8"))
    words = {} if route in AT_AN_INSTANT else {"from": "2026-01-01", "to": "2026-01-31"}

    answer = await finance.get(f"{BASE}/{route}", params=words | {"reporting_currency": "eur"})

    assert answer.status_code == 200, answer.text
    told = ROUTES[route].model_validate_json(answer.content).model_dump()
    assert told["reported"]
    assert {row["exchange_rate"] for row in told["rows"]} <= {"0.9", "0.8"}


@pytest.mark.parametrize("key", ["attribute.size", "tenure", "mrr_band"])
async def test_what_is_told_by_further_keys_is_what_the_documentation_says(
    finance: httpx.AsyncClient, ledger: Ledger, key: str
) -> None:
    await ledger.holds(movement(100, subscription_id="sub_s", attributes='{"size":"s"}'))
    async with ledger.engine.begin() as connection:
        await connection.exec_driver_sql(ENTER, (APP, MERCHANT))
        await connection.exec_driver_sql("update merchants set attributes = '[\"size\"]'")

    answer = await finance.get(f"{BASE}/churn", params=YEAR | {"group_by": key})

    told = ChurnOut.model_validate_json(answer.content).model_dump()
    assert {key} <= set(told["rows"][0])


@pytest.mark.parametrize("route", ROUTES)
async def test_the_same_rows_come_as_json_csv_and_ndjson(
    finance: httpx.AsyncClient, route: str
) -> None:
    told = {
        accept: await finance.get(
            f"{BASE}/{route}", params=WORDS[route], headers={"Accept": accept}
        )
        for accept in ("application/json", "text/csv", "application/x-ndjson")
    }

    rows = told["application/json"].json()["rows"]
    table = list(csv.DictReader(io.StringIO(told["text/csv"].text, newline="")))
    assert [json.loads(line) for line in told["application/x-ndjson"].text.splitlines()] == rows
    assert [list(row.values()) for row in table] == [
        [_as_cell(value) for value in row.values()] for row in rows
    ]
    assert told["text/csv"].headers["content-disposition"].startswith("attachment; filename=")
    assert {answer.headers["vary"] for answer in told.values()} == {"Accept, Accept-Encoding"}


def _as_cell(value: Any) -> str:
    return "" if value is None else json.dumps(value).strip('"')


async def test_pages_lead_to_each_other(finance: httpx.AsyncClient) -> None:
    words = YEAR | {"limit": "1"}
    first = (await finance.get(f"{BASE}/recovered-revenue/entries", params=words)).json()
    words |= {"cursor": first["next_cursor"]}

    second = await finance.get(
        f"{BASE}/recovered-revenue/entries", params=words, headers={"Accept": "text/csv"}
    )

    assert first["rows"][0]["amount_minor"] == 100
    assert "holdfast-next-cursor" not in second.headers
    assert [row["amount_minor"] for row in csv.DictReader(io.StringIO(second.text))] == ["200"]


@pytest.mark.parametrize(
    ("query", "where"),
    [
        ("recovered-revenue?from=2026-03-01&to=2026-02-01", "query.from"),
        ("recovery-rate?currency=EURO!", "query.currency"),
        ("recovered-revenue/entries?as_of=2027-01-01T00:00:00Z", "query.as_of"),
        ("recovery-rate?as_of=2026-01-01T00:00:00", "query.as_of"),
        ("recovered-revenue?to=2026-01-01&to=2026-02-01", "query.to"),
        ("recovered-revenue/entries?form=2026-01-01", "query.form"),
        ("churn?preset=mine", "query.preset"),
        ("churn?recognition=later", "query.recognition"),
        ("churn?margin=0", "query.margin"),
        ("churn?group_by=tenure,plan", "query.group_by"),
        ("churn?group_by=attribute.size", "query.group_by"),
        ("mrr?group_by=tenure", "query.group_by"),
        ("mrr?reporting_currency=eur", "query.reporting_currency"),
        ("reconciliation?reporting_currency=eur", "query.reporting_currency"),
        ("mrr?group_by=cause", "query.group_by"),
        ("churn-reasons?interval=hour", "query.interval"),
        ("segments?view=all", "query.view"),
        ("at-risk?from=2026-01-01", "query.from"),
        ("offers?group_by=cause", "query.group_by"),
        ("saves?group_by=offer", "query.group_by"),
        ("reconciliation?group_by=plan", "query.group_by"),
        ("reconciliation?limit=5", "query.limit"),
        ("projection?months=0", "query.months"),
        ("projection?churn=101", "query.churn"),
        ("projection?reduction=-5", "query.reduction"),
        ("projection?start_minor=100", "query.currency"),
        ("incremental?group_by=plan", "query.group_by"),
        ("incremental?w=0", "query.w"),
        ("payment-failures?group_by=decline_kind,", "query.group_by"),
    ],
)
async def test_a_wrong_parameter_is_a_problem_that_says_where(
    finance: httpx.AsyncClient, query: str, where: str
) -> None:
    answer = await finance.get(f"{BASE}/{query}")

    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert problem["type"] == "/problems/invalid-parameters"
    assert [error["where"] for error in problem["errors"]] == [where]


async def test_an_unknown_format_is_not_acceptable(finance: httpx.AsyncClient) -> None:
    answer = await finance.get(f"{BASE}/recovery-rate", headers={"Accept": "image/png"})

    assert answer.status_code == 406
    assert answer.json()["type"] == "/problems/not-acceptable"


@pytest.mark.parametrize("route", ROUTES)
async def test_a_key_needs_the_scope_and_sees_its_own_merchant_only(
    app: FastAPI, ledger: Ledger, route: str
) -> None:
    await ledger.holds(merchant("mer_2"), the_account("acc_2", "mer_2"))
    await ledger.holds(failure(500), entry(100, at=day(2)))

    async with await a_client(app, Scope.CASES_READ) as client:
        refused = await client.get(f"{BASE}/{route}")
    async with await a_client(app, Scope.FINANCE_READ, merchant_id="mer_2") as client:
        foreign = await client.get(f"{BASE}/{route}", params=WORDS[route])

    assert refused.status_code == 403
    assert foreign.status_code == 200
    assert foreign.json()["rows"] == []
