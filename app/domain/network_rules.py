"""When networks and schemes let a card or account be tried again. Attempts by anybody count."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import date, datetime, timedelta

from app.domain.dunning import CardUse
from app.domain.network_rows import ALSO, RULES, NetworkRule

__all__ = ["RULES", "NetworkRule", "earliest_within_budget", "rules_for"]
AFTER = timedelta(minutes=1)  # so much later than the last instant that still counts


def rules_for(
    rail: str, brand: str | None, on: date, rules: Sequence[NetworkRule] = RULES
) -> tuple[NetworkRule, ...]:
    """The rules in force on the day of an attempt: of each rail concerned the brand's own where
    there are any, else those for every brand."""
    return tuple(
        rule
        for one in (rail, *ALSO.get(rail, ()))
        for rule in _of_rail([r for r in rules if r.rail == one and r.since <= on], brand)
    )


def _of_rail(begun: Sequence[NetworkRule], brand: str | None) -> Iterator[NetworkRule]:
    wanted = (brand or "").lower()
    own = [rule for rule in begun if rule.brand == wanted]
    latest: dict[timedelta, NetworkRule] = {}
    for rule in sorted(own or [r for r in begun if r.brand is None], key=lambda r: r.since):
        latest[rule.within] = rule
    yield from latest.values()


def earliest_within_budget(
    uses: Iterable[CardUse],
    *,
    rail: str,
    brand: str | None,
    at: datetime,
    rules: Sequence[NetworkRule] = RULES,
) -> tuple[datetime, NetworkRule | None]:
    """The first instant from `at` on at which one more attempt breaks no rule of its own day.

    Returns it with the rule that postponed it last, or None where nothing did.
    """
    instants = sorted(use.at for use in uses)
    binding: NetworkRule | None = None
    while True:
        moved = _postponed(instants, rules_for(rail, brand, at.date(), rules), at)
        if moved is None:
            return at, binding
        at, binding = moved


def _postponed(
    instants: list[datetime], rules: Iterable[NetworkRule], at: datetime
) -> tuple[datetime, NetworkRule] | None:
    """The latest instant that one of these rules asks for, later than `at`; else None."""
    asked = []
    for rule in rules:
        recent = [use for use in instants if use > at - rule.within]
        if len(recent) >= rule.attempts:
            asked.append((recent[-rule.attempts] + rule.within + AFTER, rule))
    later = [one for one in asked if one[0] > at]
    return max(later, key=lambda one: one[0], default=None)
