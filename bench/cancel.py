"""Cancel: sessions opened, answered and saved by an accepted offer, by 32 clients at once, beside
bare round trips of the database from as many connections.

The clients are threads of this process, each with one kept-alive connection to an api of two
processes. To answer and to accept the provider is asked: a sandbox on this machine without a
limit, so that what is measured is ours and its HTTP, and no provider's distance.
"""

import asyncio
import contextlib
import http.client
import json
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

import asyncpg

from app.config import Settings
from app.domain.merchants import Scope
from app.services import api_keys, flows, merchants
from app.services.backfill import backfill_subscriptions
from app.wiring import build_world
from bench.figures import Round, memory_mb, percentile, summary
from bench.provider import SANDBOX_KEY
from bench.stage import Stage, hear, open_stage, process, running_api

CLIENTS, SESSIONS, ROUNDS, WARM = 32, 6, 3, 2
NO_LIMIT = 100_000.0
BARE_EACH = 100
UNAVAILABLE, MOST_TRIES, AGAIN_AFTER_S = 503, 20, 0.5
CALLS = ("open", "answer", "accept")
FLOW = {
    "place": "DE",
    "steps": [
        {"id": "why", "kind": "survey"},
        {
            "id": "half",
            "kind": "offer",
            "when": {"reasons": ["too_expensive"]},
            "offer": {"kind": "discount", "percent": 50, "months": 3},
        },
        {"id": "confirm", "kind": "confirm"},
        {"id": "done", "kind": "success"},
    ],
}
Took = dict[str, list[float]]


def run(*, sessions: int = SESSIONS) -> dict[str, object]:
    """Three rounds: bare round trips, then sessions, each subscription in one of them."""
    count = CLIENTS * (WARM + ROUNDS * sessions)
    limits = ("--whole", str(NO_LIMIT), "--endpoint", str(NO_LIMIT), "--subscribed")
    with open_stage() as stage, process("bench.provider", str(count), *limits) as sandbox:
        made: list[list[str]] = json.loads(hear(sandbox))
        key = asyncio.run(_fill(int(hear(sandbox))))
        stage.sql("analyze")
        leavers = iter([subscription for _, subscription in made])
        rounds = []
        with running_api(_unpaced(stage)) as (port, pid):
            _sessions(port, key, [_some(leavers, WARM) for _ in range(CLIENTS)])
            start = memory_mb([pid])
            for number in range(1, ROUNDS + 1):
                bare = asyncio.run(_bare(stage.database_url))
                each = [_some(leavers, sessions) for _ in range(CLIENTS)]
                began = time.perf_counter()
                took = _sessions(port, key, each)
                rounds.append(_round(took, bare, time.perf_counter() - began))
                print(f"round {number}: {rounds[-1].p50_ms:.1f} ms", flush=True)
            rss = (start, memory_mb([pid]))
        return summary(rounds, rss=rss, database=stage.database)


def _some(leavers: Iterator[str], count: int) -> list[str]:
    return [next(leavers) for _ in range(count)]


def _unpaced(stage: Stage) -> Stage:
    """Our own pace towards the provider is left out: it would be all that is measured."""
    paces = {
        "HOLDFAST_STRIPE_REQUESTS_PER_S": str(NO_LIMIT),
        "HOLDFAST_STRIPE_ENDPOINT_REQUESTS_PER_S": str(NO_LIMIT),
    }
    return replace(stage, environment=stage.environment | paces)


async def _fill(port: int) -> str:
    """A merchant of the sandbox with the flow; returns an API key."""
    async with build_world(Settings()) as world:
        merchant = await merchants.create_merchant(world, name="Leaving", actor="bench")
        account = await merchants.create_account(
            world,
            merchant_id=merchant.merchant_id,
            api_key=SANDBOX_KEY,
            actor="bench",
            live=False,
            api_base=f"http://127.0.0.1:{port}",
        )
        await backfill_subscriptions(world, account)
        named = (world, merchant.merchant_id, "default")
        await flows.put_flow(*named, FLOW, read_version=None, actor="bench")
        await flows.publish(*named, 1, actor="bench")
        _, secret = await api_keys.create_key(
            world,
            merchant_id=merchant.merchant_id,
            name="bench",
            scopes=[Scope.SESSIONS_WRITE],
            actor="bench",
        )
    return secret


