"""What a document may look like, as values: each shape checks, describes itself in words, and
publishes itself as JSON Schema. One table of fields is the validator, the schema and the page."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

PLAIN_KEY = re.compile(r"[A-Za-z0-9_-]{1,40}")
SURROGATES = re.compile("[\ud800-\udfff]")
NO_CONTROLS = "^[^\\u0000-\\u001f\\u007f]+$"


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong: `path` such as `retry.max_attempts` or `messages[3].when.day`, and
    the reason in words, which never repeats the value."""

    path: str
    reason: str

    def __str__(self) -> str:
        return f"{self.path}: {self.reason}" if self.path else self.reason


class Shape(Protocol):
    """What a value must look like."""

    def faults(self, value: Any, path: str) -> Iterator[Fault]:
        """What is wrong with it."""
        ...

    def schema(self) -> dict[str, Any]:
        """The same as JSON Schema (2020-12)."""
        ...

    @property
    def told(self) -> str:
        """The same in words, as they follow "must be"."""
        ...


@dataclass(frozen=True, slots=True)
class Whole:
    """A whole number between two, both included. `28.0` is one, as in JSON; `true` is none."""

    low: int
    high: int

    def faults(self, value: Any, path: str) -> Iterator[Fault]:
        """What is wrong with it."""
        whole = not isinstance(value, bool) and (
            isinstance(value, int) or (isinstance(value, float) and value.is_integer())
        )
        if not whole or not self.low <= value <= self.high:
            yield Fault(path, f"must be {self.told}")

    def schema(self) -> dict[str, Any]:
        """As JSON Schema."""
        return {"type": "integer", "minimum": self.low, "maximum": self.high}

    @property
    def told(self) -> str:
        """In words."""
        return f"a whole number from {self.low} to {self.high}"


@dataclass(frozen=True, slots=True)
class Words:
    """One of some words."""

    words: tuple[str, ...]

    def faults(self, value: Any, path: str) -> Iterator[Fault]:
        """What is wrong with it."""
        if not isinstance(value, str) or value not in self.words:
            yield Fault(path, f"must be {self.told}")

    def schema(self) -> dict[str, Any]:
        """As JSON Schema."""
        return {"type": "string", "enum": list(self.words)}

    @property
    def told(self) -> str:
        """In words."""
        return "one of " + ", ".join(f"`{word}`" for word in self.words)


@dataclass(frozen=True, slots=True)
class Text:
    """Text of at most so many letters that fits a pattern; `about` says what it is."""

    most: int
    pattern: str = NO_CONTROLS
    about: str = "text"

    def faults(self, value: Any, path: str) -> Iterator[Fault]:
        """What is wrong with it."""
        if not self.fits(value):
            yield Fault(path, f"must be {self.told}")

    def fits(self, value: Any) -> bool:
        """Whether it is such a text."""
        return (
            isinstance(value, str)
            and 1 <= len(value) <= self.most
            and re.fullmatch(self.pattern.removesuffix("$"), value) is not None
            and SURROGATES.search(value) is None
        )

    def schema(self) -> dict[str, Any]:
        """As JSON Schema."""
        return {"type": "string", "minLength": 1, "maxLength": self.most, "pattern": self.pattern}

    @property
    def told(self) -> str:
        """In words."""
        return f"{self.about} of at most {self.most} characters"


@dataclass(frozen=True, slots=True)
class Listed:
    """A list of some things, not more than `most` and not fewer than `least`."""

    of: Shape
    most: int
    least: int = 0

    def faults(self, value: Any, path: str) -> Iterator[Fault]:
        """What is wrong with it."""
        if not isinstance(value, list | tuple) or not self.least <= len(value) <= self.most:
            yield Fault(path, f"must be {self.told}")
            return
        for place, one in enumerate(value):
            yield from self.of.faults(one, f"{path}[{place}]")

    def schema(self) -> dict[str, Any]:
        """As JSON Schema."""
        size = {"minItems": self.least, "maxItems": self.most}
        return {"type": "array", "items": self.of.schema(), **size}

    @property
    def told(self) -> str:
        """In words."""
        return f"a list of {self.least} to {self.most} entries, each {self.of.told}"


