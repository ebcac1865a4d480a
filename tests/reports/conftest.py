"""A merchant's ledger on real PostgreSQL, and finance's answers about it."""

import json
from dataclasses import asdict, replace
from datetime import datetime
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from app.ports.figures import Figures
from app.reports import finance
from app.reports.formats import JSON, rendered
from app.storage.registry import in_order, table_for
from app.storage.reports.figures import PostgresFigures
from app.storage.scope import APP, ENTER, merchants_list
from tests.reports.builders import LATER, MERCHANT, merchant, the_account

ENDPOINTS = {
    "recovered-revenue": finance.answer_recovered_revenue,
    "recovery-rate": finance.answer_recovery_rate,
    "payment-failures": finance.answer_payment_failures,
    "mrr": finance.answer_mrr,
    "churn": finance.answer_churn,
    "churn-reasons": finance.answer_churn_reasons,
    "segments": finance.answer_segments,
    "offers": finance.answer_offers,
    "saves": finance.answer_saves,
    "time-to-recovery": finance.answer_time_to_recovery,
    "saves-lasting": finance.answer_saves_lasting,
    "reconciliation": finance.answer_reconciliation,
    "at-risk": finance.answer_at_risk,
    "incremental": finance.answer_incremental,
    "projection": finance.answer_projection,
    "recovered-revenue/entries": finance.answer_entries,
}


class Ledger:
    """Writes rows as the merchant, and asks finance about them."""

    def __init__(self, engine: AsyncEngine) -> None:
        self.engine = engine
        self.figures: Figures = PostgresFigures(engine)

    async def holds(self, *rows: Any) -> None:
        kinds: dict[type[Any], list[Any]] = {}
        for row in rows:
            kinds.setdefault(type(row), []).append(row)
        async with self.engine.begin() as connection:
            merchants = merchants_list({row.merchant_id for row in rows})
            await connection.exec_driver_sql(ENTER, (APP, merchants))
            for kind in in_order(set(kinds)):
                values = [asdict(row) for row in kinds[kind]]
                await connection.execute(table_for(kind).insert(), values)

    async def says(
        self,
        endpoint: str,
        *,
        now: datetime = LATER,
        media_type: str = JSON,
        merchant_id: str = MERCHANT,
        **words: str,
    ) -> str:
        answer = await ENDPOINTS[endpoint](
            {name.rstrip("_"): word for name, word in words.items()},
            merchant_id=merchant_id,
            figures=self.figures,
            now=now,
            whole=media_type != JSON,
        )
        return b"".join([piece async for piece in rendered(answer, media_type)]).decode()

    async def tells(self, endpoint: str, **words: Any) -> dict[str, Any]:
        told: dict[str, Any] = json.loads(await self.says(endpoint, **words))
        return told


@pytest.fixture
def empty_ledger(clean_database: str, connected: AsyncEngine) -> Ledger:
    return Ledger(connected)


@pytest.fixture
async def ledger(empty_ledger: Ledger) -> Ledger:
    """With a merchant in UTC."""
    await empty_ledger.holds(merchant(), the_account())
    return empty_ledger


@pytest.fixture
async def new_york_ledger(empty_ledger: Ledger) -> Ledger:
    """With a merchant in New York."""
    await empty_ledger.holds(replace(merchant(), time_zone="America/New_York"), the_account())
    return empty_ledger
