"""A disk that is soon full."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

GIVEN = "HOLDFAST_TEST_SMALL_DISK"
NEEDED = f"""a disk that gets full is tried on a small file system of its own. Mounting one takes
root; without it, set {GIVEN} to an empty folder on a file system of 100 to 500 MB that is
used for nothing else"""
PIECE = 64 * 1024


@contextmanager
def a_small_disk(place: Path, megabytes: int = 128) -> Iterator[Path]:
    """An empty folder on a small file system: the given one, or one in memory that is mounted at
    `place`. Fails where neither can be had: nothing is left out without a word."""
    given = os.environ.get(GIVEN)
    if given:
        yield Path(given)
        return
    place.mkdir()
    size = f"size={megabytes}m,mode=0711"
    command = ["mount", "-t", "tmpfs", "-o", size, "holdfast-test", str(place)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{NEEDED} ({done.stderr.strip()})"
    try:
        yield place
    finally:
        subprocess.run(["umount", "--lazy", str(place)], check=True)


def fill(disk: Path) -> Path:
    """Leave no byte free; the file to be deleted when there is to be room again."""
    ballast = disk / "ballast"
    with ballast.open("wb", buffering=0) as file:
        for size in (PIECE, 512, 1):
            with suppress(OSError):
                while file.write(b"\0" * size) == size:
                    pass
    return ballast
