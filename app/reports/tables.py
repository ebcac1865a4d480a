"""Tables of figures out of one ledger: rows by period, currency and keys, totals, and a check."""

from collections.abc import AsyncIterator, Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from app.ports.figures import Figures, FlowSums, Period
from app.reports.answers import Answer, Row, blocks, head_of
from app.reports.asking import Question
from app.reports.attributed import kept_keys, named_in
from app.reports.defined.shape import Endpoint

# How many lines of a kind, and their minor units.
Kinds = Mapping[str, tuple[int, int]]
# Period, currency and the values of the keys asked for.
Place = tuple[date, str, tuple[str | None, ...]]
# The cells of a row from its own kinds, and from those of all rows that differ from it only in
# the keys that are shares of a whole.
Measure = Callable[[Kinds, Kinds], Row]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How a table is made of a ledger. `apart` are keys that split what they are a share of: the
    whole of a row is that of its period without them."""

    endpoint: Endpoint
    ledger: str
    measure: Measure
    apart: frozenset[str] = frozenset()


def table(question: Question, plan: Plan, *, figures: Figures, **more: object) -> Answer:
    """The answer of an endpoint that adds up a ledger.

    `totals` are per currency; `identity` compares all that was added up with the same span asked
    once more, ungrouped and as a whole.
    """
    totals: dict[str, dict[str, tuple[int, int]]] = {}
    by = tuple(name for name in question.by if name != "currency")

    async def rows() -> AsyncIterator[Row]:
        cells = await gathered(question, plan.ledger, figures)
        wholes = _wholes(cells, by, plan.apart)
        for place, kinds in cells.items():
            added(totals.setdefault(place[1], {}), kinds)
            yield place_cells(place, by) | plan.measure(kinds, wholes[_whole(place, by, plan)])

    async def tail() -> Mapping[str, Any]:
        return {
            "totals": [
                {"currency": currency} | plan.measure(totals[currency], totals[currency])
                for currency in sorted(totals)
            ],
            "identity": await same_as_a_whole(question, plan.ledger, totals, figures),
        }

    columns = ("period", "currency", *by, *plan.endpoint.columns)
    head = head_of(question, plan.endpoint, **more)
    return Answer(head=head, columns=columns, rows=rows(), tail=tail)


async def gathered(
    question: Question, ledger: str, figures: Figures, *, whole: bool = False
) -> dict[Place, dict[str, tuple[int, int]]]:
    """A ledger's kinds by place, in order; asked in `whole` periods where its lines are told apart
    by whether something began within the period."""
    by = [name for name in question.by if name != "currency"]
    found: dict[Place, dict[str, tuple[int, int]]] = {}
    for block in blocks(question, whole=whole):
        for sums in await figures.flows(ledger, question.excerpt, block, kept_keys(by)):
            place = (sums.period, sums.currency, named_in(sums, by))
            added(found.setdefault(place, {}), sums.kinds)
    return dict(sorted(found.items(), key=lambda item: in_order(item[0])))


def in_order(place: Place) -> tuple[str, ...]:
    """Sorts places the same way on every machine; an empty key comes first."""
    period, currency, named = place
    return (period.isoformat(), currency, *("" if n is None else f" {n}" for n in named))


def added(held: dict[str, tuple[int, int]], kinds: Kinds) -> None:
    """Add kinds to others, in place."""
    for kind, (n, minor) in kinds.items():
        before = held.get(kind, (0, 0))
        held[kind] = (before[0] + n, before[1] + minor)


def count(kinds: Kinds, *names: str) -> int:
    """How many lines of these kinds."""
    return sum(kinds.get(name, (0, 0))[0] for name in names)


def minor(kinds: Kinds, *names: str) -> int:
    """The minor units of these kinds."""
    return sum(kinds.get(name, (0, 0))[1] for name in names)


def place_cells(place: Place, by: Iterable[str]) -> Row:
    """The cells that say what a row is of."""
    period, currency, named = place
    cells = {"period": period.isoformat(), "currency": currency}
    return cells | dict(zip(by, named, strict=True))


async def same_as_a_whole(
    question: Question,
    ledger: str,
    totals: Mapping[str, Kinds],
    figures: Figures,
) -> Row:
    """The identity of a table: what its rows add up to, and what the ledger says of the span."""
    whole = Period(
        day=question.starts_at.date(), starts_at=question.starts_at, ends_at=question.ends_at
    )
    found = await figures.flows(ledger, question.excerpt, [whole], ())
    return {
        "says": "the rows add up to the ledger of the same span, asked once more as a whole",
        "holds": _plain(totals) == _plain({sums.currency: sums.kinds for sums in found}),
    }


def by_currency(found: Iterable[FlowSums]) -> dict[str, dict[str, tuple[int, int]]]:
    """Kinds by currency alone."""
    totals: dict[str, dict[str, tuple[int, int]]] = {}
    for sums in found:
        added(totals.setdefault(sums.currency, {}), sums.kinds)
    return totals


def _plain(totals: Mapping[str, Kinds]) -> dict[tuple[str, str], tuple[int, int]]:
    return {
        (currency, kind): counted
        for currency, kinds in totals.items()
        for kind, counted in kinds.items()
        if counted != (0, 0)
    }


def _whole(place: Place, by: Collection[str], plan: Plan) -> Place:
    return _without(place, by, plan.apart)


def _without(place: Place, by: Iterable[str], apart: Collection[str]) -> Place:
    period, currency, named = place
    kept = [None if key in apart else n for key, n in zip(by, named, strict=True)]
    return (period, currency, tuple(kept))


def _wholes(
    cells: Mapping[Place, Kinds], by: Collection[str], apart: Collection[str]
) -> dict[Place, dict[str, tuple[int, int]]]:
    wholes: dict[Place, dict[str, tuple[int, int]]] = {}
    for place, kinds in cells.items():
        added(wholes.setdefault(_without(place, by, apart), {}), kinds)
    return wholes
