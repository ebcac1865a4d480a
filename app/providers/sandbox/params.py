"""Reading parameters: from a form with brackets to nested values, and from text to types.

A `Kind` takes a raw value and its path and returns the typed value or raises `ApiError` (400).
The same kinds read values that are typed already, so that the core can be called from Python.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from app.providers.sandbox.errors import Thing, invalid, missing_parameter, unknown_parameter

Kind = Callable[[Any, str], Any]
Accepts = Mapping[str, Kind]

KEY_PARTS = re.compile(r"^[^\[\]]+|\[[^\[\]]*\]")
MAX_METADATA = 50


def parse_form(pairs: Iterable[tuple[str, str]]) -> Thing:
    """`a[b][0]=x` becomes `{"a": {"b": {"0": "x"}}}`; `a[]` takes the next free number."""
    root: Thing = {}
    for key, value in pairs:
        _place(root, [part.strip("[]") for part in KEY_PARTS.findall(key)] or [key], value)
    return root


def _place(root: Thing, parts: list[str], value: str) -> None:
    spot = root
    for part, following in zip(parts, [*parts[1:], None], strict=True):
        name = part or str(len(spot))
        if following is None:
            spot[name] = value
        else:
            inner = spot.get(name)
            if not isinstance(inner, dict):
                inner = spot[name] = {}
            spot = inner


def text(value: Any, path: str) -> str:
    """A string; empty is refused (see `clearable`)."""
    if isinstance(value, dict | list) or value in (None, ""):
        raise invalid(f"You passed an empty or invalid string for '{path}'.", param=path)
    return str(value)


def whole(value: Any, path: str) -> int:
    """An integer, as a number or as digits."""
    try:
        return int(str(value))
    except ValueError:
        refusal = invalid(f"Invalid integer: {value}", code="parameter_invalid_integer", param=path)
        raise refusal from None


def number(value: Any, path: str) -> float:
    """A decimal number."""
    try:
        return float(value)
    except (TypeError, ValueError):
        raise invalid(f"Invalid decimal: {value}", param=path) from None


def flag(value: Any, path: str) -> bool:
    """A boolean, typed or spelled `true` or `false`."""
    if value in (True, "true", "True", "1"):
        return True
    if value in (False, "false", "False", "0"):
        return False
    raise invalid(f"Invalid boolean: {value}", param=path)


def instant(value: Any, path: str) -> int | str:
    """Unix seconds, or one of the words the provider knows (`now`, `max_period_end`)."""
    if value in ("now", "min_period_end", "max_period_end"):
        return str(value)
    return whole(value, path)


def currency(value: Any, path: str) -> str:
    """A lower-case ISO 4217 code."""
    code = text(value, path).lower()
    if not re.fullmatch(r"[a-z]{3}", code):
        raise invalid(f"Invalid currency: {code}.", param=path)
    return code


def anything(value: Any, path: str) -> Any:
    """Taken as it is."""
    return value


def choice(*words: str) -> Kind:
    """One of the words."""

    def read(value: Any, path: str) -> str:
        if value not in words:
            raise invalid(f"Invalid {path}: must be one of {', '.join(words)}", param=path)
        return str(value)

    return read


def clearable(kind: Kind) -> Kind:
    """The empty string (or None) clears the field and reads as None."""

    def read(value: Any, path: str) -> Any:
        return None if value in ("", None) else kind(value, path)

    return read


def many(kind: Kind) -> Kind:
    """A list, given as a list or numbered; the empty string is the empty list."""

    def read(value: Any, path: str) -> list[Any]:
        if value in ("", None):
            return []
        if isinstance(value, dict):
            value = [value[key] for key in sorted(value, key=_list_position)]
        if not isinstance(value, list | tuple):
            raise invalid(f"Invalid array: {path}", param=path)
        return [kind(item, f"{path}[{place}]") for place, item in enumerate(value)]

    return read


def _list_position(key: str) -> tuple[int, str]:
    return (int(key), "") if key.isdigit() else (1 << 30, key)


def table(needs: tuple[str, ...] = (), **fields: Kind) -> Kind:
    """A nested object with these fields and no others."""

    def read(value: Any, path: str) -> Thing:
        if not isinstance(value, dict):
            raise invalid(f"Invalid object: {path}", param=path)
        return read_fields(fields, value, needs=needs, path=path)

    return read


def labels(value: Any, path: str) -> Thing | None:
    """Metadata: strings by name; None (from the empty string) empties it all."""
    if value in ("", None):
        return None
    if not isinstance(value, dict) or len(value) > MAX_METADATA:
        raise invalid(f"Invalid hash: {path}", param=path)
    return {str(name): "" if given is None else str(given) for name, given in value.items()}


def read_fields(
    accepts: Accepts, raw: Thing, *, needs: tuple[str, ...] = (), path: str = ""
) -> Thing:
    """Read every given field by its kind.

    Raises:
        ApiError: 400 for an unknown, missing or unreadable parameter, naming its path.
    """
    for name in needs:
        if raw.get(name) in (None, ""):
            raise missing_parameter(_path(path, name))
    read: Thing = {}
    for name, value in raw.items():
        if name not in accepts:
            raise unknown_parameter(_path(path, name))
        read[name] = accepts[name](value, _path(path, name))
    return read


def _path(parent: str, name: str) -> str:
    return f"{parent}[{name}]" if parent else name


def merged_labels(old: Thing, new: Thing | None) -> Thing:
    """Metadata after an update: new names added, empty ones removed, None empties all."""
    if new is None:
        return {}
    return {name: value for name, value in {**old, **new}.items() if value != ""}
