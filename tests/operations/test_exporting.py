"""`holdfast export`, as an operator types it."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from app.operations import accounts, exporting
from app.reports.exporting import FILES, FIRST_DAY
from tests.operations.conftest import Command

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
YESTERDAY = "2026-03-01"


@pytest.fixture(autouse=True)
def connected(says: Command, deployment: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """One merchant in UTC, at noon of 2 March."""
    clock = tmp_path / "clock"
    clock.write_text(NOW.isoformat())
    deployment.setenv("HOLDFAST_CLOCK_FILE", str(clock))
    says(accounts.run, "add", "--merchant", "Kelp", typed="sk_test_1\n\n")


def days_in(folder: Path) -> list[str]:
    return sorted(path.name for merchant in folder.iterdir() for path in merchant.iterdir())


def test_the_last_day_that_is_over_is_written_once(says: Command, tmp_path: Path) -> None:
    folder = tmp_path / "files"

    first, wrote = says(exporting.run, str(folder))
    second, known = says(exporting.run, str(folder))

    (home,) = folder.iterdir()
    manifest = json.loads((home / YESTERDAY / "manifest.json").read_text())
    assert (first, second) == (0, 0)
    assert f"{home / YESTERDAY} is written" in wrote
    assert f"{home / YESTERDAY} was there already" in known
    assert days_in(folder) == [YESTERDAY]
    assert len(manifest["files"]) == len(FILES)


def test_an_earlier_day_is_written_when_it_is_named(says: Command, tmp_path: Path) -> None:
    folder = tmp_path / "files"

    status, _ = says(exporting.run, str(folder), "--merchant", "Kelp", "--day", "2026-01-31")

    assert (status, days_in(folder)) == (0, ["2026-01-31"])


@pytest.mark.parametrize(
    ("words", "told"),
    [
        pytest.param(("--day", NOW.date().isoformat()), f"{YESTERDAY} is the latest", id="today"),
        pytest.param(("--day", "0001-01-01"), "the earliest that can be asked for", id="year one"),
        pytest.param(("--merchant", "Weed"), "name one merchant", id="nobody's name"),
    ],
)
def test_what_cannot_be_exported_is_refused_in_words_and_leaves_nothing(
    says: Command, tmp_path: Path, words: tuple[str, ...], told: str
) -> None:
    folder = tmp_path / "files"

    status, printed = says(exporting.run, str(folder), *words)

    assert status == 2
    assert told in printed
    assert not folder.exists()


def test_a_folder_that_is_a_file_is_refused_in_words(says: Command, tmp_path: Path) -> None:
    (tmp_path / "files").write_text("")

    status, printed = says(exporting.run, str(tmp_path / "files"))

    assert (status, "cannot be written to" in printed) == (2, True)


def test_the_first_day_that_can_be_asked_for_can_be_written(says: Command, tmp_path: Path) -> None:
    first = FIRST_DAY

    status, _ = says(exporting.run, str(tmp_path / "files"), "--day", first.isoformat())
    before, _ = says(
        exporting.run, str(tmp_path / "files"), "--day", (first - timedelta(days=1)).isoformat()
    )

    assert (status, before) == (0, 2)
