"""A merchant's own templates: a small part of Jinja, checked before anything is rendered.

What is allowed is listed, not what is forbidden: text, the named facts, and conditions on them.
No loop, call, filter or arithmetic can be written, so that a template is as long as it looks and
takes no time.
"""

from collections.abc import Collection

from jinja2 import Template, TemplateError, nodes

from app.words.phrases import sandbox

LONGEST_SOURCE = 6_000
DEEPEST = 6  # conditions within conditions
ALLOWED = (
    nodes.Output,
    nodes.TemplateData,
    nodes.Name,
    nodes.If,
    nodes.CondExpr,
    nodes.Not,
    nodes.And,
    nodes.Or,
    nodes.Compare,
    nodes.Operand,
    nodes.Const,
)
PLAIN = sandbox(html=False)


class WordingRefused(TemplateError):
    """A template that may not be used; says why in words."""


def wording_template(source: str, names: Collection[str]) -> Template:
    """The compiled template. Raises `WordingRefused` for anything but text, these names and
    conditions on them."""
    if len(source) > LONGEST_SOURCE:
        raise WordingRefused(f"has more than {LONGEST_SOURCE} characters")
    try:
        _walk(PLAIN.parse(source), frozenset(names), 0)
        return PLAIN.from_string(source)
    except WordingRefused:
        raise
    except (TemplateError, SyntaxError, RecursionError) as broken:
        raise WordingRefused(f"cannot be read: {broken}"[:200]) from None


def _walk(node: nodes.Node, names: frozenset[str], depth: int) -> None:
    depth += isinstance(node, nodes.If | nodes.CondExpr)
    if depth > DEEPEST:
        raise WordingRefused(f"has conditions more than {DEEPEST} deep")
    for child in node.iter_child_nodes():
        if not isinstance(child, ALLOWED):
            what = type(child).__name__.lower()
            raise WordingRefused(f"may not use {what} (line {child.lineno})")
        if isinstance(child, nodes.Name) and child.name not in names:
            raise WordingRefused(f"there is no {child.name!r} (line {child.lineno})")
        _walk(child, names, depth)
