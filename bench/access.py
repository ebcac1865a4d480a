"""Access: what customers may use, asked one after another beside bare round trips of the database.

The load generator is this process, over one kept-alive connection. Every third customer asked for
has an open case.
"""

import asyncio
import http.client
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg

from app.config import Settings
from app.domain.dunning import Case
from app.domain.ids import derive_id
from app.domain.merchants import Scope
from app.domain.mirror import Subscription
from app.services import api_keys
from app.wiring import build_world
from bench.figures import Round, memory_mb, percentile, summary
from bench.intake import ROUNDS
from bench.stage import Stage, open_stage, running_api

CUSTOMERS, ASKED, WARM = 20_000, 2_000, 300


def run() -> dict[str, object]:
    """Three rounds: bare round trips, then answers."""
    rounds = []
    with open_stage() as stage:
        key = asyncio.run(_fill(stage))
        stage.sql("analyze")
        with running_api(stage, processes=1) as (port, pid):
            _answers(port, key, WARM)
            start = memory_mb([pid])
            for number in range(1, ROUNDS + 1):
                bare = asyncio.run(_bare(stage.database_url))
                answers = _answers(port, key, ASKED)
                rounds.append(_round(answers, bare))
                print(f"round {number}: {answers[len(answers) // 2]:.2f} ms", flush=True)
            rss = (start, memory_mb([pid]))
        return summary(rounds, rss=rss, database=stage.database)


async def _fill(stage: Stage) -> str:
    """Customers with a subscription each, every third with a case; returns an API key."""
    now = datetime.now(UTC)
    ids: dict[str, Any] = {"merchant_id": stage.merchant_id, "account_id": stage.account_id}
    async with build_world(Settings()) as world:
        for first in range(0, CUSTOMERS, 5000):
            names = range(first, first + 5000)
            subscriptions = [
                Subscription(
                    **ids, subscription_id=f"sub_{n}", customer_id=f"cus_{n}", status="active"
                )
                for n in names
            ]
            cases = [
                Case(
                    **ids,
                    case_id=derive_id("case", now, n),
                    invoice_id=f"in_{n}",
                    customer_id=f"cus_{n}",
                    subscription_id=f"sub_{n}",
                    opened_at=now - timedelta(days=n % 30),
                    window_ends_at=now + timedelta(days=28),
                )
                for n in names
                if n % 3 == 0
            ]
            async with world.store.transaction(stage.merchant_id) as tx:
                await tx.insert(subscriptions)
                await tx.insert(cases)
        _, secret = await api_keys.create_key(
            world,
            merchant_id=stage.merchant_id,
            name="bench",
            scopes=[Scope.CASES_READ],
            actor="bench",
        )
    return secret


def _answers(port: int, key: str, count: int) -> list[float]:
    """How long each answer took, in ms, in order of length. Raises where one is not 200."""
    line = http.client.HTTPConnection("127.0.0.1", port)
    headers, took = {"Authorization": f"Bearer {key}"}, []
    for n in range(count):
        began = time.perf_counter()
        line.request("GET", f"/v1/customers/cus_{n * 7919 % CUSTOMERS}/access", headers=headers)
        answer = line.getresponse()
        body = answer.read()
        took.append((time.perf_counter() - began) * 1000)
        if answer.status != 200:
            raise RuntimeError(f"{answer.status}: {body[:200]!r}")
    line.close()
    return sorted(took)


async def _bare(url: str) -> list[float]:
    """How long `select 1` takes on one connection, in ms, in order of length."""
    connection = await asyncpg.connect(url)
    took = []
    for _ in range(ASKED):
        began = time.perf_counter()
        await connection.fetchval("select 1")
        took.append((time.perf_counter() - began) * 1000)
    await connection.close()
    return sorted(took)


def _round(answers: Sequence[float], bare: Sequence[float]) -> Round:
    return Round(
        per_second=1000 * len(answers) / sum(answers),
        p50_ms=percentile(answers, 0.5),
        p99_ms=percentile(answers, 0.99),
        ceiling_per_second=1000 * len(bare) / sum(bare),
        ceiling_p50_ms=percentile(bare, 0.5),
        ceiling_p99_ms=percentile(bare, 0.99),
    )
