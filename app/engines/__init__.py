"""PostgreSQL and Valkey from Python wheels, for whoever has neither: `start_engines`."""

import os
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from app.engines.files import EngineFailure, end_of
from app.engines.homes import Home, StateFolder, open_home, open_state
from app.engines.postgres import Postgres
from app.engines.valkey import Valkey

__all__ = ["EngineFailure", "Engines", "start_engines"]


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
        """Start again whatever of ours has died, at its old port; returns the names."""
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
) -> Engines:
    """Start PostgreSQL and Valkey for a state folder, except where a URL is given.

    Safe to repeat after any death, kill -9 of everything included: what was left running is
    ended, half-made files are made again. `durable=False` does without fsync: what was not stopped
    cleanly is made anew, and `stop` deletes the data unless they are to be `kept`.

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
    notes.write(supervisor=os.getpid())
    own: list[Postgres | Valkey] = []
    with ExitStack() as undone:
        undone.callback(notes.release)
        for kind, given in ((Postgres, database_url), (Valkey, redis_url)):
            if not given:
                port = former.get(kind.name, {}).get("port")
                own.append(_started(kind, home, durable=durable, port=port))
                undone.callback(own[-1].stop)
        undone.pop_all()
    urls = {engine.name: engine.url for engine in own}
    engines = Engines(
        database_url or urls["postgres"],
        redis_url or urls["valkey"],
        notes,
        home,
        tuple(own),
        kept,
    )
    engines.revive()
    return engines


def _started(
    kind: type[Postgres] | type[Valkey], home: Home, *, durable: bool, port: int | None
) -> Postgres | Valkey:
    """Another process may take a free port between our look and the start: then once more."""
    for chosen in (port, None, None):
        engine = kind(home, durable=durable, port=chosen)
        try:
            engine.start()
        except EngineFailure:
            if "in use" not in end_of(engine.log) or chosen is not port:
                raise
            continue
        return engine
    raise EngineFailure(f"no free port for {kind.name}")
