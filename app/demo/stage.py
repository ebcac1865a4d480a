"""The stage: engines, sandbox, api and worker in a folder of the demo's own."""

import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from app.embedded import (
    Child,
    answers,
    clean,
    environment_for,
    migrate,
    python_child,
)
from app.engines import EngineFailure, start_engines
from app.engines.processes import free_port

API_PORT = 8220
SANDBOX_PORT = 8230
START_WITHIN = 60.0


@dataclass(frozen=True, slots=True)
class Stage:
    """Where everything is: base URLs without a slash, the clock's file, the mailbox's folder."""

    folder: Path
    api: str
    sandbox: str
    clock_file: Path
    mailbox: Path
    children: tuple[Child, ...]

    def set_clock(self, at: datetime) -> None:
        """Write the instant; renamed into place, so that nobody reads half of it."""
        aside = self.clock_file.with_suffix(".new")
        aside.write_text(at.isoformat())
        aside.replace(self.clock_file)

    def watch(self) -> None:
        """Start again whatever has died."""
        for child in self.children:
            child.watch()


@contextmanager
def set_up(folder: Path, *, seed: int, opening: datetime, curtain: datetime) -> Iterator[Stage]:
    """Build the stage anew and start everything; stop it when the block ends.

    `opening` is the sandbox's first instant, `curtain` the clock's. Raises `EngineFailure` where
    an engine or a process does not start.
    """
    clean(folder)
    engines = start_engines(folder, durable=False)  # rebuilt on each run: nothing to keep
    children: list[Child] = []
    try:
        migrate(engines.database_url)
        ports = {"api": free_port(API_PORT), "sandbox": free_port(SANDBOX_PORT)}
        stage = _stage(folder, ports, children_into=children)
        stage.set_clock(curtain)
        environment = _environment(stage) | environment_for(engines, folder)
        os.environ.update(environment)
        children += _children(stage, ports, environment, seed, opening)
        stage = _stage(folder, ports, children_into=children)
        for child in children:
            child.start()
        engines.notes.write(api={"url": stage.api}, sandbox={"url": stage.sandbox})
        _await(stage)
        yield stage
    finally:
        for child in children:
            child.stop()
        engines.stop()


def _stage(folder: Path, ports: Mapping[str, int], *, children_into: list[Child]) -> Stage:
    return Stage(
        folder=folder,
        api=f"http://127.0.0.1:{ports['api']}",
        sandbox=f"http://127.0.0.1:{ports['sandbox']}",
        clock_file=folder / "clock",
        mailbox=folder / "mailbox",
        children=tuple(children_into),
    )


def _environment(stage: Stage) -> dict[str, str]:
    return {
        "HOLDFAST_ENVIRONMENT": "demo",
        "HOLDFAST_CLOCK_FILE": str(stage.clock_file),
        "HOLDFAST_MAILBOX_DIR": str(stage.mailbox),
        "HOLDFAST_PUBLIC_URL": stage.api,
        "HOLDFAST_LOG_LEVEL": "warning",
    }


def _children(
    stage: Stage,
    ports: Mapping[str, int],
    environment: Mapping[str, str],
    seed: int,
    opening: datetime,
) -> list[Child]:
    def child(name: str, *arguments: str) -> Child:
        return python_child(name, *arguments, env=environment, log=stage.folder / f"{name}.log")

    state = stage.folder / "sandbox.sqlite3"
    return [
        child(
            "sandbox",
            *("-m", "app.providers.sandbox", "--mode", "stepped", "--seed", str(seed)),
            *("--port", str(ports["sandbox"]), "--state", str(state)),
            *("--start", opening.isoformat()),
        ),
        child("api", "-m", "app", "api", "--port", str(ports["api"])),
        child("worker", "-m", "workers"),
    ]


def _await(stage: Stage) -> None:
    end = time.monotonic() + START_WITHIN
    waiting = {f"{stage.sandbox}/_sandbox/status", f"{stage.api}/healthz"}
    while waiting:
        waiting = {url for url in waiting if not answers(url)}
        stage.watch()
        if waiting and time.monotonic() > end:
            raise EngineFailure(f"no answer within {START_WITHIN:.0f} s: {', '.join(waiting)}")
        time.sleep(0.05)
