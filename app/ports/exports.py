"""Where files for people's own tools go: whole or not at all."""

from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any, Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """A file as it was written: `sha256` in hex, `size` in bytes."""

    sha256: str
    size: int


class NoParquet(RuntimeError):
    """The optional part that writes Parquet is not installed; the text says how to get it."""


class Box(Protocol):
    """The files of one day that is being written; nobody sees them before it is closed."""

    async def put(self, name: str, pieces: AsyncIterator[bytes]) -> Written:
        """Write a file out of pieces. Raises `OSError` where there is no room."""
        ...

    async def put_table(
        self, name: str, kinds: Mapping[str, str], rows: AsyncIterator[Mapping[str, Any]]
    ) -> Written:
        """Write rows as Parquet; `kinds` are its columns in order, each a `ColumnKind`. Raises
        `OSError` where there is no room, `NoParquet` where nothing here can write it."""
        ...

    async def close(self, manifest: dict[str, Any]) -> None:
        """Write `manifest.json` and let all be seen, at once. Where the day is there already, by
        somebody who was faster, theirs stays."""
        ...


class Shelf(Protocol):
    """All exports of a deployment, by merchant and day (ISO date)."""

    def has(self, merchant_id: str, day: str) -> bool:
        """Whether the day's files are there."""
        ...

    def box(self, merchant_id: str, day: str) -> AbstractAsyncContextManager[Box]:
        """Begin a day; what is not closed when the block ends is thrown away."""
        ...
