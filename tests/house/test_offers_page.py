"""docs/offers.md says what the kinds of offers say."""

import json

from app.domain.documents import Field
from app.domain.offers import KINDS
from app.domain.offers.common import COMMON, Why
from app.domain.redemptions import RedemptionState
from tests.house.sources import ROOT

PAGE = (ROOT / "docs" / "offers.md").read_text()


def table(heading: str) -> list[list[str]]:
    lines = PAGE.partition(heading)[2].splitlines()[2:]
    rows = lines[: next((n for n, line in enumerate(lines) if not line.startswith("|")), None)]
    return [[cell.strip() for cell in row.strip("|").split("|")] for row in rows]


def row_of(of: str, field: Field) -> list[str]:
    default = "none" if field.default is None else f"`{json.dumps(field.default)}`"
    told = "needed" if field.needed else default
    return [of, f"`{field.name}`", told, field.shape.told, field.meaning]


def test_every_kind_stands_there_with_what_it_is() -> None:
    first = {name: (kind.__doc__ or "").split("\n\n")[0] for name, kind in KINDS.items()}

    assert table("| kind | what |") == [
        [f"`{name}`", " ".join(told.split())] for name, told in first.items()
    ]


def test_every_field_stands_there_with_default_bounds_and_meaning() -> None:
    expected = [row_of("every kind", field) for field in COMMON]
    for name, kind in KINDS.items():
        expected += [row_of(f"`{name}`", field) for field in kind.fields]

    assert table("| of | field | default | bounds | meaning |") == expected


def test_every_refusal_and_every_state_stands_there() -> None:
    assert [row[0] for row in table("| word | why |")] == [f"`{why}`" for why in Why]
    assert [row[0] for row in table("| state | meaning |")] == [f"`{s}`" for s in RedemptionState]
