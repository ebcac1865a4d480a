"""How likely the next attempt is approved: a table by decline group, gap, payday and attempt."""

from bisect import bisect_right
from collections.abc import Mapping
from enum import StrEnum

from app.domain.declines import DeclineKind
from app.domain.hazard_rows import ROWS


class Group(StrEnum):
    """Refusals that behave alike over time."""

    FUNDS = "funds"
    HOLD = "hold"
    TECHNICAL = "technical"
    GENERIC = "generic"


GROUPS: Mapping[DeclineKind, Group] = {
    DeclineKind.INSUFFICIENT_FUNDS: Group.FUNDS,
    DeclineKind.LIMIT_EXCEEDED: Group.HOLD,
    DeclineKind.RETRY_LATER: Group.HOLD,
    DeclineKind.PROCESSOR_ERROR: Group.TECHNICAL,
}
# Where the next bucket of hours since the latest refusal begins, and of the attempt's number.
GAPS = (12.0, 30.0, 54.0, 102.0, 174.0, 342.0)
NUMBERS = (2, 4)
Cell = tuple[Group, int, bool, int]


def group_of(kind: DeclineKind) -> Group:
    """What is neither funds, a hold nor a fault says nothing: `generic`."""
    return GROUPS.get(kind, Group.GENERIC)


def cell_of(group: Group, gap_hours: float, payday: bool, number: int) -> Cell:
    """The cell of an attempt: `number` is 1 for the first after the failure, `payday` whether one
    has come since the latest refusal."""
    return group, bisect_right(GAPS, gap_hours), payday, bisect_right(NUMBERS, number)


def chance(group: Group, gap_hours: float, payday: bool, number: int) -> float:
    """The chance that this attempt is approved, between 0 and 1."""
    return CHANCES[cell_of(group, gap_hours, payday, number)]


def _table() -> dict[Cell, float]:
    cells = (
        (group, gap, payday, number)
        for group in Group
        for payday in (False, True)
        for number in range(len(NUMBERS) + 1)
        for gap in range(len(GAPS) + 1)
    )
    return dict(zip(cells, (mille / 1000 for row in ROWS for mille in row), strict=True))


CHANCES: Mapping[Cell, float] = _table()
