"""What a first start writes is there after a loss of power, whole and under its name."""

import os
import stat
from pathlib import Path

import pytest

from app.config import Settings
from app.durable import write_durably
from app.engines import EngineFailure
from app.engines.homes import open_home
from app.sealing import kept_keys
from app.wiring import NotConfigured, master_keys


@pytest.fixture
def synced(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The inodes that were told to be on the disk, in their order."""
    told: list[int] = []
    monkeypatch.setattr(os, "fsync", lambda opened: told.append(os.fstat(opened).st_ino))
    return told


def test_a_secret_is_on_the_disk_before_it_has_its_name_and_then_the_name_is(
    tmp_path: Path, synced: list[int]
) -> None:
    path = tmp_path / "database_password"
    path.write_text("former")

    write_durably(path, "secret")

    assert synced == [path.stat().st_ino, tmp_path.stat().st_ino]
    assert path.read_text() == "secret"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_secret_that_finds_no_room_leaves_the_former_one(tmp_path: Path) -> None:
    path = tmp_path / "taken"
    path.mkdir()

    with pytest.raises(OSError, match="taken"):
        write_durably(path, "secret")

    assert path.is_dir()


def test_master_keys_are_on_the_disk_before_anything_is_sealed_under_them(
    tmp_path: Path, synced: list[int]
) -> None:
    path = tmp_path / "secret-keys"

    kept_keys(path)

    assert synced == [path.stat().st_ino, tmp_path.stat().st_ino]


def test_an_empty_file_of_master_keys_is_refused_in_words(tmp_path: Path) -> None:
    (tmp_path / "secret-keys").touch()
    settings = Settings(environment="development", state_dir=tmp_path, secret_keys=())

    with pytest.raises(NotConfigured, match=r"secret-keys is empty.*put a copy"):
        master_keys(settings)


def test_an_empty_name_of_the_room_is_not_taken_for_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)  # root alone has a room elsewhere
    (tmp_path / "room").touch()

    with pytest.raises(EngineFailure, match="room is empty"):
        open_home(tmp_path)

    (tmp_path / "room").unlink()
