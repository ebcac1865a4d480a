"""What card networks and debit schemes allow: data, a row each, dated and with its source.

A changed rule is a new row with the day it begins; the old one stays and goes on counting for the
attempts of its time. Nothing here is decided: `network_rules` reads it.
"""

from dataclasses import dataclass
from datetime import date, timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkRule:
    """At most `attempts` by anybody in `within` on one card or account, for attempts on `since`
    or later. `brand` None means every brand of the rail that has no rows of its own.

    Of rows about the same rail, brand and span the one that began last holds.
    """

    rail: str
    brand: str | None
    attempts: int
    within: timedelta
    since: date
    source: str


DAY = 24
MONTH = 30 * DAY
# A bank debit is answered within some five bank days; what is asked before that is asked blindly.
UNANSWERED = 5 * DAY
STRICTEST = "no public limit; the strictest of the named networks"
ANSWER = "a debit is answered within five bank days"

# rail, brand, attempts, within (hours), since, source
ROWS: tuple[tuple[str, str | None, int, int, date, str], ...] = (
    # 20 since 2026-04-18; 15 is below every acquirer's limit and stays the default.
    ("card", "visa", 15, MONTH, date(2020, 4, 1), "Visa Core Rules, Table 7-2 (15, now 20)"),
    ("card", "mastercard", 10, DAY, date(2022, 1, 1), "Mastercard excessive attempts, 24 h"),
    ("card", "mastercard", 35, MONTH, date(2022, 1, 1), "Mastercard excessive attempts, 30 d"),
    ("card", "amex", 15, MONTH, date(2020, 4, 1), f"American Express: {STRICTEST}"),
    ("card", "discover", 15, MONTH, date(2020, 4, 1), f"Discover: {STRICTEST}"),
    ("card", None, 15, MONTH, date(2020, 4, 1), f"other cards: {STRICTEST}"),
    # RBI e-mandate framework: the issuer tells the customer 24 h before each debit.
    ("in_mandate", None, 1, 26, date(2021, 10, 1), "RBI e-mandate notice of 24 h"),
    # Nacha: an entry returned as R01 or R09 may be presented twice more within 180 days.
    (
        "us_bank_account",
        None,
        2,
        40 * DAY,
        date(2021, 1, 1),
        "Nacha re-initiations, provider's 40 d",
    ),
    ("us_bank_account", None, 1, UNANSWERED, date(2021, 1, 1), f"ACH: {ANSWER}"),
    # Acquirers rescue returns for AM04 and MS03 only, at most twice.
    ("sepa_debit", None, 2, MONTH, date(2021, 1, 1), "acquirers' practice for SEPA returns"),
    ("sepa_debit", None, 1, UNANSWERED, date(2021, 1, 1), f"SEPA: {ANSWER}"),
    (
        "bacs_debit",
        None,
        2,
        MONTH,
        date(2021, 1, 1),
        "acquirers' practice for Bacs, ARUDD reason 0",
    ),
    ("bacs_debit", None, 1, UNANSWERED, date(2021, 1, 1), f"Bacs: {ANSWER}"),
    ("au_becs_debit", None, 2, MONTH, date(2021, 1, 1), "acquirers' practice for BECS returns"),
    ("au_becs_debit", None, 1, UNANSWERED, date(2021, 1, 1), f"BECS: {ANSWER}"),
    ("acss_debit", None, 1, MONTH, date(2021, 1, 1), "provider's limit for Canadian debits"),
    (
        "nz_bank_account",
        None,
        1,
        MONTH,
        date(2021, 1, 1),
        "provider's limit for New Zealand debits",
    ),
)
RULES: tuple[NetworkRule, ...] = tuple(
    NetworkRule(
        rail=rail,
        brand=brand,
        attempts=attempts,
        within=timedelta(hours=hours),
        since=since,
        source=source,
    )
    for rail, brand, attempts, hours, since, source in ROWS
)
# A mandate stands on a card, and the card's own network counts as well.
ALSO: dict[str, tuple[str, ...]] = {"in_mandate": ("card",)}
DIRECT_DEBITS = frozenset(rule.rail for rule in RULES) - {"card", "in_mandate"}
