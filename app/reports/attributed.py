"""Attributes as keys of figures: ledgers keep all of a line's together, an answer tells some."""

from collections.abc import Iterable, Sequence

from app.domain.attributes import values_of
from app.ports.figures import FlowSums
from app.reports.asking import ATTRIBUTE

TOGETHER = "attributes"  # the key of a ledger that has all of them


def kept_keys(by: Iterable[str]) -> list[str]:
    """The keys to ask a ledger for, so that these can be told."""
    asked = list(by)
    plain = [name for name in asked if not name.startswith(ATTRIBUTE)]
    return plain if len(plain) == len(asked) else [*plain, TOGETHER]


def named_in(sums: FlowSums, by: Sequence[str]) -> tuple[str | None, ...]:
    """The values of these keys; None where a line knows none."""
    values = values_of(sums.named.get(TOGETHER))
    return tuple(
        values.get(name.removeprefix(ATTRIBUTE)) if name.startswith(ATTRIBUTE) else sums.named[name]
        for name in by
    )
