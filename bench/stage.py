"""The stage of a bench: real engines in a folder of their own with fsync on, a merchant, an api."""

import asyncio
import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg

from app.config import Settings
from app.embedded import answers, environment_for, migrate, python_child
from app.engines import start_engines
from app.engines.processes import free_port, wait_until
from app.services import merchants
from app.wiring import build_world

SECRET = "whsec_of_the_bench"  # noqa: S105 - a throwaway account of a throwaway database
START_S = 120.0
HISTORY_BATCH = 500_000
PAST = "starts_with(event_id, 'evt_past_')"
HISTORY = """
insert into inbox (merchant_id, account_id, event_id, type, body, state, created_at, received_at,
  handled_at, share)
select $1, $2, 'evt_past_' || md5(n::text), 'invoice.payment_failed', null, 'handled', at, at, at,
  n % 64
from (select n, now() - n * interval '3 seconds' as at from generate_series($3::int, $4::int) n) p
"""


@dataclass(frozen=True, slots=True)
class Stage:
    """Engines that run, a migrated database, one merchant with one connected account."""

    database_url: str
    environment: dict[str, str]
    logs: Path
    merchant_id: str
    account_id: str
    database: str

    @property
    def webhook_path(self) -> str:
        return f"/webhooks/stripe/{self.account_id}"

    def sql(self, statement: str, *values: object, merchant: str = "") -> list[Any]:
        """Run one statement as the owner of the tables, or as the app acts for a merchant."""
        return asyncio.run(_fetch(self.database_url, statement, *values, merchant=merchant))

    def remember(self, count: int) -> None:
        """Let the inbox hold so many events of the past year, handled, their bodies forgotten."""
        for first in range(0, count, HISTORY_BATCH):
            ids = (first, min(first + HISTORY_BATCH, count) - 1)
            self.sql(HISTORY, self.merchant_id, self.account_id, *ids)
            print(f"{ids[1] + 1:,} of {count:,} events of the past", flush=True)
        self.sql("vacuum analyze inbox")

    def empty_inbox(self) -> None:
        """Rounds must not find each other's rows. The owner may truncate, whatever the rows."""
        if self.sql(f"select 1 from inbox where {PAST} limit 1"):
            self.sql(f"delete from inbox where not {PAST}")
        else:
            self.sql("truncate inbox")

    def kept(self) -> dict[str, int]:
        """How many events of this round are in which state."""
        rows = self.sql(f"select state, count(*) as n from inbox where not {PAST} group by 1")
        return {row["state"]: row["n"] for row in rows}


@contextlib.contextmanager
def open_stage() -> Iterator[Stage]:
    """Everything a bench needs, gone without a trace afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="holdfast-bench-"))
    engines = start_engines(folder / "state", durable=True)
    try:
        environment = environment_for(engines, folder / "state") | {"HOLDFAST_LOG_LEVEL": "error"}
        os.environ.update(environment)
        migrate(engines.database_url)
        merchant_id, account_id = asyncio.run(_seed())
        (version,) = asyncio.run(
            _fetch(engines.database_url, "select current_setting('server_version') as v")
        )
        yield Stage(
            engines.database_url,
            environment,
            folder,
            merchant_id,
            account_id,
            f"PostgreSQL {version['v']}, fsync on",
        )
    finally:
        engines.stop()
        engines.home.remove()
        shutil.rmtree(folder, ignore_errors=True)


async def _seed() -> tuple[str, str]:
    async with build_world(Settings()) as world:
        merchant = await merchants.create_merchant(world, name="Bench", actor="bench")
        account = await merchants.create_account(
            world,
            merchant_id=merchant.merchant_id,
            api_key="sk_test_of_the_bench",
            actor="bench",
            live=False,
            webhook_secrets=[SECRET],
        )
    return merchant.merchant_id, account.account_id


async def _fetch(url: str, statement: str, *values: object, merchant: str = "") -> list[Any]:
    acting = {"role": "holdfast_app", "holdfast.merchants": merchant} if merchant else None
    connection = await asyncpg.connect(url, server_settings=acting)
    try:
        rows: list[Any] = await connection.fetch(statement, *values)
    finally:
        await connection.close()
    return rows


@contextlib.contextmanager
def running_api(stage: Stage, *, processes: int = 2) -> Iterator[tuple[int, int]]:
    """The api as it is run in earnest; yields its port and its process id."""
    port = free_port()
    log = stage.logs / "api.log"
    child = python_child(
        "api",
        *("-m", "app", "api", "--port", str(port), "--processes", str(processes)),
        env=stage.environment,
        log=log,
    )
    child.start()
    try:
        if not wait_until(lambda: answers(f"http://127.0.0.1:{port}"), seconds=START_S):
            raise RuntimeError(f"the api did not start:\n{log.read_text()[-2000:]}")
        assert child.process is not None
        yield port, child.process.pid
    finally:
        child.stop()


@contextlib.contextmanager
def process(module: str, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """A process of the bench's own, spoken to over its standard input and output."""
    running = subprocess.Popen(
        [sys.executable, "-m", module, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        yield running
    finally:
        running.kill()
        running.wait()
        for pipe in (running.stdin, running.stdout):
            if pipe:
                pipe.close()


def say(running: subprocess.Popen[str], line: str = "") -> None:
    """Send a line."""
    assert running.stdin is not None
    running.stdin.write(line + "\n")
    running.stdin.flush()


def hear(running: subprocess.Popen[str]) -> str:
    """The next line. Raises where the process ended without one."""
    assert running.stdout is not None
    line = running.stdout.readline()
    if not line:
        raise RuntimeError(f"a process of the bench ended with {running.wait()}")
    return line.strip()
