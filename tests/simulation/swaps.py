"""How a fault is planted: a name of the product means something else while a history plays."""

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from types import ModuleType
from typing import Any

from tests.simulation.stage import Stage

Swap = Callable[[Stage, ExitStack], None]


def _modules() -> list[ModuleType]:
    known = list(sys.modules.items())
    return [module for name, module in known if name.startswith("app.")]


@contextmanager
def everywhere(original: Any, replacement: Any) -> Iterator[None]:
    """Every module of the product that names `original` names `replacement` instead."""
    places = [
        (module, name)
        for module in _modules()
        for name, value in vars(module).items()
        if value is original
    ]
    assert places, f"nothing is called {original!r}"
    for module, name in places:
        setattr(module, name, replacement)
    try:
        yield
    finally:
        for module, name in places:
            setattr(module, name, original)


@contextmanager
def member(owner: Any, name: str, replacement: Any) -> Iterator[None]:
    """A member of a class, an object or a module."""
    assert hasattr(owner, name), f"{owner!r} has no {name}: nothing would be planted"
    own = name in vars(owner)
    former = vars(owner).get(name)
    setattr(owner, name, replacement)
    try:
        yield
    finally:
        if own:
            setattr(owner, name, former)
        else:
            delattr(owner, name)


@contextmanager
def entry(table: Mapping[Any, Any], key: Any, replacement: Any) -> Iterator[None]:
    """A row of a table, such as what carries out a kind of action."""
    rows: dict[Any, Any] = table  # type: ignore[assignment]
    former = rows[key]
    rows[key] = replacement
    try:
        yield
    finally:
        rows[key] = former


def put(original: Any, replacement: Any) -> Swap:
    """`everywhere`, as a swap."""
    return lambda _, stack: stack.enter_context(everywhere(original, replacement))


def put_member(owner: Any, name: str, replacement: Any) -> Swap:
    """`member`, as a swap."""
    return lambda _, stack: stack.enter_context(member(owner, name, replacement))


def put_entry(table: Mapping[Any, Any], key: Any, replacement: Any) -> Swap:
    """`entry`, as a swap."""
    return lambda _, stack: stack.enter_context(entry(table, key, replacement))


def both(*swaps: Swap) -> Swap:
    """A fault that a second line of defence would hide, with a hole in that as well."""

    def plant(stage: Stage, stack: ExitStack) -> None:
        for swap in swaps:
            swap(stage, stack)

    return plant
