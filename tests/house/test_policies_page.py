"""docs/policies.md says what the table of fields and the rows of the networks say."""

import json
from datetime import timedelta
from typing import Any

import pytest
import yaml

from app.domain.documents import Field, rows_of
from app.domain.network_rows import RULES
from app.domain.policies import PolicyState
from app.domain.policy_documents import policy_from
from app.domain.policy_fields import DOCUMENT
from tests.document import api_document
from tests.house.sources import ROOT

PAGE = (ROOT / "docs" / "policies.md").read_text()


def table(heading: str) -> list[list[str]]:
    lines = iter(PAGE.splitlines())
    for line in lines:
        if line.startswith(heading):
            break
    next(lines)
    rows = []
    for line in lines:
        if not line.startswith("|"):
            break
        rows.append([cell.strip() for cell in line.strip("|").split("|")])
    return rows


def default_of(path: str, field: Field) -> str:
    if field.needed:
        return "needed"
    if path == "messages":
        return "the shipped rows"
    return "none" if field.default is None else f"`{json.dumps(field.default)}`"


def bounds_of(path: str, field: Field) -> str:
    return "a list of 0 to 50 rows" if path == "messages" else field.shape.told


def test_every_field_stands_there_with_default_bounds_and_meaning() -> None:
    expected = [
        [f"`{path}`", default_of(path, field), bounds_of(path, field), field.meaning]
        for path, field in rows_of(DOCUMENT)
    ]

    assert table("| field | default |") == expected


def test_every_state_of_a_version_stands_there() -> None:
    assert [row[0] for row in table("| state | meaning |")] == [f"`{s}`" for s in PolicyState]


def test_every_rule_of_a_network_stands_there() -> None:
    expected = [
        [
            f"`{rule.rail}`",
            rule.brand or "any other",
            str(rule.attempts),
            _span(rule.within),
            str(rule.since),
            rule.source,
        ]
        for rule in RULES
    ]

    assert table("| rail | brand |") == expected


def _span(within: timedelta) -> str:
    hours = within // timedelta(hours=1)
    return f"{hours // 24} days" if hours % 24 == 0 and hours > 24 else f"{hours} hours"


def test_the_example_is_a_policy() -> None:
    section = PAGE.partition("## A document")[2].partition("## The life")[0]
    lines = [line.removeprefix("    ") for line in section.splitlines() if line.startswith("    ")]
    document: Any = yaml.safe_load("\n".join(lines))

    assert policy_from(document).name == "annual"


def test_the_routes_of_the_page_are_those_of_the_api() -> None:
    paths = api_document()["paths"]
    told = {word for cell in table("| to | ask |") for word in cell[1].split("`")}
    asked = {tuple(word.split(" ")) for word in told if word.startswith(("GET ", "PUT ", "POST "))}

    wanted = {
        (method.upper(), path)
        for path, methods in paths.items()
        for method, operation in methods.items()
        if "policies" in operation.get("tags", ())
    }
    assert asked == wanted


@pytest.mark.parametrize("scope", ["policies:read", "policies:write", "cases:write"])
def test_the_scopes_of_the_page_are_those_of_the_routes(scope: str) -> None:
    document = (ROOT / "openapi.yaml").read_text()

    assert f"`{scope}`" in PAGE
    assert f"- {scope}" in document
