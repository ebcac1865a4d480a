"""Finance: every endpoint of the registry at two sizes, beside the same figures from plain ledgers.

Milliseconds are those the database took for all statements of one answer, the slowest of the ways
to ask that should be fast: the defaults, each key alone, each window, cut-offs at a day's end.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime, timedelta
from statistics import median
from typing import Any

import asyncpg
from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from app.domain.rollups import WINDOWS
from app.reports import finance
from app.reports.answers import Answer
from app.reports.figures import ENDPOINTS
from app.storage.addresses import engine_url
from app.storage.reports.figures import PostgresFigures
from app.storage.rollups import PostgresRollups
from app.storage.scope import APP
from bench.figures import machine
from bench.stage import Stage, open_stage

SIZES = (1_000_000, 5_000_000)
REPEATS = 3
BATCH = 100_000
ENDS = datetime(2026, 7, 1, tzinfo=UTC)
NOW = ENDS + timedelta(minutes=1)
MOST_DAYS, FEWEST_DAYS, LINES_A_DAY = 730, 30, 1_000
ASKS: Mapping[str, Callable[..., Awaitable[Answer]]] = {
    path: getattr(finance, f"answer_{path.replace('-', '_')}") for path in ENDPOINTS
}
# Rows of one moment each, over two years at most, in the order of time; amounts, keys and delays
# are drawn from the row's number. Every second failure is paid, some days later.
SPREAD = "$3::timestamptz - interval '1 day' * ($7::float8 * ($5 - n) / $5)"
FAILURES = f"""
insert into failures (merchant_id, account_id, invoice_id, version, currency, amount_minor, plan,
    interval, trial_conversion, failed_at, recorded_at)
select $1, $2, 'in_' || n, 1, (array['usd', 'eur', 'gbp'])[1 + n % 3], 1000 + n % 9000,
    'plan_' || n % 4, (array['month', 'year'])[1 + n / 4 % 2], n % 20 = 0, at, at
from (select n, {SPREAD} as at from generate_series($4::bigint, $6::bigint) n) rows
"""
ENTRIES = f"""
insert into recovery_entries (entry_id, merchant_id, account_id, invoice_id, kind, cause, currency,
    amount_minor, tax_minor, plan, interval, provider_ref, failed_at, occurred_at, recorded_at)
select 'ent_' || n, $1, $2, 'in_' || n / 2 * 2, 'recovered',
    (array['customer_new_card', 'customer_paid_link', 'account_updater', 'holdfast_retry',
        'provider_retry'])[1 + n % 5],
    (array['usd', 'eur', 'gbp'])[1 + n / 2 * 2 % 3], (1000 + n % 9000) / 2, 0,
    'plan_' || n / 2 * 2 % 4, (array['month', 'year'])[1 + n / 2 * 2 / 4 % 2], 'ch_' || n,
    at - interval '1 hour' * (n % 700), at, at
from (select n, {SPREAD} as at from generate_series($4::bigint, $6::bigint) n) rows
"""
MOVEMENTS = f"""
insert into mrr_movements (movement_id, merchant_id, account_id, subscription_id, kind, currency,
    delta_minor, source, occurred_at, effective_at, recorded_at)
select 'mov_' || n, $1, $2, 'sub_' || n / 3,
    (array['new', 'expansion', 'churn_voluntary'])[1 + n % 3],
    (array['usd', 'eur', 'gbp'])[1 + n / 3 % 3],
    (array[2000, 500, -2500])[1 + n % 3], 'evt_' || n, at, at, at
