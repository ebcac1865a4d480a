"""One supervisor for a whole Holdfast on one machine: engines, migrations, and the processes.

`holdfast up` and the demo use the same few pieces: `start_engines`, `Child`, `supervise`.
"""

import contextlib
import http.client
import importlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from app.engines import EngineFailure, Engines, start_engines
from app.engines.files import say
from app.engines.homes import StateFolder, open_home
from app.engines.processes import Stopping, listen, listen_at, spawn, stop, wait_until

PAUSES = (0.2, 0.5, 1, 2, 5, 10)  # seconds before the n-th restart of a child that keeps dying
STEADY = 30.0  # seconds a child must live for its deaths to be forgotten
PATIENCE = 30.0  # seconds a child gets to finish what it does
PREFERRED_PORT = 8200
SANDBOX_PORT = 8210
TOLD_AGAIN = 3600.0  # seconds between two tellings of one trouble
DOOR_S = 40.0  # seconds until what stood at a port must have left it: longer than PATIENCE


@dataclass
class Child:
    """A process that is to run for as long as we do.

    `argv` begins with a path to a program; `env` is added to our own environment; `log` takes the
    output, which otherwise is ours. `inherited` are descriptors it finds under the same numbers: a
    socket that we listen at keeps those who connect waiting while its server is started again.
    """

    name: str
    argv: Sequence[str]
    env: Mapping[str, str] = field(default_factory=dict)
    log: Path | None = None
    inherited: Sequence[int] = ()
    process: subprocess.Popen[bytes] | None = None
    deaths: int = 0
    started: float = 0.0
    not_before: float = 0.0

    def start(self) -> None:
        """Start it now. It gets SIGTERM when we die, however we die."""
        self.started = time.monotonic()
        self.process = spawn(
            self.argv,
            folder=Path.cwd(),
            environment=os.environ | dict(self.env),
            log=self.log,
            inherited=self.inherited,
        )

    def watch(self) -> None:
        """Start it again when it has died: at once the first time, more patiently each time.

        Raises:
            OSError: the system has no process, no memory or no program for it. Ask again later.
        """
        now = time.monotonic()
        if self.process is not None:
            if self.process.poll() is None:
                return
            status = stop(self.process, signal.SIGTERM, patience=0)
            self.process = None
            pause = self._pause(now)
            say(f"{self.name} ended with {status}; starting it again in {pause} s")
        if now >= self.not_before:
            try:
                self.start()
            except OSError:
                self._pause(now)
                raise

    def _pause(self, now: float) -> float:
        self.deaths = 1 if now - self.started > STEADY else self.deaths + 1
        pause = PAUSES[min(self.deaths, len(PAUSES)) - 1]
        self.not_before = now + pause
        return pause

    def stop(self) -> None:
        """Ask it to finish, and end it if it does not. Harmless when it does not run."""
        if self.process is not None:
            stop(self.process, signal.SIGTERM, patience=PATIENCE)


def python_child(
    name: str,
    *arguments: str,
    env: Mapping[str, str],
    log: Path | None = None,
    inherited: Sequence[int] = (),
) -> Child:
    """A child that runs one of our own modules, from a checkout as well as from a wheel."""
    here = str(Path(__file__).resolve().parent.parent)
    path = os.pathsep.join(filter(None, (here, os.environ.get("PYTHONPATH"))))
    known = dict(env) | {"PYTHONPATH": path}
    return Child(name, (sys.executable, *arguments), known, log, inherited)


class Complaints:
    """What cannot be done now and is tried again. Told once, and while it lasts once an hour."""

    def __init__(self) -> None:
        self._told: dict[str, tuple[str, float]] = {}

    @contextlib.contextmanager
    def about(self, name: str) -> Iterator[None]:
        """Try something; a full disk or a system without processes is told, and ends nothing."""
        try:
            yield
        except (EngineFailure, OSError) as trouble:
            code = trouble.errno if isinstance(trouble, OSError) else str(trouble).split("\n")[0]
            kind, now = f"{type(trouble).__name__} {code}", time.monotonic()
            former, at = self._told.get(name, ("", now))
            if former != kind or now - at > TOLD_AGAIN:
                self._told[name] = (kind, now)
                say(f"{name}, tried again until it works: {trouble}")


