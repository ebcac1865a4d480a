"""Rates of exchange over the API: given by day, corrected, never rewritten."""

from datetime import timedelta
from typing import Any

import httpx
import pytest

from app.domain.exchange import ExchangeRate
from app.domain.merchants import Scope
from tests.api.stage import NOW, Stage, where_it_is_wrong

pytestmark = pytest.mark.anyio
PATH = "/v1/exchange-rates"
Key = dict[str, str]
USD: dict[str, Any] = {"day": "2026-01-31", "currency": "usd", "reporting_currency": "eur"}


async def gives(stage: Stage, key: Key, *rates: dict[str, Any]) -> httpx.Response:
    return await stage.client.put(PATH, headers=key, json={"rates": list(rates)})


async def test_rates_are_given_once_and_corrected_by_a_line_of_their_own(stage: Stage) -> None:
    merchant = await stage.merchant()
    key = await stage.key(merchant, Scope.CONFIG_WRITE, Scope.FINANCE_READ)
    yen = USD | {"currency": "jpy", "rate": "0.0061"}

    first = await gives(stage, key, USD | {"rate": "0.850"}, yen)
    again = await gives(stage, key, USD | {"rate": "0.85"}, yen)
    stage.moves_to(NOW + timedelta(hours=1))
    corrected = await gives(stage, key, USD | {"rate": "0.86"})
    shown = await stage.client.get(f"{PATH}?day=2026-01-31", headers=key)
    other = await stage.client.get(f"{PATH}?day=2026-01-30", headers=key)

    assert [rate["rate"] for rate in first.json()["rates"]] == ["0.85", "0.0061"]
    assert again.json() == other.json() == {"rates": []}
    assert [rate["rate"] for rate in corrected.json()["rates"]] == ["0.86"]
    assert [(rate["currency"], rate["rate"]) for rate in shown.json()["rates"]] == [
        ("jpy", "0.0061"),
        ("usd", "0.86"),
    ]
    async with stage.world.store.transaction(merchant.merchant_id) as tx:
        assert await tx.count(ExchangeRate, where={"merchant_id": merchant.merchant_id}) == 3


async def test_rates_are_nobody_elses(stage: Stage) -> None:
    mine = await stage.key(await stage.merchant(), Scope.CONFIG_WRITE)
    theirs = await stage.key(await stage.merchant(), Scope.FINANCE_READ)
    await gives(stage, mine, USD | {"rate": "0.85"})

    shown = await stage.client.get(f"{PATH}?day=2026-01-31", headers=theirs)

    assert shown.json() == {"rates": []}
    assert (await gives(stage, theirs, USD | {"rate": "0.85"})).status_code == 403


@pytest.mark.parametrize(
    ("rate", "where"),
    [
        pytest.param({"rate": "0.000"}, "body.rates.0.rate", id="nothing"),
        pytest.param({"rate": "-1"}, "body.rates.0.rate", id="below nothing"),
        pytest.param({"rate": 0.85}, "body.rates.0.rate", id="a float"),
        pytest.param({"rate": "1e3"}, "body.rates.0.rate", id="an exponent"),
        pytest.param({"rate": "1", "day": "2026-02-30"}, "body.rates.0.day", id="no day"),
        pytest.param({"rate": "1", "day": "1999-01-01"}, "body.rates.0.day", id="long ago"),
        pytest.param({"rate": "1", "currency": "USD"}, "body.rates.0.currency", id="capitals"),
        pytest.param({"rate": "1", "currency": "eur"}, "body.rates.0", id="of itself"),
    ],
)
async def test_what_is_no_rate_is_refused(stage: Stage, rate: dict[str, Any], where: str) -> None:
    key = await stage.key(await stage.merchant(), Scope.CONFIG_WRITE)

    answer = await gives(stage, key, USD | rate)

    assert answer.status_code == 422
    assert where_it_is_wrong(answer) == [where]


async def test_two_rates_of_one_day_are_refused(stage: Stage) -> None:
    key = await stage.key(await stage.merchant(), Scope.CONFIG_WRITE)

    answer = await gives(stage, key, USD | {"rate": "1"}, USD | {"rate": "2"})

    assert where_it_is_wrong(answer) == ["body.rates"]


@pytest.mark.parametrize(
    "question", ["mrr?reporting_currency=EUR", "projection?reporting_currency=eur"]
)
async def test_what_cannot_be_told_in_a_currency_is_a_problem(stage: Stage, question: str) -> None:
    key = await stage.key(await stage.merchant(), Scope.FINANCE_READ)

    answer = await stage.client.get(f"/v1/finance/{question}", headers=key)

    assert answer.status_code == 422
    assert where_it_is_wrong(answer) == ["query.reporting_currency"]
