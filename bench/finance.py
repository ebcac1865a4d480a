"""Finance: every endpoint of the registry at two sizes, beside the same figures from plain ledgers.

Milliseconds are those the database takes, by its own clock, to plan and carry out all statements of
one answer: of the slowest of the ways to ask that should be fast, the defaults, each key alone,
each window, a cut-off at a day's end. What else may be asked is measured beside it, once.
"""

import asyncio
import json
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from statistics import median
from typing import Any

import asyncpg
from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from app.config import Settings
from app.domain.mrr import MovementKind, MrrMovement
from app.domain.rollups import WINDOWS
from app.reports import finance
from app.reports.figures import ENDPOINTS
from app.storage.addresses import engine_url
from app.storage.reports.figures import PostgresFigures
from app.storage.rollups import PostgresRollups
from app.storage.scope import APP
from app.storage.store import SETTINGS, create_engine
from app.wiring import build_world
from bench.figures import machine
from bench.ledgers import LEDGERS, MIRRORS, fill
from bench.stage import Stage, open_stage

SIZES = (1_000_000, 5_000_000)
REPEATS = 3
WRITTEN, WRITTEN_AT_ONCE, ROUNDS = 5_000, 500, 12
FOLDINGS = 5
BY_RECORD = "mrr_movements_by_record"
ENDS = datetime(2026, 7, 1, tzinfo=UTC)
NOW = ENDS + timedelta(minutes=1)
MOST_DAYS, FEWEST_DAYS, LINES_A_DAY = 730, 60, 1_000
QUICK_KEYS = ("currency", "cause", "plan", "interval")
DAY_END, WITHIN_DAY = "2026-06-11T00:00:00Z", "2026-06-11T09:30:00Z"
Words = Mapping[str, str]


def run(rows: int = 0) -> dict[str, object]:
    """Both sizes one after the other. `rows` is another size of the first, a fifth of the
    second."""
    sizes = (rows, 5 * rows) if rows else SIZES
    found: list[dict[str, dict[str, float]]] = []
    costs: list[dict[str, float]] = []
    database = ""
    for size in sizes:
        with open_stage() as stage:
            database = stage.database
            costs.append(prepare(stage, size))
            found.append(asyncio.run(measured(stage, plain=size == sizes[-1])))
    endpoints = {
        path: {
            "ms_1m": found[0][path]["quick"],
            "ms_5m": found[1][path]["quick"],
            "plain_ms_5m": found[1][path]["plain"],
            "within_day_ms_5m": found[1][path]["within_day"],
            "else_ms_5m": found[1][path]["else"],
        }
        for path in ENDPOINTS
    }
    print(f"{'':20s} {'small':>9s} {'large':>9s} {'plain':>11s} {'in a day':>9s} {'else':>9s}")
    for path, ms in endpoints.items():
        quick = f"{ms['ms_1m']:9.2f} {ms['ms_5m']:9.2f} {ms['plain_ms_5m']:11.1f}"
        print(f"{path:20s} {quick} {ms['within_day_ms_5m']:9.2f} {ms['else_ms_5m']:9.1f}")
    return {
        "rows": list(sizes),
        "endpoints": endpoints,
        **{name: [cost[name] for cost in costs] for name in costs[0]},
        "machine": machine(database),
    }


