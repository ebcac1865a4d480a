"""The import contracts catch what they are there to catch."""

import importlib.util
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.house.sources import ROOT

# contract, where the intruder sits, what it imports. Each is a thing that once seemed handy.
VIOLATIONS = [
    ("Rooms know only what stands below them", "app/domain", "app.ports"),
    ("Rooms know only what stands below them", "app/ports", "app.services"),
    ("Rooms know only what stands below them", "app/services", "app.storage"),
    ("Rooms know only what stands below them", "app/services", "app.reports"),
    ("Rooms know only what stands below them", "app/reports", "app.services"),
    ("Rooms know only what stands below them", "app/api", "app.storage"),
    ("Rooms know only what stands below them", "app/storage", "app.mail"),
    ("Rooms know only what stands below them", "app/pages", "app.wiring"),
    ("Rooms know only what stands below them", "app/operations", "app.demo"),
    ("The app never knows the workers", "app/services", "workers"),
    ("Settings are read by the wiring", "app/operations", "app.config"),
    ("Stripe's library stays in its room", "app/providers/sandbox", "stripe"),
    ("SQL stays in the storage room", "app/services", "sqlalchemy"),
    ("SQL stays in the storage room", "app/api", "asyncpg"),
    ("HTTP stays at the edge", "app/services", "fastapi"),
    ("arq carries work, the app does not know it", "app/wake", "arq"),
]


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    copy = tmp_path_factory.mktemp("house")
    for room in ("app", "workers"):
        shutil.copytree(
            ROOT / room, copy / room, ignore=shutil.ignore_patterns("__pycache__", "static")
        )
    shutil.copy(ROOT / "pyproject.toml", copy)
    for room in ("mail", "demo", "operations", "pages", "reports", "wake", "services", "api"):
        _module(copy / "app" / room / "__init__.py")
    for file in ("wiring.py", "config.py"):
        _module(copy / "app" / file)
    return copy


def test_every_contract_breaks_on_its_violation(tree: Path, tmp_path: Path) -> None:
    # given one intruder for each thing a room must not know
    copy = tmp_path / "broken"
    shutil.copytree(tree, copy)
    for number, (_, room, module) in enumerate(VIOLATIONS):
        _module(copy / room / f"intruder_{number}.py", f"import {module}\n")

    # when the contracts are checked
    said = _lint(copy)

    # then every intruder is named by the contract that it breaks
    unseen = [
        (contract, room, module)
        for number, (contract, room, module) in enumerate(VIOLATIONS)
        if f"intruder_{number} -> {module}" not in _section(said, contract)
    ]
    assert not unseen, said


def test_a_room_that_is_in_no_plan_is_refused(tree: Path, tmp_path: Path) -> None:
    copy = tmp_path / "extended"
    shutil.copytree(tree, copy)
    _module(copy / "app" / "attic" / "__init__.py")

    said = _lint(copy)

    assert "attic" in said
    assert "BROKEN" in said


def _module(path: Path, text: str = "") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        path.write_text(text)


def _lint(folder: Path) -> str:
    program = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run(
        [program, "--no-cache"], cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1, done.stdout + done.stderr
    return done.stdout


def _section(said: str, contract: str) -> str:
    """What was said about one broken contract, after the list of all of them."""
    details = said.partition("Broken contracts")[2]
    return details[details.find(contract) :]


def test_httpcore_finds_the_library_it_asks_for_on_every_request() -> None:
    assert importlib.util.find_spec("sniffio")
