"""What an answer is: a head known at once, rows as they come, and a tail once all have come."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from app.ports.figures import Keys, Period
from app.reports.asking import Question
from app.reports.periods import Step, cut

Row = dict[str, Any]

# Periods asked of the database at a time: bounds memory and the length of a transaction,
# whatever the span.
PERIODS_AT_ONCE = {Step.DAY: 31, Step.WEEK: 26}
PERIODS_AT_ONCE_OTHERWISE = 12


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


def blocks(question: Question) -> Iterator[Sequence[Period]]:
    """The periods of a question in order, some at a time."""
    size = PERIODS_AT_ONCE.get(question.step, PERIODS_AT_ONCE_OTHERWISE)
    block: list[Period] = []
    for period in cut(question.starts_at, question.ends_at, question.step, question.zone):
        block.append(period)
        if len(block) == size:
            yield block
            block = []
    if block:
        yield block


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


def share(part: int, whole: int) -> str | None:
    """`part` of `whole` as a decimal of six places, rounded half up; None of nothing.

    Integers only, so that the digits are exact. Both are at least 0.
    """
    if whole == 0:
        return None
    millionths = (2 * part * 1_000_000 + whole) // (2 * whole)
    return f"{millionths // 1_000_000}.{millionths % 1_000_000:06d}"
