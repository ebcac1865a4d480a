"""What killed test runs leave behind goes when the next one starts, and nothing else does."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from app.engines.homes import StateFolder
from tests.rooms import sweep


def a_run(folder: Path, lock: int | None) -> Path:
    """The state folder of a test whose run's process has this id; None where it ended well."""
    run = folder / "pytest-of-somebody" / "pytest-7"
    state = run / "popen-gw0" / "test_up0" / "state"
    state.mkdir(parents=True)
    if lock is not None:
        (run / ".lock").write_text(str(lock))
    return state


def a_room(folder: Path, owner: Path) -> Path:
    room = folder / "rooms" / "a1b2"
    (room / "postgres").mkdir(parents=True)
    (room / "owner").write_text(str(owner))
    return folder / "rooms"


@pytest.fixture
def dead() -> int:
    """The id of a process that is no more."""
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    return child.pid


def test_the_room_of_a_killed_run_goes(tmp_path: Path, dead: int) -> None:
    rooms = a_room(tmp_path, a_run(tmp_path, dead))

    assert sweep(rooms) == ["a1b2"]
    assert list(rooms.iterdir()) == []


def test_the_room_of_a_run_whose_folder_is_gone_goes(tmp_path: Path) -> None:
    rooms = a_room(tmp_path, tmp_path / "pytest-of-somebody" / "pytest-3" / "test_up0" / "state")

    assert sweep(rooms) == ["a1b2"]


def test_the_room_of_a_run_that_goes_on_stays(tmp_path: Path) -> None:
    rooms = a_room(tmp_path, a_run(tmp_path, os.getpid()))

    assert sweep(rooms) == []
    assert (rooms / "a1b2" / "postgres").exists()


def test_a_room_that_a_supervisor_holds_stays(tmp_path: Path, dead: int) -> None:
    state = a_run(tmp_path, dead)
    held = StateFolder(state)
    held.claim()

    rooms = a_room(tmp_path, state)

    assert sweep(rooms) == []
    held.release()


@pytest.mark.parametrize("owner", ["srv/holdfast", "moved/away", "pytest-of-somebody"])
def test_the_room_of_anything_but_a_test_run_stays(tmp_path: Path, owner: str) -> None:
    rooms = a_room(tmp_path, Path(owner))
    (rooms / "stray").touch()

    assert sweep(rooms) == []
