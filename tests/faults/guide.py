"""The commands of docs/operations.md, typed as they stand there."""

import os
import re
import subprocess
from pathlib import Path

from app.engines.postgres import postgres_folder
from tests.house.sources import ROOT

GUIDE = (ROOT / "docs" / "operations.md").read_text()


def typed(heading: str) -> list[str]:
    """The commands below a heading of the guide."""
    part = GUIDE.partition(f"## {heading}\n")[2].partition("\n## ")[0]
    return re.findall(r"^    (\S.*)$", part, re.M)


def types(command: str, folder: Path, *programs: Path, **named: str) -> str:
    """Type a command in a folder; what it printed. PostgreSQL's programs are found, and those in
    `programs` before them."""
    places = [*map(str, programs), str(postgres_folder()), os.environ["PATH"]]
    environment = {**os.environ, **named, "PATH": os.pathsep.join(places)}
    done = subprocess.run(
        ["sh", "-c", command],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
    return done.stdout + done.stderr
