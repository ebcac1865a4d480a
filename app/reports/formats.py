"""One answer as JSON, CSV or NDJSON, made while it is sent."""

import csv
import io
import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from typing import Any

from app.reports.answers import Answer
from app.reports.columns import ColumnKind, kinds_of

JSON, CSV, NDJSON = "application/json", "text/csv", "application/x-ndjson"

# A cell that begins like this is a formula to a spreadsheet program; an apostrophe before it
# makes it text. The wide forms count too: some programs fold them.
FORMULA = re.compile("[\t\r\n]|\\s*[=+@\uff1d\uff0b\uff0d\uff20-]")
PLAIN_NUMBER = re.compile("-?[0-9]+([.][0-9]+)?")
CHUNK = 65_536


def safe_cell(value: object) -> object:
    """A value as CSV may hold it: numbers as they are, None empty, text never a formula."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return value
    text = str(value)
    return f"'{text}" if FORMULA.match(text) else text


def cell_of(value: object, kind: ColumnKind) -> object:
    """A value of a column of this kind: a decimal is told as text and yet a number."""
    if kind is ColumnKind.DECIMAL and PLAIN_NUMBER.fullmatch(str(value)):
        return value
    return safe_cell(value)


async def _json(answer: Answer) -> AsyncIterator[str]:
    yield _dumps(answer.head)[:-1] + ',"rows":['
    between = "\n"
    async for row in answer.rows:
        yield between + _dumps(row)
        between = ",\n"
    tail = _dumps(await answer.tail())[1:]
    yield f"\n]{',' if tail != '}' else ''}{tail}\n"


async def _ndjson(answer: Answer) -> AsyncIterator[str]:
    async for row in answer.rows:
        yield _dumps(row) + "\n"


async def _csv(answer: Answer) -> AsyncIterator[str]:
    yield _csv_line([safe_cell(name) for name in answer.columns])
    kinds = kinds_of(answer)
    async for row in answer.rows:
        yield _csv_line([cell_of(row[name], kinds[name]) for name in answer.columns])


def _csv_line(cells: Sequence[object]) -> str:
    line = io.StringIO()
    csv.writer(line, lineterminator="\r\n").writerow(cells)
    return line.getvalue()


def _dumps(value: Mapping[str, Any]) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


RENDERERS: Mapping[str, Callable[[Answer], AsyncIterator[str]]] = {
    JSON: _json,
    CSV: _csv,
    NDJSON: _ndjson,
}


async def rendered(answer: Answer, media_type: str) -> AsyncIterator[bytes]:
    """The answer in one of `RENDERERS`, UTF-8, in pieces of some 64 KiB.

    A small answer comes in one piece, so that whoever awaits the first piece meets its errors
    before anything is sent.
    """
    pieces: list[str] = []
    size = 0
    async for piece in RENDERERS[media_type](answer):
        pieces.append(piece)
        size += len(piece)
        if size >= CHUNK:
            yield "".join(pieces).encode()
            pieces, size = [], 0
    if pieces:
        yield "".join(pieces).encode()


async def first_then_rest(pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The same pieces, the first of them made now: its errors are raised here."""
    first: Awaitable[bytes] = anext(pieces, b"")
    made = await first

    async def rest() -> AsyncIterator[bytes]:
        yield made
        async for piece in pieces:
            yield piece

    return rest()


def preferred(accept: str) -> str | None:
    """The media type an `Accept` header prefers among ours, JSON where all are alike; None where
    it takes none of them. The most specific range decides a type's quality, as in RFC 9110."""
    ranges = [_range(part) for part in (accept or "*/*").split(",")]
    best, best_quality = None, 0.0
    for media_type in RENDERERS:
        fitting = {"*/*", media_type.split("/")[0] + "/*", media_type}
        found = [(name.count("*"), quality) for name, quality in ranges if name in fitting]
        quality = min(found)[1] if found else 0.0
        if quality > best_quality:
            best, best_quality = media_type, quality
    return best


def _range(part: str) -> tuple[str, float]:
    name, *parameters = (piece.strip().lower() for piece in part.split(";"))
    quality = next((value[2:] for value in parameters if value.startswith("q=")), "1")
    try:
        return name, min(max(float(quality), 0.0), 1.0)
    except ValueError:
        return name, 0.0