@dataclass(frozen=True, slots=True)
class Keyed:
    """A mapping whose keys the merchant chooses."""

    key: Text
    of: Shape
    most: int

    def faults(self, value: Any, path: str) -> Iterator[Fault]:
        """What is wrong with it."""
        if not isinstance(value, Mapping) or len(value) > self.most:
            yield Fault(path, f"must be {self.told}")
            return
        for name, one in value.items():
            if not self.key.fits(name):
                yield Fault(path, f"each key must be {self.key.told}")
            else:
                yield from self.of.faults(one, f"{path}.{name}")

    def schema(self) -> dict[str, Any]:
        """As JSON Schema."""
        return {
            "type": "object",
            "propertyNames": self.key.schema(),
            "additionalProperties": self.of.schema(),
            "maxProperties": self.most,
        }

    @property
    def told(self) -> str:
        """In words."""
        return f"a mapping of at most {self.most} keys, each to {self.of.told}"


@dataclass(frozen=True, slots=True)
class OrWord:
    """A shape, or one word in its place (`any`)."""

    word: str
    of: Shape

    def faults(self, value: Any, path: str) -> Iterator[Fault]:
        """What is wrong with it."""
        if isinstance(value, str):
            if value != self.word:
                yield Fault(path, f"must be {self.told}")
            return
        yield from self.of.faults(value, path)

    def schema(self) -> dict[str, Any]:
        """As JSON Schema."""
        return {"anyOf": [{"const": self.word}, self.of.schema()]}

    @property
    def told(self) -> str:
        """In words."""
        return f"`{self.word}`, or {self.of.told}"


@dataclass(frozen=True, slots=True)
class OrNull:
    """A shape, or null."""

    of: Shape

    def faults(self, value: Any, path: str) -> Iterator[Fault]:
        """What is wrong with it."""
        if value is not None:
            for fault in self.of.faults(value, path):
                yield Fault(fault.path, f"{fault.reason}, or null")

    def schema(self) -> dict[str, Any]:
        """As JSON Schema."""
        return {"anyOf": [{"type": "null"}, self.of.schema()]}

    @property
    def told(self) -> str:
        """In words."""
        return f"{self.of.told}, or null"


@dataclass(frozen=True, slots=True)
class Field:
    """A field of a section: its shape, what holds where it is left out (`default`; `needed`: it
    may not be), and what it means."""

    name: str
    shape: Shape
    default: Any
    meaning: str
    needed: bool = False


@dataclass(frozen=True, slots=True)
class Section:
    """A mapping with fields that are known by name; any other key is a fault."""

    fields: tuple[Field, ...] = field(default=())

    def faults(self, value: Any, path: str) -> Iterator[Fault]:
        """What is wrong with it."""
        if not isinstance(value, Mapping):
            yield Fault(path, f"must be {self.told}")
            return
        known = {one.name for one in self.fields}
        for name in value:
            if name not in known:
                yield _unknown(path, name, known)
        for one in self.fields:
            at = f"{path}.{one.name}" if path else one.name
            if one.name in value:
                yield from one.shape.faults(value[one.name], at)
            elif one.needed:
                yield Fault(at, "is missing")

    def schema(self) -> dict[str, Any]:
        """As JSON Schema."""
        properties = {}
        for one in self.fields:
            properties[one.name] = {**one.shape.schema(), "description": one.meaning}
            if not one.needed and not isinstance(one.shape, Section):
                properties[one.name]["default"] = one.default
        needed = [one.name for one in self.fields if one.needed]
        return {
            "type": "object",
            "properties": properties,
            "additionalProperties": False,
            **({"required": needed} if needed else {}),
        }

    @property
    def told(self) -> str:
        """In words."""
        return "a mapping"


def _unknown(path: str, name: Any, known: Iterable[str]) -> Fault:
    shown = name if isinstance(name, str) and PLAIN_KEY.fullmatch(name) else None
    at = ".".join(part for part in (path, shown) if part)
    return Fault(at, f"is not known here; known are {', '.join(sorted(known))}")


def rows_of(section: Section, path: str = "") -> Iterator[tuple[str, Field]]:
    """Every field that holds a value, with its path, sections taken apart: what a page lists."""
    for one in section.fields:
        at = f"{path}.{one.name}" if path else one.name
        if isinstance(one.shape, Section):
            yield from rows_of(one.shape, at)
        elif isinstance(one.shape, Listed) and isinstance(one.shape.of, Section):
            yield at, one
            yield from rows_of(one.shape.of, f"{at}[]")
        else:
            yield at, one
