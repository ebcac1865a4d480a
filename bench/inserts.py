"""Single-row inserts over asyncpg, for machines without pgbench: a process of its own.

Database URL and body come on standard input; prints rows per second, p50 and p99 in ms.
"""

import argparse
import asyncio
import itertools
import sys
import time
from collections.abc import Iterator

import asyncpg
import uvloop

from bench.figures import percentile

INSERT = """
insert into inbox (merchant_id, account_id, event_id, type, body, state, created_at, received_at)
values ($1, $2, $3, 'invoice.payment_failed', $4, 'pending', clock_timestamp(), clock_timestamp())
"""


async def client(
    url: str, row: tuple[str, str, str], ids: Iterator[int], until: float, took: list[float]
) -> None:
    """Insert row after row, one commit each, until the time is up."""
    merchant, account, body = row
    connection = await asyncpg.connect(url, server_settings={"role": "holdfast_system"})
    try:
        statement = await connection.prepare(INSERT)
        while (began := time.perf_counter()) < until:
            await statement.fetch(merchant, account, f"evt_ceiling_{began}_{next(ids)}", body)
            took.append(1000 * (time.perf_counter() - began))
    finally:
        await connection.close()


async def insert(url: str, row: tuple[str, str, str], clients: int, seconds: float) -> list[float]:
    """Latencies in ms of all rows, sorted."""
    took: list[float] = []
    ids = itertools.count()
    until = time.perf_counter() + seconds
    await asyncio.gather(*(client(url, row, ids, until, took) for _ in range(clients)))
    return sorted(took)


def main() -> None:
    """Insert and report."""
    parser = argparse.ArgumentParser(prog="bench.inserts")
    parser.add_argument("--merchant", required=True)
    parser.add_argument("--account", required=True)
    parser.add_argument("--clients", type=int, required=True)
    parser.add_argument("--seconds", type=float, required=True)
    given = parser.parse_args()
    url = sys.stdin.readline().strip()
    row = (given.merchant, given.account, sys.stdin.read())
    took = uvloop.run(insert(url, row, given.clients, given.seconds))
    print(len(took) / given.seconds, percentile(took, 0.5), percentile(took, 0.99))


if __name__ == "__main__":
    main()
