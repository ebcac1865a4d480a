"""The registry of figures and its page tell the same."""

import re
from pathlib import Path

import pytest

from app.reports import rates, recovered
from app.reports.figures import FIGURES, Figure

PAGE = Path(__file__).parents[2] / "docs" / "metrics.md"
SECTIONS = dict(re.findall(r"^### (\S+)\n(.*?)(?=^##|\Z)", PAGE.read_text(), flags=re.M | re.S))


def test_the_page_has_each_figure_and_no_other() -> None:
    assert list(SECTIONS) == list(FIGURES)


@pytest.mark.parametrize("figure", FIGURES.values(), ids=FIGURES)
def test_the_page_defines_a_figure_in_the_same_words(figure: Figure) -> None:
    words = " ".join(SECTIONS[figure.name].split())

    assert words == f"Field `{figure.column}`, in {figure.unit}. {figure.definition}"


def test_every_column_of_numbers_has_a_definition() -> None:
    defined = {figure.column for figure in FIGURES.values()}

    assert {*recovered.AMOUNTS, *rates.COLUMNS} == defined
