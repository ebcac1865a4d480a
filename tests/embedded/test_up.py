"""`holdfast up`: everything on one machine, started again after any death."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from app.embedded import answers
from app.engines.processes import free_port, is_running, wait_until
from tests.embedded.holding import ROOT, ask

pytestmark = pytest.mark.anyio


class Up:
    """A running `holdfast up` in a state folder."""

    def __init__(self, state: Path) -> None:
        self.state = state
        self.port, self.sandbox_port = free_port(), free_port()
        ports = ("--port", str(self.port), "--sandbox-port", str(self.sandbox_port))
        kept = {n: v for n, v in os.environ.items() if n not in ("DATABASE_URL", "REDIS_URL")}
        self.log = (state.parent / "up.log").open("ab")
        self.process = subprocess.Popen(
            [sys.executable, "-m", "app", "up", *ports],
            cwd=ROOT,
            env=kept | {"HOLDFAST_STATE_DIR": str(state)},
            stdout=self.log,
            stderr=self.log,
        )

    @property
    def facts(self) -> dict[str, Any]:
        facts: dict[str, Any] = json.loads((self.state / "state.json").read_text())
        return facts

    @property
    def pids(self) -> list[int]:
        engines = [self.facts[name]["pid"] for name in ("postgres", "valkey")]
        return [self.process.pid, *engines, *self.facts["children"].values()]

    def ready(self) -> bool:
        return wait_until(self._all_there, seconds=120, step=0.1)

    def kill_all(self) -> None:
        pids = self.pids
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
        self.process.wait()
        assert wait_until(lambda: not any(map(is_running, pids)), seconds=30)

    def close(self) -> int:
        self.process.terminate()
        status = self.process.wait(60)
        self.log.close()
        return status

    def _all_there(self) -> bool:
        return (
            answers(f"http://127.0.0.1:{self.port}")
            and self.facts.get("supervisor") == self.process.pid
            and set(self.facts.get("children", ())) >= {"api", "worker", "sandbox"}
        )


@pytest.fixture
def state(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path / "state"
    log = tmp_path / "up.log"
    print(log.read_text()[-4000:] if log.exists() else "")


async def test_it_goes_on_after_kill_9_of_a_part_and_of_everything_and_stops_cleanly(
    state: Path,
) -> None:
    # given a service that runs and has written something down
    first = Up(state)
    assert first.ready()
    await ask(
        first.facts["database_url"], "create table kept (n int)", "insert into kept values (7)"
    )

    # when the api is killed, and once it is back everything at once, and all is started again
    former = first.facts["children"]["api"]
    os.kill(former, signal.SIGKILL)
    assert wait_until(lambda: first.facts["children"]["api"] not in (None, former), seconds=60)
    back = first.ready()
    first.kill_all()
    first.log.close()
    second = Up(state)
    ready = second.ready()
    kept = await ask(second.facts["database_url"], "select n from kept")
    pids = second.pids
    status = second.close()

    # then it goes on where it was, and a polite end leaves no process
    assert back
    assert ready
    assert kept == 7
    assert status == 0
    assert not any(map(is_running, pids))
