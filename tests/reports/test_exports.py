"""Nightly files: whole or not there, the same bytes every time, and told by their manifest."""

import csv
import hashlib
import io
import json
import re
import sys
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pyarrow.parquet as pq
import pytest

from app.domain.saves import Rung
from app.operations.exporting import run
from app.ports.exports import NoParquet
from app.reports.exporting import FILES, export_day, last_day
from app.storage.exports import FolderShelf
from app.wiring import refusal
from tests.house.sources import ROOT
from tests.reports.builders import MERCHANT, day, entry, failure, judged, session
from tests.reports.conftest import Ledger

pytestmark = pytest.mark.anyio
DAY = date(2026, 1, 10)
LATER = datetime(2026, 3, 1, tzinfo=UTC)


async def exports(ledger: Ledger, root: Path, **more: Any) -> bool:
    told: dict[str, Any] = {"figures": ledger.figures, "now": LATER} | more
    return await export_day(MERCHANT, DAY, shelf=FolderShelf(root), **told)


def files(root: Path) -> dict[str, bytes]:
    found = (root / MERCHANT / DAY.isoformat()).iterdir()
    return {path.name: path.read_bytes() for path in found}


@pytest.fixture
async def busy(ledger: Ledger) -> Ledger:
    """A merchant with a payment of the day, one recorded too late for it, and one of before."""
    await ledger.holds(
        failure(1_000, at=day(9)),
        entry(600, at=day(10), plan="=cmd()"),
        entry(300, at=day(10, hour=13), recorded_at=day(12)),
        entry(100, at=day(10) - timedelta(days=40), invoice_id="in_0"),
    )
    return ledger


async def test_a_day_is_a_folder_of_files_told_by_its_manifest(
    busy: Ledger, tmp_path: Path
) -> None:
    wrote = await exports(busy, tmp_path)

    found = files(tmp_path)
    manifest = json.loads(found.pop("manifest.json"))
    told = {file["name"]: file for file in manifest["files"]}
    assert wrote
    assert set(found) == set(told) == {f"{file.name}.csv" for file in FILES}
    for name, content in found.items():
        lines = content.decode().split("\r\n")
        assert told[name]["sha256"] == hashlib.sha256(content).hexdigest()
        assert told[name]["bytes"] == len(content)
        assert told[name]["rows"] == len(lines) - 2
        assert told[name]["columns"] == lines[0].split(",")
    (line,) = csv.DictReader(found["entries.csv"].decode().splitlines())
    assert (line["amount_minor"], line["plan"]) == ("600", "'=cmd()")
    assert manifest["as_of"] == "2026-01-11T04:59:55.000000Z"
    days = {name: (file.get("from"), file.get("to")) for name, file in told.items()}
    assert days.pop("at-risk.csv") == (None, None)
    assert days.pop("saves.csv") == ("2025-09-08", "2026-01-10")
    assert set(days.values()) == {("2025-12-07", "2026-01-10")}


async def test_the_last_rung_of_a_save_is_in_the_files_of_its_day(
    ledger: Ledger, tmp_path: Path
) -> None:
    accepted = day(10) - timedelta(days=90)
    rung = judged("ses_1", Rung.SAVED_90D, at=accepted, kept=True)
    taken = judged("ses_1", Rung.ACCEPTED, at=accepted, kept=True)
    await ledger.holds(
        session("ses_1"),
        replace(taken, recorded_at=accepted),
        replace(rung, due_at=day(10), recorded_at=day(10)),
    )

    await exports(ledger, tmp_path)

    (line,) = csv.DictReader(files(tmp_path)["saves.csv"].decode().splitlines())
    assert (line["period"], line["n_saved_90d"]) == ("2025-10-12", "1")


async def test_the_same_day_gives_the_same_bytes_and_is_not_written_twice(
    busy: Ledger, tmp_path: Path
) -> None:
    await exports(busy, tmp_path / "first")
    await busy.holds(entry(50, at=day(10, hour=14), recorded_at=day(20)))

    again = await exports(busy, tmp_path / "first")
    await exports(busy, tmp_path / "second", now=LATER + timedelta(days=9))

    assert not again
    assert files(tmp_path / "first") == files(tmp_path / "second")


