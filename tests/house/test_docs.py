"""The documents are code: what they name exists, and what can be compared is compared."""

import ast
import re
import tomllib
from enum import StrEnum
from pathlib import Path

import pytest

from app.api.problems import KINDS
from app.commands import app as commands
from app.config import Settings
from app.domain.dunning import CaseState
from app.domain.merchants import CollectionMode, Scope
from app.domain.recovery import Cause
from app.storage.registry import TABLES
from tests.document import api_document
from tests.house.sources import ROOT
from tests.house.tables import table

PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
IDS = [str(page.relative_to(ROOT)) for page in PAGES]
DECISIONS = sorted((ROOT / "docs" / "decisions").glob("[0-9]*.md"))
LINK = re.compile(r"\]\(([^)#:]+)(?:#[^)]*)?\)")
PATH = re.compile(
    r"`((?:app|workers|tests|bench|docs|migrations|policies|email_templates)/[^`\s*]*)`"
)


@pytest.mark.parametrize("page", PAGES, ids=IDS)
def test_every_link_and_every_file_named_exists(page: Path) -> None:
    text = page.read_text()
    links = [page.parent / target for target in LINK.findall(text)]
    named = [ROOT / path for path in PATH.findall(text)]

    assert not [str(target) for target in [*links, *named] if not target.exists()]


def test_a_failed_payment_passes_a_dozen_files_and_the_functions_named_there() -> None:
    text = (ROOT / "docs" / "one-failed-payment.md").read_text()
    stops = re.findall(r"^\d+\. \*\*`([^`]+)`\*\* · ([^.]+)\.", text, re.M)
    missing = [
        f"{path}: {name}"
        for path, names in stops
        for name in re.findall(r"`(\w+)`", names)
        if name not in _defined(ROOT / path)
    ]

    assert 10 <= len({path for path, _ in stops}) <= 14
    assert not missing


def test_the_rooms_of_the_page_are_the_layers_and_the_folders() -> None:
    rows = table(ROOT / "docs" / "architecture.md", "| rooms |")
    told = [set(re.findall(r"`(\w+)`", row[0])) for row in rows]
    rooms = set().union(*told)

    assert told == _layers()[: len(told)]
    assert set().union(*_layers()) == rooms
    assert rooms == _rooms_on_disk()


def test_the_tables_of_the_page_are_those_of_the_store() -> None:
    rows = table(ROOT / "docs" / "architecture.md", "| what | tables |")
    told = [name for row in rows for name in re.findall(r"`(\w+)`", row[1])]

    assert sorted(told) == sorted(table.name for table in TABLES.values())


def test_the_problems_of_the_page_are_those_of_the_api() -> None:
    told = table(ROOT / "docs" / "problems.md", "| name | status |")
    answered = [[f"`{k.name}`", str(k.status), k.title, k.meaning] for k in KINDS.values()]

    assert told == answered


@pytest.mark.parametrize(
    ("word", "names"),
    [("case", CaseState), ("collection mode", CollectionMode), ("cause", Cause)],
)
def test_the_glossary_knows_every_name(word: str, names: type[StrEnum]) -> None:
    meanings = dict(table(ROOT / "docs" / "glossary.md", "| word |"))

    assert set(re.findall(r"`(\w+)`", meanings[word])) == set(names)


def test_the_glossary_has_one_meaning_for_a_word() -> None:
    words = [row[0] for row in table(ROOT / "docs" / "glossary.md", "| word |")]

    assert len(words) == len(set(words))


def test_decisions_are_numbered_once_and_listed() -> None:
    listed = table(ROOT / "docs" / "decisions" / "README.md", "| | decision |")
    expected = []
    for path in DECISIONS:
        number, title = path.read_text().splitlines()[0].removeprefix("# ").split(" ", 1)
        assert path.name.startswith(f"{number}-")
        expected.append([f"[{number}]({path.name})", title])

    assert listed == expected
    assert len({number for number, _ in expected}) == len(expected)


