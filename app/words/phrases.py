"""Phrases per language, and the sandbox that letters and pages are rendered in."""

from collections.abc import Callable, Iterable, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml
from jinja2 import BaseLoader, StrictUndefined, Template, TemplateError
from jinja2.sandbox import ImmutableSandboxedEnvironment

from app.domain.languages import DEFAULT_LANGUAGE, written

SHARED = Path(__file__).parent / "texts"

Say = Callable[[str], str]
# The C parser where PyYAML was built with it: ten times as fast, and every start reads catalogues.
LOADER: type[Any] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
MARK = "{"  # what has none is no template, but words


class UnknownPhrase(TemplateError):
    """A template asks for a phrase that no catalogue of the language has."""


def sandbox(loader: BaseLoader | None = None, *, html: bool) -> ImmutableSandboxedEnvironment:
    """An environment for one kind of text: HTML escapes every value, plain text none.

    A value that is missing is an error (`StrictUndefined`), never an empty place in a letter.
    """
    return ImmutableSandboxedEnvironment(
        loader=loader,
        autoescape=html,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=False,
    )


class Phrase:
    """One phrase, a template of its own. It is read at once, so that a broken one ends the start
    and not a letter, and compiled when it is first said: most are not, in most processes."""

    def __init__(self, home: ImmutableSandboxedEnvironment, text: str) -> None:
        """Raises `TemplateError` for a broken phrase."""
        self._home, self._text = home, text
        if MARK in text:
            home.parse(text)

    @cached_property
    def _template(self) -> Template:
        return self._home.from_string(self._text)

    def render(self, facts: Mapping[str, Any]) -> str:
        """The words about these facts. Raises `TemplateError` where one is missing."""
        return self._template.render(facts) if MARK in self._text else self._text


class Phrases:
    """The catalogue of every language: `<folder>/<language>.yaml`, nested keys joined by dots.

    A phrase is a template of its own over the facts of a letter or page.
    """

    def __init__(self, folders: Iterable[Path]) -> None:
        """Later folders add to earlier ones. Raises `TemplateError` for a broken phrase."""
        plain = sandbox(html=False)
        self._phrases: dict[str, dict[str, Phrase]] = {}
        for folder in (SHARED, *folders):
            for path in sorted(folder.glob("*.yaml")):
                texts = _flat(yaml.load(path.read_text(encoding="utf-8"), Loader=LOADER))  # noqa: S506 - both are safe
                phrases = {key: Phrase(plain, text) for key, text in texts.items()}
                self._phrases.setdefault(path.stem, {}).update(phrases)

    @property
    def languages(self) -> tuple[str, ...]:
        """Languages with a catalogue, sorted."""
        return tuple(sorted(self._phrases))

    def keys(self, language: str) -> frozenset[str]:
        """Every phrase a language has; the same in each."""
        return frozenset(self._phrases[language])

    def language_of(self, tag: str) -> str:
        """The catalogue for a language tag (`de-AT` is `de`); English where there is none."""
        return written(tag) or DEFAULT_LANGUAGE

    def locale_of(self, tag: str) -> str:
        """`tag` itself where its language has a catalogue, else English: the words and the
        numbers of one text are never in two languages."""
        return tag if written(tag) else DEFAULT_LANGUAGE

    def speaker(self, tag: str, facts: Mapping[str, Any]) -> Say:
        """A function from a phrase's key to its words about these facts, as plain text."""
        phrases = self._phrases[self.language_of(tag)]

        def say(key: str) -> str:
            phrase = phrases.get(key)
            if phrase is None:
                raise UnknownPhrase(f"no phrase {key!r} for {tag!r}")
            return phrase.render(facts).strip()

        return say


def _flat(tree: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    flat: dict[str, str] = {}
    for key, value in tree.items():
        name = f"{prefix}{key}"
        flat |= _flat(value, f"{name}.") if isinstance(value, Mapping) else {name: str(value)}
    return flat
