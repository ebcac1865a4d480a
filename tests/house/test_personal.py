"""Every column of text is classified: it tells who somebody is and is overwritten when they are
erased, or it tells nobody."""

import tomllib
from dataclasses import fields
from typing import Any

import pytest

from app.domain.comparing import ComparedLine
from app.domain.personal import PERSONAL
from app.domain.policies import PolicyVersion
from app.services.personal_data import SECTIONS
from app.storage.registry import APPEND_ONLY, TABLES
from app.storage.shapes import JSON, TEXT, shapes_of
from tests.house.sources import ROOT

TELLS = tomllib.loads((ROOT / "tests" / "personal.toml").read_text())
EVERYWHERE = set(TELLS.pop("everywhere"))
KINDS = pytest.mark.parametrize("kind", TABLES, ids=lambda kind: kind.__name__)


def free_text(kind: type[Any]) -> set[str]:
    """The columns that could say anything: text and documents that are limited to no words."""
    return {
        shape.name
        for shape in shapes_of(kind).values()
        if shape.sql in {TEXT, JSON} and not shape.words and not shape.name.endswith("_id")
    } - EVERYWHERE


def listed(table: str) -> list[str]:
    """The columns of a table that are said to tell nobody."""
    return [name for group in TELLS.values() for name in group.get(table, ())]


@KINDS
def test_a_column_of_text_tells_somebody_or_nobody(kind: type[Any]) -> None:
    told = set(PERSONAL.get(kind, ())) & free_text(kind)
    nobody = listed(TABLES[kind].name)

    assert sorted([*told, *nobody]) == sorted(free_text(kind))


def test_every_table_that_is_listed_exists() -> None:
    names = {name for group in TELLS.values() for name in group}

    assert names <= {table.name for table in TABLES.values()}


@pytest.mark.parametrize("kind", PERSONAL, ids=lambda kind: kind.__name__)
def test_what_tells_somebody_can_be_overwritten_and_is_found(kind: type[Any]) -> None:
    assert set(PERSONAL[kind]) <= {known.name for known in fields(kind)}
    assert kind not in APPEND_ONLY
    assert kind in SECTIONS.values()


# By which of these a row is about one customer. Comparisons name invoices in passing.
NAMING = {"customer_id", "subscription_id", "invoice_id", "session_id", "redemption_id"}


@KINDS
def test_what_names_a_customer_is_handed_out(kind: type[Any]) -> None:
    names = {known.name for known in fields(kind)}

    assert not names & NAMING or kind in SECTIONS.values() or kind is ComparedLine


def test_a_new_column_would_be_noticed() -> None:
    assert free_text(PolicyVersion) == {"name", "document", "made_by", "published_by"}
