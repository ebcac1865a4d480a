"""The files that the rules of the house are about."""

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
ROOMS = ("app", "workers", "bench", "migrations", "tests")
NOT_OURS = {"node_modules", "__pycache__", "static", "dist", "build"}
TEXT = {
    ".py",
    ".md",
    ".toml",
    ".yaml",
    ".yml",
    ".j2",
    ".mjml",
    ".html",
    ".css",
    ".js",
    ".lock",
    ".sql",
}


def python_files(*rooms: str) -> list[Path]:
    return sorted(
        path
        for room in rooms or ROOMS
        for path in (ROOT / room).rglob("*.py")
        if not NOT_OURS & set(path.relative_to(ROOT).parts)
    )


def text_files() -> list[Path]:
    """Everything of ours that is read by people or machines; never what was installed."""
    found = [ROOT / "run", ROOT / ".ci" / "run"]
    for path in ROOT.iterdir():
        if path.is_file():
            found += [path]
        elif not path.name.startswith(".") and path.name not in NOT_OURS:
            found += [inner for inner in path.rglob("*") if not NOT_OURS & set(inner.parts)]
    return sorted(p for p in set(found) if p.is_file() and (p.suffix in TEXT or p.name == "run"))


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def room_of(path: Path) -> str:
    """`app/storage/x.py` is in `storage`, `app/main.py` is `main`."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return parts[1] if len(parts) > 1 else parts[0]


def calls(tree: ast.AST) -> Iterator[str]:
    """What is called, as it is written: `datetime.now`, `tx.commit`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            yield ast.unparse(node.func)


def texts(tree: ast.AST) -> Iterator[str]:
    """String constants that are not docstrings."""
    docstrings = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        and node.body
        and isinstance(node.body[0], ast.Expr)
    }
    for node in ast.walk(tree):
        text = node.value if isinstance(node, ast.Constant) else None
        if isinstance(text, str) and id(node) not in docstrings:
            yield text