async def test_as_parquet_every_file_says_the_same_with_typed_columns(
    busy: Ledger, tmp_path: Path
) -> None:
    await exports(busy, tmp_path / "first", parquet=True)
    await exports(busy, tmp_path / "second", parquet=True)

    found = files(tmp_path / "first")
    told = {file["name"]: file for file in json.loads(found["manifest.json"])["files"]}
    assert found == files(tmp_path / "second")
    for file in FILES:
        lines = list(csv.DictReader(found[f"{file.name}.csv"].decode().splitlines()))
        content = found[f"{file.name}.parquet"]
        rows = pq.read_table(io.BytesIO(content)).to_pylist()
        assert told[f"{file.name}.parquet"]["sha256"] == hashlib.sha256(content).hexdigest()
        assert told[f"{file.name}.parquet"]["rows"] == len(rows) == len(lines)
        assert [[as_csv(value) for value in row.values()] for row in rows] == [
            [cell.removeprefix("'") for cell in line.values()] for line in lines
        ]


def as_csv(value: object) -> str:
    """A typed value as the CSV has it."""
    if isinstance(value, datetime):
        return value.isoformat(timespec="microseconds").replace("+00:00", "Z")
    return "" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


async def test_parquet_keeps_money_dates_and_instants_apart(busy: Ledger, tmp_path: Path) -> None:
    await exports(busy, tmp_path, parquet=True)

    found = files(tmp_path)
    (line,) = pq.read_table(io.BytesIO(found["entries.parquet"])).to_pylist()
    rate = pq.read_table(io.BytesIO(found["recovery-rate.parquet"])).to_pylist()
    assert (line["amount_minor"], line["plan"]) == (600, "=cmd()")
    assert line["occurred_at"] == day(10)
    assert rate[0]["period"] == date(2026, 1, 9)
    assert rate[0]["rate"] == Decimal("0.6")
    assert rate[0]["trial_conversion"] is False


async def test_without_the_optional_part_parquet_is_refused_and_nothing_is_left(
    busy: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    monkeypatch.setenv("HOLDFAST_EXPORT_PARQUET", "true")

    with pytest.raises(NoParquet, match=r"holdfast\[parquet\]"):
        await exports(busy, tmp_path, parquet=True)
    assert list((tmp_path / MERCHANT).iterdir()) == []
    assert "export_parquet" in (refusal() or "")


class Full:
    """A shelf on a disk that is full after the first file."""

    def __init__(self, root: Path) -> None:
        self.shelf = FolderShelf(root)
        self.has = self.shelf.has

    def box(self, merchant_id: str, day: str) -> Any:
        return _Filling(self.shelf.box(merchant_id, day))


class _Filling:
    def __init__(self, real: Any) -> None:
        self.real, self.put_before = real, False

    async def __aenter__(self) -> "_Filling":
        self.box = await self.real.__aenter__()
        return self

    async def __aexit__(self, *fault: Any) -> Any:
        return await self.real.__aexit__(*fault)

    async def put(self, name: str, pieces: Any) -> Any:
        if self.put_before:
            raise OSError("no space left on device")
        self.put_before = True
        return await self.box.put(name, pieces)


async def test_what_breaks_off_leaves_nothing_and_the_next_try_writes_it(
    busy: Ledger, tmp_path: Path
) -> None:
    with pytest.raises(OSError, match="no space"):
        await export_day(MERCHANT, DAY, figures=busy.figures, shelf=Full(tmp_path), now=LATER)
    left = list((tmp_path / MERCHANT).iterdir())

    assert left == []
    assert await exports(busy, tmp_path)


async def test_of_two_that_write_at_once_one_stays(busy: Ledger, tmp_path: Path) -> None:
    shelf = FolderShelf(tmp_path)
    async with shelf.box(MERCHANT, DAY.isoformat()) as slower:
        await exports(busy, tmp_path)
        await slower.close({"files": []})

    assert len(json.loads(files(tmp_path)["manifest.json"])["files"]) == len(FILES)
    assert [path.name for path in (tmp_path / MERCHANT).iterdir()] == [DAY.isoformat()]


def test_a_day_is_exported_once_the_night_has_mended_it() -> None:
    berlin = ZoneInfo("Europe/Berlin")
    midnight = datetime(2026, 1, 11, tzinfo=berlin)

    assert last_day(midnight + timedelta(hours=4), berlin) == date(2026, 1, 9)
    assert last_day(midnight + timedelta(hours=5), berlin) == date(2026, 1, 10)


def test_the_page_names_each_file_in_the_same_words() -> None:
    page = (ROOT / "docs" / "exports.md").read_text()

    assert re.findall(r"^\| `([\w-]+)\.csv` \| (.+) \|$", page, re.M) == [
        (file.name, file.says) for file in FILES
    ]


def test_a_day_that_is_none_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        run([str(tmp_path), "--day", "yesterday"])

    assert "invalid" in capsys.readouterr().err