def prepare(stage: Stage, size: int) -> dict[str, float]:
    """Ledgers of so many lines, and rollups of them. Returns how many there are, what writing one
    takes and by what share that is more because of rollups, and what adding up all of them takes
    for each."""
    began = time.perf_counter()
    found = _writing(stage)
    _say(began, f"writing takes {found['write_cost']:+.0%} for rollups")
    for row in stage.sql(_CHECKS):  # they would take most of the time
        stage.sql(row["lift"])
    stage.sql("truncate mrr_movements")
    days = max(FEWEST_DAYS, min(MOST_DAYS, size // LINES_A_DAY))
    who = (stage.merchant_id, stage.account_id)
    asyncio.run(fill(stage.database_url, MIRRORS, who, ENDS, size, days))
    wrote = asyncio.run(fill(stage.database_url, LEDGERS, who, ENDS, size, days))
    _say(began, f"{wrote:,} lines of {days} days are written")
    stage.sql("vacuum analyze")
    _say(began, "counted by the planner")
    took = asyncio.run(_rebuilt(stage))
    kept = asyncio.run(_kept(stage))
    stage.sql(f"vacuum analyze {', '.join(CELLS)}")
    (cells,) = stage.sql(_CELLS, merchant=who[0])
    _say(began, f"{1e6 * took / wrote:.0f} us a line")
    for table in CELLS:
        _say(began, f"{cells[table]:,} {table}")
    _say(began, f"{kept:.2f} s for what is kept of a period")
    rebuilt = {"rebuild_us_per_line": round(1e6 * took / wrote, 1)}
    return {"lines": wrote, **found, **rebuilt, "keep_s_per_period": round(kept, 2)}


CELLS = ("flow_cells", "cohort_cells", "cohort_steps", "arm_cells", "arm_steps")
_CELLS = "select " + ", ".join(f"(select count(*) from {table}) as {table}" for table in CELLS)


def _writing(stage: Stage) -> dict[str, float]:
    """What a line takes that is written as the service does, a batch in a transaction; and by what
    share less without the index that folding needs, and without folding it afterwards, as a worker
    does with what came since the last time. Rounds of both in turn, each as often first as second:
    what a table takes that has grown, or a checkpoint, is no matter of the index."""
    with_it, without = [], []
    for number in range(ROUNDS // 2):
        with_it.append(asyncio.run(_written(stage, f"with_{number}")))
        stage.sql(f"drop index {BY_RECORD}")
        without.append(asyncio.run(_written(stage, f"without_{number}")))
        without.append(asyncio.run(_written(stage, f"without_{number}_again")))
        stage.sql(f"create index {BY_RECORD} on mrr_movements (merchant_id, recorded_at)")
        with_it.append(asyncio.run(_written(stage, f"with_{number}_again")))
    folding = asyncio.run(_rebuilt(stage, times=FOLDINGS)) / (2 * ROUNDS * WRITTEN)
    index = median(with_it) / median(without) - 1
    return {
        "write_us_per_line": round(1e6 * median(with_it), 1),
        "fold_us_per_line": round(1e6 * folding, 1),
        "write_cost": round(index + folding / median(without), 3),
    }


_CHECKS = """
select format('alter table %s drop constraint %I', conrelid::regclass, conname) as lift
from pg_constraint where contype = 'f' and connamespace = 'public'::regnamespace
union all
select format('alter table %s disable trigger user', tgrelid::regclass)
from pg_trigger where not tgisinternal group by tgrelid
"""


def _say(began: float, what: str) -> None:
    print(f"{time.perf_counter() - began:6.0f} s: {what}", flush=True)


async def _written(stage: Stage, name: str) -> float:
    at = ENDS - timedelta(days=1)
    who: dict[str, Any] = {"merchant_id": stage.merchant_id, "account_id": stage.account_id}
    async with build_world(Settings()) as world:
        began = time.perf_counter()
        for first in range(0, WRITTEN, WRITTEN_AT_ONCE):
            numbers = range(first, first + WRITTEN_AT_ONCE)
            lines = [
                MrrMovement(
                    **who,
                    movement_id=f"{name}_{n}",
                    subscription_id=f"{name}_{n}",
                    customer_id=None,
                    kind=MovementKind.NEW,
                    currency="usd",
                    delta_minor=100,
                    paying=1,
                    source=name,
                    occurred_at=at,
                    effective_at=at,
                    recorded_at=at,
                )
                for n in numbers
            ]
            async with world.store.transaction(stage.merchant_id) as tx:
                await tx.insert(lines)
        return (time.perf_counter() - began) / WRITTEN


async def _rebuilt(stage: Stage, *, times: int = 1) -> float:
    """Add up all that is recorded; seconds. Of several times the median without the first: a worker
    is connected already, and has compiled and prepared what it asks."""
    engine = create_engine(stage.database_url, pool_size=1)
    async with engine.connect():
        pass
    took = []
    for _ in range(times):
        began = time.perf_counter()
        await PostgresRollups(engine).rebuild(stage.merchant_id, until=ENDS)
        took.append(time.perf_counter() - began)
    await engine.dispose()
    return median(took[1:] or took)


async def _kept(stage: Stage) -> float:
    """Seconds that keeping a whole period takes, of all that are over."""
    engine, took = create_engine(stage.database_url, pool_size=1), []
    began, more = time.perf_counter(), True
    while more:
        more = await PostgresRollups(engine).keep(stage.merchant_id)
        took.append(time.perf_counter() - began)
        began = time.perf_counter()
    await engine.dispose()
    return sum(took) / (len(took) - 1)


async def measured(stage: Stage, *, plain: bool) -> dict[str, dict[str, float]]:
    """Milliseconds by endpoint: asked quickly, within a day, otherwise, and of ledgers alone."""
    unlimited = SETTINGS | {"statement_timeout": "0"}  # plain sums take what they take
    engine = create_async_engine(
        engine_url(stage.database_url), connect_args={"server_settings": unlimited}
    )
    watch, figures = Watch(stage, engine), PostgresFigures(engine)
    ledgers = PostgresFigures(engine, plain=True)
    found: dict[str, dict[str, float]] = {}
    for path in ENDPOINTS:
        within_day = [{"as_of": WITHIN_DAY}]
        found[path] = {
            "quick": await _slowest(stage, path, ways(path), figures, watch, REPEATS),
            "within_day": await _slowest(stage, path, within_day, figures, watch, REPEATS),
            "else": await _slowest(stage, path, other_ways(path), figures, watch, 1),
            "plain": await _slowest(stage, path, [{}], ledgers, watch, 1) if plain else 0.0,
        }
        told = " ".join(f"{name} {ms:.1f}" for name, ms in found[path].items())
        print(f"  {path}: {told}", flush=True)
    await watch.close()
    await engine.dispose()
    return found


async def _slowest(
    stage: Stage,
    path: str,
    asked: Sequence[Words],
    figures: PostgresFigures,
    watch: "Watch",
    repeats: int,
) -> float:
    slowest = 0.0
    for words in asked:
        times = [await _once(stage, path, words, figures, watch) for _ in range(repeats)]
        slowest = max(slowest, median(times))
    return round(slowest, 2)


def ways(path: str) -> list[Words]:
    """How an endpoint is asked that should be fast."""
    keys = [key for key in ENDPOINTS[path].by if key in QUICK_KEYS]
    asked: list[Words] = [{}, {"as_of": DAY_END}, *({"group_by": key} for key in keys)]
    if "w" in WINDOWED.get(path, ()):
        asked += [{"w": str(days)} for days in WINDOWS]
    return asked


def other_ways(path: str) -> list[Words]:
    """Some other ways to ask: keys that are no layer, all at once, another window, odd spans."""
    endpoint = ENDPOINTS[path]
    keys = [key for key in endpoint.by if key not in QUICK_KEYS]
    asked: list[Words] = [{"group_by": key} for key in (*keys, *endpoint.standing)]
    if len(endpoint.by) > 1:
        asked.append({"group_by": ",".join(endpoint.by)})
    if "w" in WINDOWED.get(path, ()):
        asked.append({"w": "45"})
    return asked


WINDOWED = {"recovery-rate": ("w",), "incremental": ("w",)}


class Watch:
    """What was asked of the database, so that it can be asked once more how long that takes it.
    On one connection, which is kept as those of the service are: what the first question takes to
    read of the catalogue is no matter of each."""

    def __init__(self, stage: Stage, engine: AsyncEngine) -> None:
        self._stage, self._asked = stage, list[tuple[str, str, tuple[Any, ...]]]()
        self._sorts = "on"
        self._connection: asyncpg.Connection | None = None
        event.listen(engine.sync_engine, "before_cursor_execute", self._note)

    def _note(self, _c: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        if "set_config('" in statement:
            self._sorts = "off" if "'enable_sort', 'off'" in statement else "on"
        else:
            self._asked.append((self._sorts, statement, tuple(parameters)))

    def forget(self) -> None:
        """What was asked so far does not count."""
        self._asked.clear()

    async def milliseconds(self) -> float:
        """Planning and execution of all that was asked since, by the database's own clock."""
        connection = self._connection = self._connection or await self._connected()
        took = 0.0
        for sorts, statement, parameters in self._asked:
            await connection.execute(f"set enable_sort = {sorts}")
            explained = f"explain (analyze, timing off, format json) {statement}"
            (plan,) = json.loads(await connection.fetchval(explained, *parameters, timeout=600))
            took += plan["Planning Time"] + plan["Execution Time"]
        return took

    async def close(self) -> None:
        """Ask no more."""
        if self._connection:
            await self._connection.close()

    async def _connected(self) -> asyncpg.Connection:
        acting = SETTINGS | {"role": APP, "holdfast.merchants": self._stage.merchant_id}
        acting |= {"plan_cache_mode": "force_custom_plan", "statement_timeout": "0"}
        return await asyncpg.connect(self._stage.database_url, server_settings=acting)


async def _once(
    stage: Stage, path: str, words: Words, figures: PostgresFigures, watch: Watch
) -> float:
    watch.forget()
    ask = getattr(finance, f"answer_{path.replace('-', '_')}")
    answer = await ask(words, merchant_id=stage.merchant_id, figures=figures, now=NOW, whole=False)
    async for _ in answer.rows:
        pass
    told = await answer.tail()
    if not told["identity"]["holds"] and path != "reconciliation":
        raise RuntimeError(f"{path} does not add up: {told}")
    return await watch.milliseconds()
