"""The stage: engines, sandbox, api and worker in a folder of the demo's own."""

import json
import os
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from app.demo.wings import Part, arguments_for
from app.embedded import Child, answers, environment_for, python_child, renew, stop_all
from app.engines import EngineFailure, start_engines
from app.engines.homes import empty
from app.engines.processes import listen

API_PORT = 8220
SANDBOX_PORT = 8230
START_WITHIN = 60.0
# A charge takes the sandbox milliseconds, not a second or two as it takes Stripe: so many customers
# at a time keep everybody busy. Each further one wants a connection that plans its statements anew.
WORKER_SLOTS = 6
# Twice as many at most, for the same reason. Who waits for one waits for a millisecond.
CONNECTIONS = 2

# What the processes import once, together.
SERVES = ("uvicorn", "uvicorn.lifespan.on", "uvicorn.protocols.http.httptools_impl", "uvloop")
SERVICE = ("app.commands", "app.main", "workers.main")


@dataclass(frozen=True, slots=True)
class Stage:
    """Where everything is: base URLs without a slash, the clock's file, the mailbox's folder.
    Each company has a sandbox of its own."""

    folder: Path
    api: str
    sandboxes: tuple[str, ...]
    clock_file: Path
    mailbox: Path
    children: tuple[Child, ...]

    def open(self) -> None:
        """Wait until the api answers. Raises `EngineFailure` where it does not."""
        _await(self, f"{self.api}/healthz")

    def set_clock(self, at: datetime) -> None:
        """Write the instant; renamed into place, so that nobody reads half of it."""
        _write(self.clock_file, at.isoformat())

    @property
    def environment(self) -> Path:
        """The file that the service waits for in the wings."""
        return self.folder / "environment"

    def watch(self) -> None:
        """Start again whatever has died."""
        for child in self.children:
            child.watch()


@contextmanager
def set_up(
    folder: Path,
    *,
    seed: int,
    opening: datetime,
    curtain: datetime,
    sandboxes: int,
    prologue: Callable[[Sequence[str]], object],
) -> Iterator[Stage]:
    """Build the stage anew and start everything; stop it when the block ends. The api may still
    be on its way: `Stage.open` waits for it.

    `opening` is the sandboxes' first instant, `curtain` the clock's. `prologue` plays in a thread
    against the sandboxes' base URLs while the engines start. Raises `EngineFailure` where an engine
    or a process does not start, and what `prologue` raises.
    """
    empty(folder)
    with ExitStack() as ends, ThreadPoolExecutor(1) as theatre:
        doors = [ends.enter_context(listen(SANDBOX_PORT + n)) for n in range(sandboxes)]
        api = ends.enter_context(listen(API_PORT))
        stage = _stage(folder, api, doors)
        parts = [_sandbox(stage, n, door, seed + n, opening) for n, door in enumerate(doors)]
        parts += _service(stage, api)
        children = (_wings(stage, parts, [*doors, api]),)
        ends.callback(stop_all, children)
        for child in children:
            child.start()
        played = theatre.submit(_after_the_sandboxes, stage, prologue)
        # the database is rebuilt on each run, the cluster around it is not
        engines = start_engines(folder, durable=False, kept=True)
        ends.callback(engines.stop)
        ends.callback(stop_all, children)  # before the engines
        renew(engines)
        stage.set_clock(curtain)
        environment = _environment(stage) | environment_for(engines, folder)
        os.environ.update(environment)
        _write(stage.environment, json.dumps(environment))
        engines.notes.write(api={"url": stage.api}, sandbox={"url": stage.sandboxes[0]})
        stage = replace(stage, children=children)
        played.result()
        yield stage


def _after_the_sandboxes(stage: Stage, prologue: Callable[[Sequence[str]], object]) -> None:
    for sandbox in stage.sandboxes:
        _await(stage, f"{sandbox}/_sandbox/status")
    prologue(stage.sandboxes)


def _stage(folder: Path, api: socket.socket, sandboxes: Sequence[socket.socket]) -> Stage:
    return Stage(
        folder=folder,
        api=_address(api),
        sandboxes=tuple(map(_address, sandboxes)),
        clock_file=folder / "clock",
        mailbox=folder / "mailbox",
        children=(),
    )


def _address(door: socket.socket) -> str:
    return f"http://127.0.0.1:{door.getsockname()[1]}"


def _environment(stage: Stage) -> dict[str, str]:
    return {
        "HOLDFAST_ENVIRONMENT": "demo",
        "HOLDFAST_CLOCK_FILE": str(stage.clock_file),
        "HOLDFAST_MAILBOX_DIR": str(stage.mailbox),
        "HOLDFAST_PUBLIC_URL": stage.api,
        "HOLDFAST_LOG_LEVEL": "warning",
        "HOLDFAST_WORKER_SLOTS": str(WORKER_SLOTS),
        "HOLDFAST_DATABASE_CONNECTIONS": str(CONNECTIONS),
    }


def _sandbox(stage: Stage, n: int, door: socket.socket, seed: int, opening: datetime) -> Part:
    name = f"sandbox-{n + 1}"
    arguments = {
        "--mode": "stepped",
        "--seed": str(seed),
        "--start": opening.isoformat(),
        "--state": str(stage.folder / f"{name}.sqlite3"),
        "--fd": str(door.fileno()),
    }
    return Part(
        name=name,
        module="app.providers.sandbox",
        arguments=[word for pair in arguments.items() for word in pair],
        log=str(stage.folder / f"{name}.log"),
        needs=(*SERVES, "app.providers.sandbox.server"),
    )


def _service(stage: Stage, api: socket.socket) -> list[Part]:
    """Api and worker; what either needs is imported before the first waits for the engines."""

    def part(name: str, module: str, *arguments: str) -> Part:
        return Part(
            name=name,
            module=module,
            arguments=arguments,
            log=str(stage.folder / f"{name}.log"),
            needs=SERVICE,
            environment=str(stage.environment),
        )

    return [part("api", "app", "api", "--fd", str(api.fileno())), part("worker", "workers")]


def _wings(stage: Stage, parts: Sequence[Part], doors: Sequence[socket.socket]) -> Child:
    log, inherited = stage.folder / "wings.log", [door.fileno() for door in doors]
    return python_child("wings", *arguments_for(parts), env={}, log=log, inherited=inherited)


def _write(file: Path, text: str) -> None:
    aside = file.with_suffix(".new")
    aside.write_text(text)
    aside.replace(file)


def _await(stage: Stage, url: str) -> None:
    end = time.monotonic() + START_WITHIN
    while not answers(url):
        stage.watch()
        if time.monotonic() > end:
            raise EngineFailure(f"no answer within {START_WITHIN:.0f} s: {url}")
        time.sleep(0.05)
