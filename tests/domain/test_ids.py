"""Ids are the same for the same facts, sort by time, and look like what they are."""

from datetime import timedelta

import pytest

from app.domain.ids import PREFIXES, SHAPE, derive_id
from tests.domain.builders import MONDAY


def test_the_same_facts_have_the_same_id() -> None:
    assert derive_id("case", MONDAY, "acc_1", "in_1") == derive_id("case", MONDAY, "acc_1", "in_1")


@pytest.mark.parametrize("other", [("acc_1", "in_2"), ("acc_1in_", "1"), ("acc_1",)])
def test_other_facts_have_another_id(other: tuple[str, ...]) -> None:
    assert derive_id("case", MONDAY, "acc_1", "in_1") != derive_id("case", MONDAY, *other)


def test_ids_sort_by_their_instant() -> None:
    earlier = derive_id("case", MONDAY, "z")
    later = derive_id("case", MONDAY + timedelta(milliseconds=1), "a")

    assert earlier < later


@pytest.mark.parametrize("what", PREFIXES)
def test_an_id_has_its_prefix_and_the_marks_of_a_uuid_of_version_7(what: str) -> None:
    made = derive_id(what, MONDAY, "x")

    assert SHAPE.match(made)
    assert made.startswith(PREFIXES[what])
    assert made[-20] == "7"
    assert made[-16] in "89ab"
