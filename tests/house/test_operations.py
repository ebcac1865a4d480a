"""What operators read is what the code does."""

from app.domain.invariants import INVARIANTS
from tests.house.sources import ROOT
from tests.house.tables import table


def test_the_invariants_of_the_page_are_those_that_are_asked() -> None:
    rows = table(ROOT / "docs" / "proof.md", "| invariant |")

    assert [row[:3] for row in rows] == [
        [f"`{one.name}`", one.proves, one.meaning] for one in INVARIANTS.values()
    ]
