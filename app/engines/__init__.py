"""PostgreSQL and Valkey from Python wheels, for whoever has neither: `start_engines`."""

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from app.engines.files import EngineFailure, end_of
from app.engines.homes import Home, StateFolder, open_home, open_state
from app.engines.postgres import Postgres
from app.engines.processes import Stopping
from app.engines.valkey import Valkey

__all__ = ["EngineFailure", "Engines", "start_engines"]

_Make = Callable[..., Postgres | Valkey]


@dataclass
class Engines:
    """The engines that run for one state folder. Those given by URL are somebody else's."""

    database_url: str
    redis_url: str
    notes: StateFolder
    home: Home
    own: tuple[Postgres | Valkey, ...]
    kept: bool

    @property
    def admin_url(self) -> str:
        """A superuser's way into a throwaway cluster of ours."""
        return next(engine.admin_url for engine in self.own if isinstance(engine, Postgres))

    def revive(self) -> list[str]:
        """Start again whatever of ours has died, at its old port; returns the names.

        Raises:
            EngineFailure: one does not start.
            OSError: the system has no room, no process or no memory left. Ask again later.
        """
        revived = []
        for engine in self.own:
            if engine.process is None or engine.process.poll() is not None:
                engine.start()
                revived.append(engine.name)
        self._note()
        return revived

    def stop(self) -> None:
        """Stop cleanly, last started first; engines not kept leave nothing. Repeatable."""
        for engine in reversed(self.own):
            engine.stop()
        if not self.kept:
            self.home.remove()
        self.notes.release()

    def _note(self) -> None:
        facts = {
            engine.name: {
                "port": engine.port,
                "pid": engine.process.pid if engine.process else None,
            }
            for engine in self.own
        }
        self.notes.write(database_url=self.database_url, redis_url=self.redis_url, **facts)


def start_engines(
    state_dir: Path,
    *,
    durable: bool = True,
    kept: bool | None = None,
    database_url: str | None = None,
    redis_url: str | None = None,
    stopping: Stopping | None = None,
) -> Engines:
    """Start PostgreSQL and Valkey for a state folder, except where a URL is given.

    Safe to repeat after any death, kill -9 of everything included: what was left running is
    ended, half-made files are made again. `durable=False` does without fsync: what was not stopped
    cleanly is made anew, and `stop` deletes the data unless they are to be `kept`. Who sets
    `stopping` meanwhile waits for nothing more.

    Raises:
        EngineFailure: no program for this system, another supervisor holds the folder, or an
            engine does not start. What had been started is stopped again.
    """
    kept = durable if kept is None else kept
    state = open_state(state_dir)
    notes = StateFolder(state)
    notes.claim()
    home = open_home(state, throwaway=not kept)
    former = notes.read()
    with suppress(OSError):  # of no weight, and a full disk is what may have ended the former run
        notes.write(supervisor=os.getpid())
    kinds: tuple[tuple[str, _Make, str | None], ...] = (
        (Postgres.name, partial(Postgres, home, durable=durable, stopping=stopping), database_url),
        (Valkey.name, partial(Valkey, home, durable=durable), redis_url),
    )
    own: list[Postgres | Valkey] = []
    with ExitStack() as undone:
        undone.callback(notes.release)
        for name, make, given in kinds:
            if not given:
                port = former.get(name, {}).get("port")
                with _in_words(name):
                    own.append(_started(name, make, port))
                undone.callback(own[-1].stop)
        undone.pop_all()
    urls = {engine.name: engine.url for engine in own}
    database_url, redis_url = database_url or urls["postgres"], redis_url or urls["valkey"]
    engines = Engines(database_url, redis_url, notes, home, tuple(own), kept)
    with suppress(OSError):  # no room for the notes: `revive` writes them once there is
        engines.revive()
    return engines


@contextmanager
def _in_words(name: str) -> Iterator[None]:
    try:
        yield
    except OSError as trouble:
        raise EngineFailure(f"{name} cannot start: {trouble}") from trouble


def _started(name: str, make: _Make, port: int | None) -> Postgres | Valkey:
    """Another process may take a free port between our look and the start: then once more."""
    for chosen in (port, None, None):
        engine = make(port=chosen)
        try:
            engine.start()
        except EngineFailure:
            if "in use" not in end_of(engine.log) or chosen is not port:
                raise
            continue
        return engine
    raise EngineFailure(f"no free port for {name}")
