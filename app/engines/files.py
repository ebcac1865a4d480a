"""The little that the engines do with files and words, and the error they share."""

import contextlib
import importlib.util
import sys
from pathlib import Path
from typing import TextIO


class EngineFailure(RuntimeError):
    """An engine cannot be had or does not start; the text says what to do."""


def wheel_folder(package: str) -> Path | None:
    """Where a wheel's files lie, found without importing it; None when it is not installed."""
    found = importlib.util.find_spec(package)
    return Path(found.origin).parent if found and found.origin else None


def lines_of(path: Path) -> list[str]:
    """The lines of a file; none when there is no file."""
    try:
        return path.read_text().split("\n")
    except FileNotFoundError:
        return []


def fresh_log(log: Path) -> Path:
    """A log that stays small: the former one is kept once, beyond 10 MB."""
    if log.exists() and log.stat().st_size > 10 * 2**20:
        log.rename(log.with_suffix(".1.log"))
    return log


def end_of(log: Path) -> str:
    """The last words of a log, for an error message."""
    return log.read_text(errors="replace")[-1500:] if log.exists() else ""


def say(text: str, to: TextIO | None = None) -> None:
    """Tell whoever watches. Nothing ends because its output lies on a full disk, or went to a
    terminal that is gone."""
    with contextlib.suppress(OSError):
        print(text, file=to or sys.stdout, flush=True)