def supervise(
    children: Sequence[Child], stopping: Stopping, *, engines: Engines | None = None
) -> None:
    """Keep children (and engines) running until `stopping` is set, then stop the children.

    What the system cannot give now, room on the disk or another process, is asked for again. Call
    it from the main thread: a child ends with the thread that started it. The engines are left to
    the caller, who may have a last question for the database.
    """
    complaints = Complaints()
    try:
        while not stopping.is_set():
            if engines:
                with complaints.about("engines"):
                    _revive(engines)
            for child in children:
                with complaints.about(child.name):
                    child.watch()
            if engines:
                with complaints.about("notes"):
                    engines.notes.write(children={c.name: _pid(c) for c in children})
            time.sleep(0.2)
    finally:
        stop_all(children)


def stop_all(children: Sequence[Child]) -> None:
    """Ask all to finish, then wait for each."""
    for child in children:
        if child.process is not None and child.process.poll() is None:
            child.process.terminate()
    for child in children:
        child.stop()


def _pid(child: Child) -> int | None:
    return child.process.pid if child.process else None


def _revive(engines: Engines) -> None:
    for name in engines.revive():
        say(f"{name} had died and runs again")


def migrate(database_url: str) -> None:
    """Bring a database to the newest schema. Repeating it changes nothing."""
    from app.storage.migrate import upgrade

    upgrade(database_url)


def renew(engines: Engines) -> None:
    """Make the database of throwaway engines anew, at the newest schema."""
    from app.storage.copies import renew_database

    renew_database(engines.database_url, engines.admin_url)


def environment_for(engines: Engines, state_dir: Path) -> dict[str, str]:
    """What our processes need to know to work on these engines."""
    return {
        "DATABASE_URL": engines.database_url,
        "REDIS_URL": engines.redis_url,
        "HOLDFAST_STATE_DIR": str(state_dir),
    }


def answers(url: str) -> bool:
    """Whether an HTTP server at `http://host:port…` answers anything at all."""
    place = url.removeprefix("http://").partition("/")[0]
    connection = http.client.HTTPConnection(place, timeout=1)
    try:
        connection.request("GET", "/")
        connection.getresponse()
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
    return True


@contextlib.contextmanager
def borrowed_engines(
    state_dir: Path, *, database_url: str | None, redis_url: str | None
) -> Iterator[dict[str, str]]:
    """The environment for one command: given servers, those of a running `up`, or our own.

    Engines that had to be started stop with the block.
    """
    given = {"DATABASE_URL": database_url, "REDIS_URL": redis_url}
    facts = StateFolder.facts(state_dir)
    if not (database_url and redis_url) and StateFolder.is_claimed(state_dir):
        given["DATABASE_URL"] = database_url or facts.get("database_url")
        given["REDIS_URL"] = redis_url or facts.get("redis_url")
        # what `connect` tells the provider must lead to the api that runs, whatever its port
        known_as = os.environ.get("HOLDFAST_PUBLIC_URL") or facts.get("api", {}).get("url")
        given["HOLDFAST_PUBLIC_URL"] = known_as
    if given["DATABASE_URL"]:
        yield {name: value for name, value in given.items() if value}
        return
    engines = start_engines(state_dir, redis_url=redis_url)
    try:
        yield environment_for(engines, state_dir)
    finally:
        engines.stop()


