"""Rooms of engines that killed test runs left behind: as root they lie outside the test's folder.

A test of durable engines may stop and start them in one folder, so that nobody holding the folder
does not yet mean that nobody needs it: what counts is the process of the test run.
"""

import os
import re
import shutil
from pathlib import Path

from app.engines.homes import StateFolder

RUN = re.compile(r"(?P<run>.*/pytest-of-[^/]+/pytest-\d+)/")


def sweep(parent: Path) -> list[str]:
    """Remove the rooms in `parent` whose test run is over; their names. Rooms of anything but
    test runs are left alone, and so is all that may not be looked at."""
    gone = [room for room in sorted(parent.glob("*")) if _is_left_behind(room)]
    for room in gone:
        shutil.rmtree(room, ignore_errors=True)
    return [room.name for room in gone]


def _is_left_behind(room: Path) -> bool:
    try:
        owner = Path((room / "owner").read_text().strip())
        run = RUN.match(f"{owner}/")
        if run is None or _lives(Path(run["run"])):
            return False
        return not StateFolder.is_claimed(owner)
    except OSError:
        return False


def _lives(run: Path) -> bool:
    """Whether the process that works in this folder of pytest's is there: its id stands in a lock
    that pytest takes away at the end, and the folder goes some runs later."""
    try:
        os.kill(int((run / ".lock").read_text()), 0)
    except (FileNotFoundError, ProcessLookupError, ValueError):
        return False
    except PermissionError:
        return True
    return True