from (select n, {SPREAD} as at from generate_series($4::bigint, $6::bigint) n) rows
"""


def run(rows: int = 0) -> dict[str, object]:
    """Both sizes one after the other. `rows` is another size of the first, a fifth of the
    second."""
    sizes = (rows, 5 * rows) if rows else SIZES
    found: list[dict[str, float]] = []
    costs: list[float] = []
    plain: dict[str, float] = {}
    database = ""
    for size in sizes:
        with open_stage() as stage:
            database = stage.database
            wrote = asyncio.run(_written(stage, size))
            stage.sql("analyze")
            costs.append(asyncio.run(_folded(stage)) / wrote)
            stage.sql("vacuum analyze")
            found.append(asyncio.run(_measured(stage, plain=False)))
            if size == sizes[-1]:
                plain = asyncio.run(_measured(stage, plain=True))
        print(f"{size:,} rows: folding took {costs[-1]:.2f} of writing", flush=True)
    endpoints = {
        path: {
            "ms_1m": found[0][path],
            "ms_5m": found[1][path],
            "plain_ms_5m": plain[path],
        }
        for path in ENDPOINTS
    }
    for path, ms in endpoints.items():
        print(f"{path:20s} {ms['ms_1m']:9.2f} {ms['ms_5m']:9.2f} {ms['plain_ms_5m']:11.1f}")
    return {
        "rows": list(sizes),
        "endpoints": endpoints,
        "fold_cost": [round(cost, 3) for cost in costs],
        "machine": machine(database),
    }


async def _written(stage: Stage, size: int) -> float:
    """Write ledgers of so many lines; seconds."""
    began = time.perf_counter()
    acting = {"role": APP, "holdfast.merchants": stage.merchant_id}
    connection = await asyncpg.connect(stage.database_url, server_settings=acting)
    days = max(FEWEST_DAYS, min(MOST_DAYS, size // LINES_A_DAY))
    for statement, count in ((FAILURES, size // 4), (ENTRIES, size // 2), (MOVEMENTS, size // 4)):
        for first in range(1, count + 1, BATCH):
            last = min(first + BATCH - 1, count)
            bound = (stage.merchant_id, stage.account_id, ENDS, first, count, last, float(days))
            await connection.execute(statement, *bound, timeout=600)
    await connection.close()
    return time.perf_counter() - began


async def _folded(stage: Stage) -> float:
    """Fold them; seconds."""
    began = time.perf_counter()
    engine = create_async_engine(engine_url(stage.database_url))
    rollups = PostgresRollups(engine)
    while await rollups.fold(stage.merchant_id, until=ENDS):
        pass
    await engine.dispose()
    return time.perf_counter() - began


async def _measured(stage: Stage, *, plain: bool) -> dict[str, float]:
    engine = create_async_engine(engine_url(stage.database_url))
    figures, watch = PostgresFigures(engine, plain=plain), Watch(engine)
    found = {}
    for path in ENDPOINTS:
        slowest = 0.0
        for words in [{}] if plain else ways(path):
            times = [await _once(stage, path, words, figures, watch) for _ in range(REPEATS)]
            slowest = max(slowest, median(times))
        found[path] = round(slowest, 2)
    await engine.dispose()
    return found


def ways(path: str) -> list[dict[str, str]]:
    """How an endpoint is asked that should be fast."""
    day_ends = {"as_of": "2026-03-11T00:00:00Z"}
    keys = [key for key in ENDPOINTS[path].by if key in ("currency", "cause", "plan", "interval")]
    asked = [{}, day_ends, *({"group_by": key} for key in keys)]
    if path == "recovery-rate":
        asked += [{"w": str(days)} for days in WINDOWS]
    return asked


class Watch:
    """How long the database worked, as its client sees it."""

    def __init__(self, engine: AsyncEngine) -> None:
        self.seconds, self._began = 0.0, 0.0
        event.listen(engine.sync_engine, "before_cursor_execute", self._begin)
        event.listen(engine.sync_engine, "after_cursor_execute", self._end)

    def _begin(self, *_: Any) -> None:
        self._began = time.perf_counter()

    def _end(self, *_: Any) -> None:
        self.seconds += time.perf_counter() - self._began


async def _once(
    stage: Stage, path: str, words: dict[str, str], figures: PostgresFigures, watch: Watch
) -> float:
    watch.seconds = 0.0
    answer = await ASKS[path](
        words, merchant_id=stage.merchant_id, figures=figures, now=NOW, whole=False
    )
    async for _ in answer.rows:
        pass
    told = await answer.tail()
    if not told["identity"]["holds"] and path != "reconciliation":
        raise RuntimeError(f"{path} does not add up: {told}")
    return watch.seconds * 1000