@pytest.mark.parametrize("path", DECISIONS, ids=[path.stem for path in DECISIONS])
def test_a_decision_says_when_and_by_which_tests_it_is_held(path: Path) -> None:
    text = path.read_text()
    status = text.splitlines()[2]
    held_by = re.findall(r"(?:tests|bench)/[\w./]*\w", status)

    assert re.match(r"Accepted, 20\d\d-\d\d", status)
    assert held_by
    assert not [name for name in held_by if not (ROOT / name).exists()]
    for part in ("Context", "Decision", "Consequences", "Alternatives"):
        assert f"**{part}.**" in text


@pytest.mark.parametrize("page", PAGES, ids=IDS)
def test_every_command_shown_is_one(page: Path) -> None:
    shown = re.findall(r"(?:^|[\s`])(?:\./run|holdfast) ([a-z]+)\b(?!/)", _commands_of(page), re.M)

    assert set(shown) <= _known_commands()


def test_the_settings_and_scopes_named_in_the_readme_exist() -> None:
    text = (ROOT / "README.md").read_text() + (ROOT / "SECURITY.md").read_text()
    known = {f"HOLDFAST_{name.upper()}" for name in Settings.model_fields}

    assert set(re.findall(r"HOLDFAST_[A-Z_]*[A-Z]", text)) <= known
    assert set(re.findall(r"--scope (\S+)", text)) <= set(Scope)


def test_the_routes_asked_in_the_readme_are_those_of_the_api() -> None:
    text = (ROOT / "README.md").read_text()
    asked = {
        path.replace("case_…", "{case_id}").replace("cus_…", "{customer}")
        for path in re.findall(r"\$API([^?\"\s]+)", text)
    }
    paths = api_document()["paths"]

    assert asked
    assert asked <= set(paths)


@pytest.mark.parametrize("page", PAGES, ids=IDS)
def test_the_routes_named_on_a_page_are_those_of_the_api(page: Path) -> None:
    known = [path.split("/") for path in api_document()["paths"]]
    named = set(re.findall(r"(?<![\w.])/v1/[\w{}…/-]*[\w}…](?![\w.])", page.read_text()))

    assert not [path for path in named if not any(_is_of(path.split("/"), one) for one in known)]


def _is_of(named: list[str], known: list[str]) -> bool:
    """Whether a path as a page shows it, with an id in some form, is this one or begins it."""
    pairs = zip(named, known, strict=False)
    same = all(here == there or there.startswith("{") for here, there in pairs)
    return len(named) <= len(known) and same


def _defined(path: Path) -> set[str]:
    definitions = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    body = ast.parse(path.read_text()).body
    return {node.name for node in body if isinstance(node, definitions)}


def _layers() -> list[set[str]]:
    linter = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
    rooms = next(contract for contract in linter["contracts"] if contract["id"] == "rooms")
    return [set(re.findall(r"\((\w+)\)", layer)) for layer in rooms["layers"]]


def _rooms_on_disk() -> set[str]:
    inside = [path for path in (ROOT / "app").iterdir() if path.name != "__init__.py"]
    folders = {path.name for path in inside if (path / "__init__.py").is_file()}
    return folders | {path.stem for path in inside if path.suffix == ".py"}


def _commands_of(page: Path) -> str:
    """What a page shows as typed: indented lines and code spans."""
    text = page.read_text()
    typed = [line.strip() for line in text.splitlines() if line.startswith("    ")]
    return "\n".join([*typed, *re.findall(r"`([^`\n]+)`", text)])


def _known_commands() -> set[str]:
    usage = (ROOT / "run").read_text()
    shell = set(re.findall(r"^    ([a-z]+)(?:\|[^)]*)?\)", usage, re.M))
    python = {
        info.name or getattr(info.callback, "__name__", "") for info in commands.registered_commands
    }
    return shell | python
