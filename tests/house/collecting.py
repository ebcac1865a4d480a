"""What pytest finds in files of tests."""

import subprocess
import sys
from collections.abc import Collection

from tests.house.sources import ROOT


def collected(files: Collection[str], *options: str) -> set[str]:
    """The names of the tests in those of these files that exist, without parameters."""
    existing = sorted(file for file in files if (ROOT / file).is_file())
    command = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider"]
    done = subprocess.run(
        [*command, *options, *existing], cwd=ROOT, capture_output=True, text=True, check=False
    )
    return {line.partition("[")[0] for line in done.stdout.splitlines() if "::" in line}
