"""The registry of figures, its page and the API's document tell the same."""

import re
from pathlib import Path
from typing import Any

import pytest

from app.api.finance_schemas import ATTRIBUTE_KEY
from app.reports import rates, recovered
from app.reports.figures import ENDPOINTS, FIGURES, Endpoint, Figure
from tests.document import api_document

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "finance.md").read_text()
SECTIONS = dict(re.findall(r"^#### (\S+)\n(.*?)(?=^##|\Z)", PAGE, flags=re.M | re.S))
DOCUMENT: dict[str, Any] = api_document()
# Lines and rows that are no figures: they are what a figure is made of.
COMPARISONS = "reconciliation/comparisons"
ROWS_ONLY = {
    "recovered-revenue/entries",
    COMPARISONS,
    f"{COMPARISONS}/{{comparison_id}}",
    f"{COMPARISONS}/{{comparison_id}}/lines",
}
ASKED = pytest.mark.parametrize("endpoint", ENDPOINTS.values(), ids=ENDPOINTS)


def test_the_page_has_each_figure_and_no_other() -> None:
    assert list(SECTIONS) == list(FIGURES)


@pytest.mark.parametrize("figure", FIGURES.values(), ids=FIGURES)
def test_the_page_defines_a_figure_in_the_same_words(figure: Figure) -> None:
    words = " ".join(SECTIONS[figure.name].split())

    assert words == f"Field `{figure.column}`, in {figure.unit}. {figure.definition}"


@ASKED
def test_the_page_says_what_an_endpoint_is_grouped_by(endpoint: Endpoint) -> None:
    section = PAGE.split(f"### `/v1/finance/{endpoint.path}`\n", 1)[1].split("\n#", 1)[0]

    keys = ", ".join(f"`{key}`" for key in endpoint.by) or "nothing"
    assert " ".join(section.split()) == f"{endpoint.says} Grouped by: {keys}."


def test_a_figure_has_one_name_and_a_column_one_meaning() -> None:
    figures = [figure for endpoint in ENDPOINTS.values() for figure in endpoint.figures]

    assert len(figures) == len(FIGURES)
    for endpoint in ENDPOINTS.values():
        assert len(set(endpoint.columns)) == len(endpoint.columns)


def test_the_document_has_the_endpoints_of_the_registry_and_no_other() -> None:
    asked = {
        path.removeprefix("/v1/finance/")
        for path in DOCUMENT["paths"]
        if path.startswith("/v1/finance/")
    }

    assert asked - ROWS_ONLY == set(ENDPOINTS)


@ASKED
def test_the_document_has_an_endpoints_columns_and_keys(endpoint: Endpoint) -> None:
    route = DOCUMENT["paths"][f"/v1/finance/{endpoint.path}"]["get"]
    answer = _schema(route["responses"]["200"]["content"]["application/json"]["schema"])
    row = _schema(answer["properties"]["rows"]["items"])
    patterns = [p["schema"]["pattern"] for p in route["parameters"] if p["name"] == "group_by"]

    names = "|".join(sorted(endpoint.keys) + [ATTRIBUTE_KEY] * endpoint.attributed)
    assert set(endpoint.columns) <= set(row["properties"])
    assert patterns == ([f"^({names})(,({names}))*$"] if endpoint.by else [])
    assert endpoint.keys <= set(row["properties"])


def _schema(reference: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = DOCUMENT["components"]["schemas"][reference["$ref"].split("/")[-1]]
    return found


def test_every_column_of_numbers_has_a_definition() -> None:
    assert ENDPOINTS["recovered-revenue"].columns == recovered.AMOUNTS
    assert {*rates.COLUMNS} == {*ENDPOINTS["recovery-rate"].columns}
