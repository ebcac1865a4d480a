"""Tables of the pages, as rows of cells."""

from collections.abc import Iterator
from pathlib import Path


def table(page: Path, heading: str) -> list[list[str]]:
    """The rows below a table's heading, a list of cells each."""
    lines = iter(page.read_text().splitlines())
    for line in lines:
        if line.startswith(heading):
            break
    next(lines)
    return list(_rows(lines))


def _rows(lines: Iterator[str]) -> Iterator[list[str]]:
    for line in lines:
        if not line.startswith("|"):
            return
        yield [cell.strip() for cell in line.strip("|").split("|")]