def _sessions(port: int, key: str, each: Sequence[Sequence[str]]) -> Took:
    """How long each call of every client took, in ms, and in `again` and `applying` how many
    were answered 503 and were left to a worker. Raises where one is not as it should be."""
    with ThreadPoolExecutor(len(each)) as clients:
        found = list(clients.map(lambda mine: _client(port, key, mine), each))
    took = {call: [ms for client in found for ms in client.took[call]] for call in CALLS}
    return took | {
        "again": [float(sum(client.again for client in found))],
        "applying": [float(sum(client.applying for client in found))],
    }


@dataclass
class Client:
    """One leaver after the other over a kept-alive connection; `again` counts answers of 503,
    `applying` offers that a worker would have to finish."""

    line: http.client.HTTPConnection
    took: Took
    again: int = 0
    applying: int = 0

    def asks(self, call: str, path: str, token: str, body: dict[str, str]) -> dict[str, Any]:
        """One call, tried again after a 503 as a browser would. Raises for any other refusal."""
        headers = {
            "Authorization": f"Bearer {token}",
            "Content-Type": "application/json",
            "Idempotency-Key": "once",
        }
        began = time.perf_counter()
        for _ in range(MOST_TRIES):
            self.line.request("POST", f"/v1/cancel-sessions{path}", json.dumps(body), headers)
            answer = self.line.getresponse()
            told = answer.read()
            if answer.status != UNAVAILABLE:
                break
            self.again += 1
            time.sleep(AGAIN_AFTER_S)
        self.took[call].append((time.perf_counter() - began) * 1000)
        if answer.status not in (200, 201, 202):
            raise RuntimeError(f"{call}: {answer.status}: {told[:200]!r}")
        shown: dict[str, Any] = json.loads(told)
        return shown

    def leaves(self, key: str, subscription: str) -> None:
        """One session, up to its outcome. Raises where the offer was not accepted."""
        opened = self.asks("open", "", key, {"subscription": subscription})
        mine, token = f"/{opened['id']}", opened["token"]
        self.asks("answer", f"{mine}/answer", token, {"step": "why", "reason": "too_expensive"})
        saved = self.asks("accept", f"{mine}/accept", token, {"step": "half"})
        if saved["state"] not in ("saved", "applying"):
            raise RuntimeError(f"the offer was not accepted: {saved['state']}")
        self.applying += saved["state"] == "applying"


def _client(port: int, key: str, subscriptions: Sequence[str]) -> Client:
    line = http.client.HTTPConnection("127.0.0.1", port)
    client = Client(line, {call: [] for call in CALLS})
    with contextlib.closing(line):
        for subscription in subscriptions:
            client.leaves(key, subscription)
    return client


async def _bare(url: str) -> list[float]:
    """How long `select 1` takes on as many connections at once, in ms, in order of length."""

    async def asks() -> list[float]:
        connection = await asyncpg.connect(url)
        took = []
        for _ in range(BARE_EACH):
            began = time.perf_counter()
            await connection.fetchval("select 1")
            took.append((time.perf_counter() - began) * 1000)
        await connection.close()
        return took

    found = await asyncio.gather(*(asks() for _ in range(CLIENTS)))
    return sorted(ms for took in found for ms in took)


def _round(took: Took, bare: Sequence[float], seconds: float) -> Round:
    """`per_second` are whole sessions; the latencies those of all their calls, and of each kind."""
    every = sorted(ms for call in CALLS for ms in took[call])
    parts = {
        f"{call}_p{share}_ms": percentile(sorted(took[call]), share / 100)
        for call in CALLS
        for share in (50, 99)
    }
    parts |= {"tried_again": took["again"][0], "left_applying": took["applying"][0]}
    return Round(
        per_second=len(took["accept"]) / seconds,
        p50_ms=percentile(every, 0.5),
        p99_ms=percentile(every, 0.99),
        ceiling_per_second=1000 * CLIENTS * len(bare) / sum(bare),
        ceiling_p50_ms=percentile(bare, 0.5),
        ceiling_p99_ms=percentile(bare, 0.99),
        extra=tuple(parts.items()),
    )
