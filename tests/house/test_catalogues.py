"""A phrase that stands twice in a catalogue has one text too many, and nobody sees which counts."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.house.sources import ROOT, name, text_files

CATALOGUES = [path for path in text_files() if path.suffix in {".yaml", ".yml"}]


def twice(text: str) -> list[str]:
    """The keys that a mapping of this document has more than once, each with its line."""
    found = _twice(yaml.compose(text, Loader=yaml.SafeLoader), "")
    return sorted(found)


def _twice(node: yaml.Node | None, where: str) -> Iterator[str]:
    if isinstance(node, yaml.SequenceNode):
        for place, one in enumerate(node.value):
            yield from _twice(one, f"{where}[{place}]")
    if not isinstance(node, yaml.MappingNode):
        return
    counts = Counter(key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode))
    for key, value in node.value:
        path = f"{where}.{key.value}".lstrip(".")
        if counts[key.value] > 1:
            yield f"{path} (line {key.start_mark.line + 1})"
        yield from _twice(value, path)


@pytest.mark.parametrize("path", CATALOGUES, ids=name)
def test_no_key_stands_twice(path: Path) -> None:
    assert twice(path.read_text()) == []


def test_the_catalogues_of_every_room_are_looked_at() -> None:
    folders = {path.parent.relative_to(ROOT).as_posix() for path in CATALOGUES}

    assert {"app/pages/texts", "app/words/leaving_texts", "email_templates/texts"} <= folders


def test_a_key_that_stands_twice_is_found_wherever_it_is() -> None:
    planted = "done:\n  title: a\n  more:\n    - {x: 1, x: 2}\n  title: b\n"

    assert twice(planted) == [
        "done.more[0].x (line 4)",
        "done.more[0].x (line 4)",
        "done.title (line 2)",
        "done.title (line 5)",
    ]