def up(
    state_dir: Path,
    *,
    database_url: str | None,
    redis_url: str | None,
    port: int | None,
    sandbox: bool | None,
    sandbox_port: int | None = None,
) -> None:
    """Run everything on this machine until SIGTERM or SIGINT.

    `sandbox=None` runs the sandbox while no account but the sandbox's own is configured, never in
    production.
    Ports that are left out are those of the last run, since letters, webhook endpoints and accounts
    name them, and at the first run what is free.

    Safe to start again after any death: the database is the truth, and whatever a killed run left
    behind is cleared away first.

    Raises:
        EngineFailure: an engine cannot be had, another supervisor holds the folder, or somebody
            else listens where we must.
    """
    stopping = Stopping()
    stopping.heed_signals()
    try:
        engines = start_engines(
            state_dir, database_url=database_url, redis_url=redis_url, stopping=stopping
        )
    except EngineFailure:
        if stopping.is_set():
            return
        raise
    with contextlib.ExitStack() as ends:
        ends.callback(engines.stop)
        migrate(engines.database_url)
        os.environ.update(environment_for(engines, state_dir))
        wanted = {"api": port}
        if sandbox or (sandbox is None and _needs_sandbox()):
            wanted["sandbox"] = sandbox_port
        doors = {name: ends.enter_context(_door(engines, name, wanted[name])) for name in wanted}
        supervise(_children(engines, state_dir, doors), stopping, engines=engines)


def _door(engines: Engines, name: str, port: int | None) -> socket.socket:
    """Where a child is reached, for as long as we run: who comes while it starts waits there, and
    nobody takes the place of one that has died."""
    former = port or engines.notes.read().get(name, {}).get("port")
    if former is None:
        door = listen({"api": PREFERRED_PORT, "sandbox": SANDBOX_PORT}[name])
    else:
        door = door_at(name, int(former))
    place = door.getsockname()[1]
    engines.notes.write(**{name: {"port": place, "url": f"http://127.0.0.1:{place}"}})
    return door


def door_at(name: str, port: int, *, patience_s: float = DOOR_S) -> socket.socket:
    """Listen at that port of 127.0.0.1 and no other. What a killed run left behind may still be on
    its way out, so somebody who listens there is waited for.

    Raises:
        EngineFailure: somebody still listens there after `patience_s`.
    """
    found: list[socket.socket] = []
    if not wait_until(lambda: _is_at(port, found), seconds=patience_s, step=0.2):
        option = {"api": "--port", "sandbox": "--sandbox-port"}[name]
        raise EngineFailure(
            f"Something else listens at 127.0.0.1:{port}, where the {name} is to stand. "
            f"Stop it, or give another port with {option}."
        )
    return found[0]


def _is_at(port: int, found: list[socket.socket]) -> bool:
    with contextlib.suppress(OSError):
        found.append(listen_at(port))
    return bool(found)


def _needs_sandbox() -> bool:
    """While no account is the provider's there is something to try; in production there is not."""
    if os.environ.get("HOLDFAST_ENVIRONMENT") == "production":
        return False
    return bool(importlib.import_module("app.operations.accounts").only_to_try())


def clean(state_dir: Path) -> None:
    """Delete the engines' data and the state folder.

    Raises:
        EngineFailure: a supervisor works there.
    """
    if not state_dir.is_dir():
        return
    for inner in (*state_dir.glob("*/state.json"), state_dir / "state.json"):
        notes = StateFolder(inner.parent)
        notes.claim()
        open_home(inner.parent.resolve()).remove()
        notes.release()
    shutil.rmtree(state_dir)


def _children(engines: Engines, state_dir: Path, doors: Mapping[str, socket.socket]) -> list[Child]:
    urls = {name: f"http://127.0.0.1:{door.getsockname()[1]}" for name, door in doors.items()}
    known = {"HOLDFAST_PUBLIC_URL": urls["api"]} | os.environ
    known |= environment_for(engines, state_dir)
    words = {
        "api": ("app", "api"),
        "sandbox": ("app", "sandbox", "--state", str(state_dir / "sandbox.sqlite3")),
    }
    children = [python_child("worker", "-m", "workers", env=known)]
    for name, door in doors.items():
        own = ("-m", *words[name], "--fd", str(door.fileno()))
        children.append(python_child(name, *own, env=known, inherited=(door.fileno(),)))
    threading.Thread(target=_announce, args=(urls["api"], state_dir), daemon=True).start()
    if "sandbox" in urls:
        say(f"sandbox   {urls['sandbox']}")
    return children


def _announce(url: str, state_dir: Path) -> None:
    if wait_until(lambda: answers(url), seconds=60, step=0.1):
        say(f"ready: {url}/docs (state in {state_dir})")
