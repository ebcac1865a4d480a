"""The wheel carries everything: installed into an empty venv, it migrates a database."""

import os
import shutil
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest

from tests.databases import Server
from tests.embedded.holding import ask
from tests.house.sources import ROOT

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`holdfast`, installed from a freshly built wheel beside the locked dependencies."""
    folder = tmp_path_factory.mktemp("wheel")
    _must([sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)], ROOT)
    venv.create(folder / "venv", with_pip=False, symlinks=True)
    _install(next(folder.glob("*.whl")), folder / "venv")
    home = f"lib/python{sys.version_info.major}.{sys.version_info.minor}/site-packages"
    (folder / "venv" / home / "locked.pth").write_text(sysconfig.get_path("purelib"))
    return folder / "venv" / "bin" / "holdfast"


async def test_an_installed_wheel_migrates_a_database(
    program: Path, server: Server, tmp_path: Path
) -> None:
    url = server.create("wheel")

    _must([str(program), "migrate"], tmp_path, DATABASE_URL=url)
    tables = await ask(url, "select count(*) from pg_tables where schemaname = 'public'")

    assert tables > 5


@pytest.mark.parametrize("name", ["migrations", "email_templates", "policies"])
def test_an_installed_wheel_finds_its_files(program: Path, name: str, tmp_path: Path) -> None:
    find = f"from app.resources import resource; print(*resource({name!r}).rglob('*.*'), sep='\\n')"

    said = _must([str(program.with_name("python")), "-c", find], tmp_path)

    found = {Path(line).name for line in said.splitlines()}
    ours = {path.name for path in (ROOT / name).rglob("*.*") if path.suffix != ".pyc"}
    assert ours <= found
    assert str(ROOT) not in said


def test_an_installed_wheel_has_every_file_of_the_rooms(program: Path) -> None:
    installed = next(program.parent.parent.glob("lib/*/site-packages"))
    ours = [
        path.relative_to(ROOT)
        for room in ("app", "workers")
        for path in (ROOT / room).rglob("*.*")
        if path.suffix != ".pyc"
    ]

    assert not [path for path in ours if not (installed / path).exists()]


def _install(wheel: Path, into: Path) -> None:
    """By whatever installer set this environment up: uv or a pip that can fill other venvs."""
    python = str(into / "bin" / "python")
    base = Path(sys.base_prefix) / "bin" / "python3"
    uv = shutil.which("uv") or shutil.which("uv", path=str(Path(sys.executable).parent))
    offline = ["--no-deps", "--no-index", str(wheel)]
    if uv:
        _must([uv, "pip", "install", "-q", "--offline", "--python", python, *offline], into)
    else:
        _must([str(base), "-m", "pip", "--python", python, "install", "-q", *offline], into)


def _must(command: list[str], folder: Path, **environment: str) -> str:
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        command, cwd=folder, env=kept | environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
