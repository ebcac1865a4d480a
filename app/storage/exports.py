"""Export files in a folder: written beside, made durable, then renamed into their place."""

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

from app.ports.exports import Written
from app.storage.parquet import write_parquet

MANIFEST = "manifest.json"
UNDER_WAY = ".writing-"
BROKEN_OFF_S = 86_400.0


class FolderBox:
    """`ports.exports.Box` in a hidden folder beside its place."""

    def __init__(self, folder: Path, place: Path) -> None:
        self._folder, self._place = folder, place

    async def put(self, name: str, pieces: AsyncIterator[bytes]) -> Written:
        digest, size = hashlib.sha256(), 0
        with (self._folder / name).open("xb") as file:
            async for piece in pieces:
                file.write(piece)
                digest.update(piece)
                size += len(piece)
            _settle(file.fileno())
        return Written(sha256=digest.hexdigest(), size=size)

    async def put_table(
        self, name: str, kinds: Mapping[str, str], rows: AsyncIterator[Mapping[str, Any]]
    ) -> Written:
        path = self._folder / name
        await write_parquet(path, kinds, rows)
        with path.open("rb") as file:
            _settle(file.fileno())
            digest = hashlib.file_digest(file, "sha256")
        return Written(sha256=digest.hexdigest(), size=path.stat().st_size)

    async def close(self, manifest: dict[str, Any]) -> None:
        with (self._folder / MANIFEST).open("x") as file:
            json.dump(manifest, file, indent=2)
            file.write("\n")
            file.flush()
            _settle(file.fileno())
        self._folder.chmod(0o750)
        try:
            self._folder.rename(self._place)
        except OSError:
            if not (self._place / MANIFEST).exists():
                raise


class FolderShelf:
    """`ports.exports.Shelf`: a folder for each merchant, in it one for each day."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def has(self, merchant_id: str, day: str) -> bool:
        return (self._root / merchant_id / day / MANIFEST).exists()

    @asynccontextmanager
    async def box(self, merchant_id: str, day: str) -> AsyncIterator[FolderBox]:
        home = self._root / merchant_id
        home.mkdir(parents=True, exist_ok=True, mode=0o750)
        folder = Path(tempfile.mkdtemp(prefix=UNDER_WAY, dir=home))
        _forget_broken_off(folder)
        try:
            yield FolderBox(folder, home / day)
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def _forget_broken_off(mine: Path) -> None:
    """What a process that was killed left beside ours. Nobody writes a day for as long as a day."""
    before = mine.stat().st_mtime - BROKEN_OFF_S
    for left in mine.parent.glob(f"{UNDER_WAY}*"):
        with suppress(OSError):  # somebody else may be removing it
            if left.stat().st_mtime < before:
                shutil.rmtree(left, ignore_errors=True)


def _settle(number: int) -> None:
    os.fsync(number)
