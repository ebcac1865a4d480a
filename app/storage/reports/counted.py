"""Lines being added up, from cells or from a ledger."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import date

from app.ports.figures import FlowSums

# Period, currency, and the keys asked for.
Place = tuple[date, str, tuple[tuple[str, str | None], ...]]
Sum = tuple[int, int]
NOTHING = (0, 0)
RETURNED, REJOINED, ASKED_RETURNED = "returned", "rejoined", "asked_returned"


class Counted:
    """Lines being added up by their place (period, currency, keys) and kind.

    Of a ledger whose lines are told apart by `since`, those that are `young` (since the period
    began) are added once more as such.
    """

    def __init__(self, *, since: bool = False) -> None:
        self._since = since
        self._held: dict[tuple[Place, str, bool], list[int]] = defaultdict(lambda: [0, 0])

    def add(self, place: Place, kind: str, n: int, minor: int, *, young: bool = False) -> None:
        """Some more of one kind."""
        held = self._held[place, kind, young]
        held[0] += n
        held[1] += minor

    def include(self, found: Iterable[FlowSums]) -> None:
        """Add what was added up already, of a ledger that tells nothing apart by `since`."""
        for sums in found:
            place = (sums.period, sums.currency, tuple(sums.named.items()))
            for kind, (n, minor) in sums.kinds.items():
                self.add(place, kind, n, minor)

    def sums(self) -> list[FlowSums]:
        """By place; what adds up to nothing is left out."""
        found: dict[Place, dict[tuple[str, bool], Sum]] = {}
        for (place, kind, young), (n, minor) in self._held.items():
            found.setdefault(place, {})[kind, young] = (n, minor)
        sums = []
        for (period, currency, named), kinds in found.items():
            told = _apart(kinds) if self._since else {kind: s for (kind, _), s in kinds.items()}
            if told := {kind: s for kind, s in told.items() if s != NOTHING}:
                sums.append(
                    FlowSums(period=period, currency=currency, named=dict(named), kinds=told)
                )
        return sums


def _apart(kinds: Mapping[tuple[str, bool], Sum]) -> dict[str, Sum]:
    """Those who joined within the period stand apart, and so do returns from ends before it."""
    told = {}
    for kind, young in kinds:
        if not young and kind not in (RETURNED, REJOINED, ASKED_RETURNED):
            new = kinds.get((kind, True), NOTHING)
            told[kind] = _less(kinds[kind, False], new)
            told[f"new_{kind}"] = new
    back = kinds.get((RETURNED, True), NOTHING)
    new = kinds.get((REJOINED, True), NOTHING)
    told[RETURNED] = _less(back, new)
    told[f"new_{RETURNED}"] = new
    told[ASKED_RETURNED] = _less(kinds.get((ASKED_RETURNED, True), NOTHING), new)
    told[f"{RETURNED}_later"] = _less(kinds.get((RETURNED, False), NOTHING), back)
    return told


def _less(one: Sum, other: Sum) -> Sum:
    return one[0] - other[0], one[1] - other[1]
