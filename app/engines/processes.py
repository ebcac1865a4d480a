"""Child processes that never outlive their parent, and the truth about which still run."""

import contextlib
import errno
import os
import pwd
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

BACKLOG = 128
LAUNCHER = Path(__file__).with_name("launch.py")
UNPRIVILEGED = ("postgres", "nobody")


@dataclass(frozen=True, slots=True)
class Account:
    """A system account, by its numbers."""

    uid: int
    gid: int


def unprivileged_account() -> Account | None:
    """The account that engines run under when we are root; None when we are not.

    PostgreSQL refuses to run as root, and Valkey has no need to.
    """
    if os.geteuid() != 0:
        return None
    for name in UNPRIVILEGED:
        with contextlib.suppress(KeyError):
            entry = pwd.getpwnam(name)
            return Account(entry.pw_uid, entry.pw_gid)
    return Account(65534, 65534)


def spawn(
    command: Sequence[str | Path],
    *,
    folder: Path,
    environment: Mapping[str, str],
    log: Path | None = None,
    account: Account | None = None,
    death_signal: signal.Signals = signal.SIGTERM,
    by_pipe: bool = sys.platform != "linux",
    inherited: Sequence[int] = (),
) -> subprocess.Popen[bytes]:
    """Start `command` in a session of its own; it gets `death_signal` when our process dies.

    Call it from a thread that lives as long as the process: Linux sends the signal when the thread
    that started the child ends. `log` is appended to; without it the output is ours. `inherited`
    are descriptors that the child finds under the same numbers.

    Raises:
        FileNotFoundError: the program does not exist.
    """
    if not Path(command[0]).exists():
        raise FileNotFoundError(errno.ENOENT, "there is no program", str(command[0]))
    reading, writing = os.pipe() if by_pipe else (None, None)
    tie = "kernel" if reading is None else str(reading)
    with log.open("ab") if log else contextlib.nullcontext() as output:
        process = subprocess.Popen(  # noqa: S603 - our own commands, never a shell
            _launched(command, account, death_signal, tie),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT if output else None,
            cwd=folder,
            env=dict(environment),
            start_new_session=True,
            pass_fds=(*inherited, *(() if reading is None else (reading,))),
        )
    if reading is not None and writing is not None:
        os.close(reading)
        _LIFELINES[process.pid] = writing
    return process


def run(
    command: Sequence[str | Path],
    *,
    folder: Path,
    environment: Mapping[str, str],
    account: Account | None = None,
    text: str = "",
) -> subprocess.CompletedProcess[str]:
    """Run a short command to its end, as `account`, with `text` on its standard input."""
    tie = "kernel" if sys.platform == "linux" else "-"
    return subprocess.run(  # noqa: S603 - our own commands, never a shell
        _launched(command, account, signal.SIGKILL, tie),
        input=text,
        capture_output=True,
        text=True,
        cwd=folder,
        env=dict(environment),
        check=False,
    )


def _launched(
    command: Sequence[str | Path], account: Account | None, signum: signal.Signals, tie: str
) -> list[str]:
    who = f"{account.uid}:{account.gid}" if account else "-"
    launcher = [sys.executable, "-I", "-S", str(LAUNCHER), str(int(signum)), str(os.getpid())]
    return [*launcher, who, tie, *map(str, command)]


class Stopping:
    """Whether we were asked to stop. Asking is one assignment, so a signal handler may do it
    wherever it interrupts: an Event's lock may be held by the very code that was interrupted."""

    def __init__(self) -> None:
        self._asked = False

    def set(self) -> None:
        """Ask."""
        self._asked = True

    def is_set(self) -> bool:
        """Whether anybody has asked."""
        return self._asked

    def heed_signals(self) -> None:
        """Let SIGTERM, SIGINT and SIGHUP ask; not SIGHUP where whoever started us had it ignored,
        as `nohup` does."""
        for signum in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            if signum is signal.SIGHUP and signal.getsignal(signum) is signal.SIG_IGN:
                continue
            signal.signal(signum, lambda *_: self.set())


# The writing ends of the pipes that children watch: open for as long as we live.
_LIFELINES: dict[int, int] = {}


def stop(process: subprocess.Popen[bytes], how: signal.Signals, *, patience: float) -> int:
    """Ask with `how`, and insist with SIGKILL after `patience` seconds. Returns the exit status.

    Stopping what has already stopped is harmless.
    """
    if process.poll() is None:
        process.send_signal(how)
    try:
        status = process.wait(patience)
    except subprocess.TimeoutExpired:
        process.kill()
        status = process.wait()
    lifeline = _LIFELINES.pop(process.pid, None)
    if lifeline is not None:
        os.close(lifeline)
    return status


def exists(pid: int) -> bool:
    """Whether the number is taken, be it by a zombie or by somebody else's process."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def is_running(pid: int) -> bool:
    """Whether a process of that number does anything: a zombie does not.

    Containers whose first process reaps nothing keep zombies for ever.
    """
    if not exists(pid):
        return False
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return exists(pid)
    return state != "Z"


def running_in(folder: Path) -> list[int]:
    """The processes whose current folder is `folder`; empty where there is no /proc to ask."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if (entry / "cwd").readlink() == folder.resolve():
                found.append(int(entry.name))
    return found


def wait_until(true: Callable[[], bool], *, seconds: float, step: float = 0.02) -> bool:
    """Ask until `true` or until the time is up; returns the last answer."""
    end = time.monotonic() + seconds
    while not true():
        if time.monotonic() > end:
            return False
        time.sleep(step)
    return True


def listen(preferred: int | None = None) -> socket.socket:
    """Listen on 127.0.0.1: at the preferred port while it is free, else at one that the system
    chooses. Nobody else gets the port while the socket is open.
    """
    with contextlib.suppress(OSError):
        return listen_at(preferred or 0)
    return listen_at(0)


def listen_at(port: int) -> socket.socket:
    """Listen on 127.0.0.1 at that port; 0 lets the system choose. Raises `OSError` where it is
    taken.

    What is sent leaves at once. A server that is handed a socket takes it for one of a file and
    does not see to that: each answer in two parts then waited 40 ms for the other side.
    """
    door = socket.create_server(("127.0.0.1", port), backlog=BACKLOG)
    door.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return door


def free_port(preferred: int | None = None) -> int:
    """The preferred port while it is free, else one that the system chooses."""
    with listen(preferred) as probe:
        port: int = probe.getsockname()[1]
    return port
