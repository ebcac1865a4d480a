"""What the system cannot give for a while, room on a disk or a process, ends nothing."""

import errno
import io
import os
import signal
import sys
from pathlib import Path

import pytest

from app.embedded import Child, borrowed_engines
from app.engines import Engines, start_engines
from app.engines.homes import Home, StateFolder
from app.engines.processes import wait_until
from tests.embedded.test_supervisor import a_child, pid_of, supervised


class Full(io.StringIO):
    """An output on a disk without room."""

    def write(self, _: str) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def given_engines(state: Path) -> Engines:
    """Engines of somebody else: all that is ours is the notebook."""
    state.mkdir()
    home = Home(state, state, None)
    return Engines("postgresql://db/x", "redis://cache", StateFolder(state), home, (), kept=True)


def test_notes_that_cannot_be_written_are_told_once_and_written_later(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # given a child under a supervisor, and a notebook that takes nothing any more
    state, away = tmp_path / "state", tmp_path / "away"
    child, engines = a_child(), given_engines(state)
    with supervised(child, engines=engines):
        assert wait_until(lambda: engines.notes.read().get("children") is not None, seconds=10)
        first = pid_of(child)
        state.rename(away)

        # when the child dies, and dies once more
        for _ in range(2):
            _kill_and_wait_for_the_next(child)
        away.rename(state)
        noted = wait_until(
            lambda: engines.notes.read().get("children") == {"sleeper": pid_of(child)}, seconds=10
        )

    # then it ran on, somebody was told once, and the notes are those of now
    said = capsys.readouterr().out
    assert noted
    assert pid_of(child) != first
    assert said.count("tried again until it works") == 2  # of the engines' notes, the children's


def _kill_and_wait_for_the_next(child: Child) -> None:
    former = pid_of(child)
    os.kill(former, signal.SIGKILL)
    assert wait_until(lambda: pid_of(child) not in (0, former), seconds=10)


def test_a_child_that_the_system_does_not_start_is_tried_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # given a child whose program cannot be started, beside one that runs
    program = tmp_path / "program"
    child, other = Child("late", (str(program),)), a_child()

    # when it is tried again and again until the program is there
    with supervised(child, other):
        refused = wait_until(lambda: child.deaths >= 3, seconds=20)
        program.write_text(f"#!{sys.executable}\nimport time; time.sleep(600)\n")
        program.chmod(0o755)
        runs = wait_until(lambda: pid_of(child) > 0, seconds=20)
        spared = other.deaths

    # then it runs, the other was left alone, and the trouble was told once
    assert refused
    assert runs
    assert spared == 0
    assert capsys.readouterr().out.count("late, tried again") == 1


def test_nothing_is_written_where_nothing_changed(tmp_path: Path) -> None:
    engines = given_engines(tmp_path / "state")
    engines.revive()
    first = (tmp_path / "state" / "state.json").stat()

    engines.revive()

    after = (tmp_path / "state" / "state.json").stat()
    assert (after.st_ino, after.st_mtime_ns) == (first.st_ino, first.st_mtime_ns)


def test_engines_stop_although_their_stop_cannot_be_noted(tmp_path: Path) -> None:
    # given a cluster that runs, and a place for its note that takes none
    engines = start_engines(tmp_path, durable=False, kept=True, redis_url="redis://unused/")
    (tmp_path / "postgres_rested").mkdir()

    # when it is stopped
    engines.stop()
    (tmp_path / "postgres_rested").rmdir()
    engines.home.remove()

    # then it is, and the folder is free for the next
    assert [engine.process and engine.process.poll() for engine in engines.own] == [0]
    assert not StateFolder.is_claimed(tmp_path)


def test_output_that_takes_nothing_ends_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", Full())
    child = a_child("raise SystemExit(3)")

    with supervised(child):
        died_on = wait_until(lambda: child.deaths >= 2, seconds=20)

    assert died_on


def test_a_number_in_old_notes_is_not_taken_for_a_supervisor(tmp_path: Path) -> None:
    # given notes of before the machine began anew, whose number is somebody's again
    StateFolder(tmp_path).write(supervisor=os.getpid(), database_url="postgresql://gone/x")

    # when a command asks for engines
    with borrowed_engines(tmp_path, database_url=None, redis_url="redis://unused/") as known:
        found = known["DATABASE_URL"]

    # then it gets some for its own time
    assert "gone" not in found


def test_who_asks_whether_a_folder_is_claimed_keeps_nobody_from_claiming_it(tmp_path: Path) -> None:
    notes = StateFolder(tmp_path)

    asked = [StateFolder.is_claimed(tmp_path) for _ in range(2)]
    notes.claim()
    held = StateFolder.is_claimed(tmp_path)
    notes.release()

    assert (asked, held) == ([False, False], True)
