"""Documents for tests, drawn from the table of fields itself."""

from typing import Any

from hypothesis import strategies as st

from app.domain.documents import (
    Keyed,
    Listed,
    OrNull,
    OrWord,
    Section,
    Shape,
    Text,
    Whole,
    Words,
)
from app.domain.policy_fields import DOCUMENT, MESSAGES, json_schema

SCHEMA = json_schema()
ODD = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**13), 10**13),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=50),
    st.just("any"),
    st.lists(st.integers(0, 99), max_size=3),
    st.dictionaries(st.text(max_size=5), st.integers(0, 99), max_size=2),
)


def fitting(shape: Shape) -> st.SearchStrategy[Any]:
    """Values of a shape."""
    match shape:
        case Whole(low=low, high=high):
            return st.integers(low, high)
        case Words(words=words):
            return st.sampled_from(words)
        case Text(most=most, pattern=pattern):
            return st.from_regex(pattern, fullmatch=True).filter(lambda s: len(s) <= most)
        case Listed(of=of, most=most, least=least):
            return st.lists(fitting(of), min_size=least, max_size=min(most, least + 3))
        case Section():
            return _section(shape)
        case _:
            return _wrapped(shape)


def _wrapped(shape: Shape) -> st.SearchStrategy[Any]:
    match shape:
        case Keyed(key=key, of=of, most=most):
            return st.dictionaries(fitting(key), fitting(of), max_size=min(most, 3))
        case OrWord(word=word, of=of):
            return st.just(word) | fitting(of)
        case OrNull(of=of):
            return st.none() | fitting(of)
        case _:
            raise AssertionError(f"no values of {shape}")


def _section(section: Section) -> st.SearchStrategy[Any]:
    given = {one.name: fitting(one.shape) for one in section.fields}
    needed = {one.name: given.pop(one.name) for one in section.fields if one.needed}
    return st.fixed_dictionaries(needed, optional=given)


@st.composite
def twisted(draw: st.DrawFn) -> Any:
    """A document with something odd somewhere in it."""
    document = draw(fitting(DOCUMENT))
    place: Any = document
    while True:
        keys = list(place) if isinstance(place, dict) else list(range(len(place)))
        if not keys:
            break
        key = draw(st.sampled_from(keys))
        if not isinstance(place[key], dict | list) or draw(st.booleans()):
            place[key] = draw(ODD)
            return document
        place = place[key]
    if isinstance(place, dict):
        place[draw(st.text(max_size=8))] = draw(ODD)
    return document


def meaningful() -> st.SearchStrategy[dict[str, Any]]:
    """Documents that mostly keep the rules between fields as well: what a merchant might write."""
    return st.fixed_dictionaries(
        {},
        optional={
            "retry": st.fixed_dictionaries(
                {},
                optional={
                    "window_days": st.integers(1, 90),
                    "max_attempts": st.integers(0, 15),
                    "min_spacing_hours": st.integers(20, 200),
                },
            )
            | st.fixed_dictionaries(
                {
                    "strategy": st.just("fixed"),
                    "window_days": st.integers(20, 90),
                    "days": st.lists(st.integers(1, 20), min_size=1, max_size=6, unique=True).map(
                        sorted
                    ),
                }
            ),
            "messages": st.lists(st.sampled_from(MESSAGES), max_size=9, unique_by=id).map(list),
            "access": fitting(next(f.shape for f in DOCUMENT.fields if f.name == "access")),
            "end": st.sampled_from(
                [
                    {},
                    {"subscription": "leave", "invoice": "leave"},
                    {"subscription": "pause"},
                    {"invoice": "void"},
                ]
            ),
            "materiality_minor": st.just({}) | st.just({"usd": 5000}),
        },
    )
