"""A supervisor in a process of its own, so that tests can kill it."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import asyncpg

from app.engines.processes import is_running, wait_until

ROOT = Path(__file__).resolve().parents[2]
HOLD = """
import json, sys
from pathlib import Path
from app.engines import EngineFailure, start_engines
try:
    engines = start_engines(Path(sys.argv[1]))
except EngineFailure as failure:
    sys.exit(str(failure))
print(json.dumps(engines.notes.read()), flush=True)
sys.stdin.read()
engines.stop()
"""


class Holder:
    """Engines that run until `finish`, or until they are killed."""

    def __init__(self, folder: Path, **environment: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", HOLD, str(folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            env=os.environ | {"PYTHONPATH": str(ROOT)} | environment,
        )
        assert self.process.stdout
        assert self.process.stderr
        line = self.process.stdout.readline()
        self.facts: dict[str, Any] = json.loads(line) if line else {}
        self.complaint = "" if line else self.process.stderr.read()
        if not line:
            self.finish()

    @property
    def pids(self) -> dict[str, int]:
        engines = {name: self.facts[name]["pid"] for name in ("postgres", "valkey")}
        return {"supervisor": self.process.pid} | engines

    def kill(self, *names: str) -> None:
        """SIGKILL to each, and wait until none of them runs; the supervisor's death ends all."""
        for name in names:
            os.kill(self.pids[name], signal.SIGKILL)
        if "supervisor" in names:
            self.process.wait()
            gone = wait_until(lambda: not any(map(is_running, self.pids.values())), seconds=30)
            assert gone, "an engine outlived its supervisor"
            self._close()

    def finish(self) -> int:
        assert self.process.stdin
        self.process.stdin.close()
        status = self.process.wait(60)
        self._close()
        return status

    def _close(self) -> None:
        for stream in (self.process.stdin, self.process.stdout, self.process.stderr):
            if stream:
                stream.close()


async def ask(url: str, *statements: str) -> Any:
    """Run statements on a connection of their own; the last one's first value."""
    connection = await asyncpg.connect(url)
    try:
        for statement in statements[:-1]:
            await connection.execute(statement)
        return await connection.fetchval(statements[-1])
    finally:
        await connection.close()
