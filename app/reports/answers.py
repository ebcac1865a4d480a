"""What an answer is: a head known at once, rows as they come, and a tail once all have come."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol, TypeVar, cast

from app.ports.figures import Keys, Period
from app.reports.asking import Question
from app.reports.defined.shape import Endpoint
from app.reports.periods import Step, cut, first_day

Row = dict[str, Any]

# Periods asked at a time, about a year: bounds memory, whatever the span. Longer periods are asked
# month by month and added up.
AT_ONCE = {Step.DAY: 366, Step.WEEK: 53}
MONTHS_AT_ONCE = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """An answer to be rendered once.

    `head` says what was asked and what the figures mean; `rows` are flat and have exactly
    `columns`; `tail` may be asked when the rows are used up, for totals and the identity check.
    """

    head: Mapping[str, Any]
    columns: tuple[str, ...]
    rows: AsyncIterator[Row]
    tail: Callable[[], Awaitable[Mapping[str, Any]]]


class Sums(Protocol):
    """What `ports.figures` answers: keys, and counts of them."""

    @property
    def keys(self) -> Keys: ...


S = TypeVar("S", bound=Sums)


def blocks(question: Question, *, whole: bool = False) -> Iterator[Sequence[Period]]:
    """The periods of a question in order, about a year at a time. A quarter or a year comes as
    several periods that bear its name, unless it must stay `whole`."""
    step = question.step if whole or question.step in AT_ONCE else Step.MONTH
    block: list[Period] = []
    for period in cut(question.starts_at, question.ends_at, step, question.zone):
        block.append(replace(period, day=first_day(period.day, question.step)))
        if len(block) == AT_ONCE.get(step, MONTHS_AT_ONCE):
            yield block
            block = []
    if block:
        yield block


async def in_turn(
    question: Question,
    ask: Callable[[Sequence[Period]], Awaitable[Sequence[S]]],
    names: Sequence[str],
) -> AsyncIterator[S]:
    """Ask block by block; gives the sums of each key once, in order.

    Args:
        ask: one reading of the figures port.
        names: the fields to add up where a period came in several blocks.
    """
    held: dict[Keys, S] = {}
    for block in blocks(question):
        over = [keys for keys in held if keys.period != block[0].day]
        for keys in sorted(over, key=in_order):
            yield held.pop(keys)
        for sums in await ask(block):
            held[sums.keys] = _added(held.get(sums.keys), sums, names)
    for keys in sorted(held, key=in_order):
        yield held[keys]


def _added(former: S | None, sums: S, names: Sequence[str]) -> S:
    if former is None:
        return sums
    more: Any = {name: getattr(former, name) + getattr(sums, name) for name in names}
    changed: S = replace(cast("Any", sums), **more)
    return changed


def key_cells(keys: Keys, by: Sequence[str]) -> Row:
    """The cells that say what a row is of: period and currency always, then what was asked."""
    cells = {"period": keys.period.isoformat(), "currency": keys.currency}
    return cells | {name: getattr(keys, name) for name in by if name != "currency"}


def in_order(keys: Keys) -> tuple[str, ...]:
    """Sorts keys the same way on every machine; an empty key comes first."""
    named = (keys.cause, keys.plan, keys.interval)
    return (
        keys.period.isoformat(),
        keys.currency,
        *("" if name is None else f" {name}" for name in named),
        str(keys.trial_conversion),
    )


def head_of(question: Question, endpoint: Endpoint, **more: object) -> Row:
    """What every answer in periods says first: what was asked, and what the figures mean."""
    return {
        "figure": endpoint.path,
        **question.echo(),
        "interval": question.step.value,
        "group_by": list(question.by),
        **more,
        "definitions": endpoint.definitions(),
    }


def share(part: int, whole: int) -> str | None:
    """`part` of `whole` as a decimal of six places, rounded half away from nothing; None of
    nothing. Integers only, so that the digits are exact. `whole` is at least 0."""
    if whole == 0:
        return None
    millionths = (2 * abs(part) * 1_000_000 + whole) // (2 * whole)
    sign = "-" if part < 0 and millionths else ""
    return f"{sign}{millionths // 1_000_000}.{millionths % 1_000_000:06d}"
