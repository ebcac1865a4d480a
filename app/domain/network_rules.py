"""What card networks and debit schemes allow, as dated rows. Attempts by anybody count."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from app.domain.dunning import CardUse


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkRule:
    """At most `attempts` in `within` on one card. `brand` None means every brand of the rail."""

    rail: str
    brand: str | None
    attempts: int
    within: timedelta
    since: date
    source: str


def _rule(
    rail: str, brand: str | None, attempts: int, hours: int, since: date, source: str
) -> NetworkRule:
    return NetworkRule(
        rail=rail,
        brand=brand,
        attempts=attempts,
        within=timedelta(hours=hours),
        since=since,
        source=source,
    )


D30 = 30 * 24
RULES: tuple[NetworkRule, ...] = (
    # 20 since 2026-04-18; the older 15 is the cautious default and below every acquirer's limit.
    _rule("card", "visa", 15, D30, date(2020, 4, 1), "Visa Core Rules, Table 7-2 (15, now 20)"),
    _rule("card", "mastercard", 10, 24, date(2022, 1, 1), "Mastercard excessive attempts, 24 h"),
    _rule("card", "mastercard", 35, D30, date(2022, 1, 1), "Mastercard excessive attempts, 30 d"),
    _rule("card", None, 15, D30, date(2020, 4, 1), "the strictest of the named networks"),
    _rule("us_bank_account", None, 2, 40 * 24, date(2021, 1, 1), "Nacha re-initiations"),
    _rule("sepa_debit", None, 2, D30, date(2021, 1, 1), "acquirers' practice for SEPA returns"),
    _rule("bacs_debit", None, 2, D30, date(2021, 1, 1), "acquirers' practice for Bacs returns"),
    _rule("au_becs_debit", None, 2, D30, date(2021, 1, 1), "acquirers' practice for BECS returns"),
    _rule("acss_debit", None, 1, D30, date(2021, 1, 1), "provider's limit for Canadian debits"),
    _rule("in_mandate", None, 1, 26, date(2021, 10, 1), "RBI e-mandate notice of 24 h"),
)


def rules_for(rail: str, brand: str | None, on: date) -> tuple[NetworkRule, ...]:
    """The rules in force; the brand's own where there are any, else those of the rail."""
    rail_rules = [r for r in RULES if r.rail == rail and r.since <= on]
    own = tuple(r for r in rail_rules if r.brand is not None and r.brand == (brand or "").lower())
    return own or tuple(r for r in rail_rules if r.brand is None)


def earliest_within_budget(
    uses: Iterable[CardUse], *, rail: str, brand: str | None, at: datetime
) -> tuple[datetime, NetworkRule | None]:
    """The first instant from `at` on at which one more attempt breaks no rule.

    Returns it with the rule that postponed it, or None where nothing did.
    """
    instants = sorted(use.at for use in uses)
    binding: NetworkRule | None = None
    for rule in rules_for(rail, brand, at.date()):
        recent = [use for use in instants if use > at - rule.within]
        if len(recent) >= rule.attempts:
            at, binding = recent[-rule.attempts] + rule.within + timedelta(minutes=1), rule
    return at, binding
