"""`./run` on machines that lack something says what to do."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.house.sources import ROOT

BASICS = ("sh", "dirname", "cat", "cksum", "tr", "uname", "rm", "mv")
SAYS_3_9 = "#!/bin/sh\nexit 1\n"
NEITHER = """#!/bin/sh
case "$*" in *'import pip'*|*'import ensurepip'*) exit 1;; esac
exec {python} "$@"
"""


@pytest.fixture
def machine(tmp_path: Path) -> Path:
    """A folder of programs: all that the machine has."""
    for name in BASICS:
        found = shutil.which(name)
        assert found
        (tmp_path / name).symlink_to(found)
    return tmp_path


def run_on(machine: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": str(machine), "VENV": str(machine / "venv"), "HOME": str(machine)}
    return subprocess.run(
        [str(machine / "sh"), str(ROOT / "run"), *arguments],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


def program(path: Path, text: str) -> None:
    path.write_text(text)
    path.chmod(0o755)


def test_without_python_it_names_the_one_command(machine: Path) -> None:
    done = run_on(machine, "demo")

    assert done.returncode == 2
    assert "Python 3.11 or newer" in done.stderr
    assert len([line for line in done.stderr.splitlines() if line.startswith("    ")]) == 1


def test_an_old_python_is_not_enough(machine: Path) -> None:
    program(machine / "python3", SAYS_3_9)

    done = run_on(machine, "demo")

    assert done.returncode == 2
    assert "Python 3.11 or newer" in done.stderr


def test_a_python_without_pip_and_ensurepip_is_not_enough(machine: Path) -> None:
    program(machine / "python3", NEITHER.format(python=sys.executable))

    done = run_on(machine, "demo")

    assert done.returncode == 2
    assert "neither pip nor ensurepip" in done.stderr
    assert not list(machine.glob("venv*"))


def test_help_needs_nothing(machine: Path) -> None:
    done = run_on(machine, "help")

    assert done.returncode == 0
    assert "./run demo" in done.stdout


def test_translate_starts_without_the_command_line_library() -> None:
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "app", "translate"],
        cwd=ROOT,
        env=os.environ,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0
    assert not [
        m for m in ("typer", "sqlalchemy", "fastapi", "stripe") if f"| {m}\n" in done.stderr
    ]
