"""Sizes, clocks and words: the rules of the house that a machine can see."""

import ast
import re
import sys
from pathlib import Path

import pytest

from tests.house.sources import ROOT, calls, name, python_files, room_of, text_files, texts

LONGEST_FILE = 400
LONGEST_FUNCTION = 50
WALL_CLOCKS = {"datetime.now", "datetime.utcnow", "datetime.today", "date.today", "time.time"}
# the sandbox plays another company's machine: its entry is its wiring, its book is its own
HAVE_CLOCKS = {"app/wiring.py", "app/providers/sandbox/__main__.py"}
HAVE_TRANSACTIONS = {"storage", "providers"}
SQL_CLOCK = re.compile(r"(?<![\w.])(now\(\)|current_timestamp|localtimestamp|current_date)", re.I)

# Written apart, so that this file may be searched as well.
FORBIDDEN = {
    "an absolute path of some machine": re.compile(
        "/wo" r"rk/|/ho" r"me/\w|/Us" r"ers/\w|/ro" r"ot/\w"
    ),
    "a registry's host": re.compile("pypi" r"\.org|python" r"hosted|registry\." "npm", re.I),
    "something left for later": re.compile(
        r"\bTO" r"DO\b|\bFIX" r"ME\b|\bXX" r"X\b|NotImplemented" "Error"
    ),
    "a test that does not run": re.compile(
        r"pytest\.sk" r"ip|mark\.sk" r"ip|xf" r"ail(?!_strict)|importor" "skip"
    ),
}


def test_files_are_small() -> None:
    sizes = {name(path): len(path.read_text().splitlines()) for path in python_files()}
    long = {file: lines for file, lines in sizes.items() if lines > LONGEST_FILE}

    assert not long


def test_functions_are_small() -> None:
    long = [
        f"{name(path)}: {node.name} has {_length(node)} lines"
        for path in python_files()
        for node in ast.walk(_tree(path))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and _length(node) > LONGEST_FUNCTION
    ]

    assert not long


def test_only_the_wiring_asks_the_time() -> None:
    asking = [
        f"{name(path)}: {call}"
        for path in python_files("app", "workers", "migrations")
        for call in calls(_tree(path))
        if call.endswith("func.now") or (call in WALL_CLOCKS and name(path) not in HAVE_CLOCKS)
    ]

    assert not asking


def test_sql_is_told_the_time() -> None:
    asking = [
        f"{name(path)}: {text[:60]}"
        for path in python_files("app", "workers", "migrations")
        for text in texts(_tree(path))
        if SQL_CLOCK.search(text)
    ]

    assert not asking


def test_only_the_storage_ends_a_transaction() -> None:
    ending = [
        f"{name(path)}: {call}"
        for path in python_files("app", "workers")
        for call in calls(_tree(path))
        if call.endswith((".commit", ".rollback")) and room_of(path) not in HAVE_TRANSACTIONS
    ]

    assert not ending


def test_the_domain_needs_nothing_but_the_standard_library() -> None:
    foreign = [
        f"{name(path)}: {module}"
        for path in python_files("app/domain")
        for node in ast.walk(_tree(path))
        for module in _imported(node)
        if module.split(".")[0] not in sys.stdlib_module_names
        and not module.startswith("app.domain")
    ]

    assert not foreign


def test_no_module_hides_behind_an_underscore() -> None:
    files = [path for path in python_files("app", "workers") if path.name.startswith("_")]

    assert {path.name for path in files} <= {"__init__.py", "__main__.py"}


def test_texts_speak_of_the_project_alone() -> None:
    found = [
        f"{name(path)}: {match.group()!r} is {what}"
        for path in text_files()
        for what, rule in FORBIDDEN.items()
        for match in rule.finditer(path.read_text(errors="replace"))
    ]

    assert not found


@pytest.mark.parametrize("lock", ["requirements.lock", "bootstrap.lock"])
def test_a_lock_names_hashes_and_no_hosts(lock: str) -> None:
    text = (ROOT / lock).read_text()
    pinned = re.findall(r"^[\w.\[\],-]+==", text, re.M)

    assert "://" not in text
    assert text.count("--hash=sha256:") >= len(pinned) > 0


def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


def _length(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    return (node.end_lineno or node.lineno) - node.lineno + 1


def _imported(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        return [node.module or ""]
    return []
