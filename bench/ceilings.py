"""What PostgreSQL itself does: single-row inserts into the inbox, one commit each.

Measured with pgbench where there is one beside the server's programs or in PATH, else with a
process of our own over asyncpg (slower: Python on both sides of it).
"""

import itertools
import os
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from app.engines import EngineFailure
from app.engines.postgres import postgres_folder
from bench.events import bodies
from bench.figures import percentile

INSERT = """\\set n random(1, 9000000000000000000)
insert into inbox
  (merchant_id, account_id, event_id, type, body, state, created_at, received_at)
values (:merchant, :account, concat('evt_ceiling_', :n::text), 'invoice.payment_failed', :body,
  'pending', clock_timestamp(), clock_timestamp());
"""


@dataclass(frozen=True, slots=True)
class Ceiling:
    """Rows per second and their latencies."""

    per_second: float
    p50_ms: float
    p99_ms: float
    tool: str


def pgbench_program() -> Path | None:
    """pgbench beside the PostgreSQL that is used, or in PATH."""
    try:
        beside = postgres_folder() / "pgbench"
    except EngineFailure:
        beside = Path("pgbench")
    if beside.exists():
        return beside
    found = shutil.which("pgbench")
    return Path(found) if found else None


def single_inserts(
    database_url: str, *, merchant: str, account: str, clients: int, seconds: int
) -> Ceiling:
    """Insert events one by one with `clients` connections for `seconds`, as the intake's role."""
    began = int(time.time())  # only the load's first second; no decision hangs on it
    body = next(itertools.islice(bodies("c", created=began), 400, None)).decode()
    program = pgbench_program()
    if program is None:
        return _by_asyncpg(database_url, merchant, account, body, clients, seconds)
    with tempfile.TemporaryDirectory(prefix="holdfast-ceiling-") as folder:
        _pgbench(
            program,
            Path(folder),
            database_url,
            {"merchant": merchant, "account": account, "body": body},
            clients=clients,
            seconds=seconds,
        )
        latencies = sorted(_latencies_ms(Path(folder)))
    return Ceiling(
        len(latencies) / seconds, percentile(latencies, 0.5), percentile(latencies, 0.99), "pgbench"
    )


def _pgbench(
    program: Path,
    folder: Path,
    database_url: str,
    variables: dict[str, str],
    *,
    clients: int,
    seconds: int,
) -> None:
    (folder / "insert.sql").write_text(INSERT)
    parts = urlsplit(database_url)
    environment = os.environ | {
        "PGPASSWORD": unquote(parts.password or ""),
        "PGOPTIONS": "-c role=holdfast_system",
        "LC_ALL": "C",
    }
    command: list[str | Path] = [
        program, "-n", "-M", "prepared", "-f", "insert.sql", "-l", "--log-prefix=took",
        "-c", str(clients), "-j", "1", "-T", str(seconds),
        "-h", parts.hostname or "127.0.0.1", "-p", str(parts.port or 5432),
        "-U", unquote(parts.username or ""),
        *(part for name, value in variables.items() for part in ("-D", f"{name}={value}")),
        parts.path.lstrip("/"),
    ]  # fmt: skip
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise RuntimeError(f"pgbench failed:\n{done.stderr[-2000:]}")


def _latencies_ms(folder: Path) -> list[float]:
    return [
        int(line.split()[2]) / 1000
        for log in folder.glob("took.*")
        for line in log.read_text().splitlines()
    ]


def _by_asyncpg(
    database_url: str, merchant: str, account: str, body: str, clients: int, seconds: int
) -> Ceiling:
    done = subprocess.run(
        [
            sys.executable, "-m", "bench.inserts", "--merchant", merchant, "--account", account,
            "--clients", str(clients), "--seconds", str(seconds),
        ],
        input=f"{database_url}\n{body}", capture_output=True, text=True, check=True,
    )  # fmt: skip
    per_second, p50, p99 = map(float, done.stdout.split())
    return Ceiling(per_second, p50, p99, "asyncpg")
