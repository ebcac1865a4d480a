"""Who plays: two companies, their subscribers and plans, and what happens to some of their cards.

Everything is drawn by `sha256(seed, subscriber, purpose)`, never from a shared generator, so that
one subscriber's draws do not depend on the others'.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from app.domain.calendar import at_hour, next_payday, zone
from app.domain.merchants import CollectionMode

OPENING = datetime(2026, 1, 5, tzinfo=UTC)  # a Monday
ANNUAL_SHARE = 0.08
DAYS = 35
MONTH = timedelta(days=31)

# Plan: its monthly price in minor units per currency. A year costs ten months.
PLANS: dict[str, dict[str, int]] = {
    "Starter": {"usd": 1900, "eur": 1700, "jpy": 2900},
    "Team": {"usd": 4900, "eur": 4500, "jpy": 7400},
    "Scale": {"usd": 14900, "eur": 13900, "jpy": 22800},
}
# Shares are cumulative.
PLAN_SHARES = (("Starter", 0.5), ("Team", 0.85), ("Scale", 1.0))
CURRENCY_SHARES = (("usd", 0.6), ("eur", 0.9), ("jpy", 1.0))
RENEWAL_HOURS = (6,)  # UTC
LANGUAGES = {"usd": "en", "eur": "de", "jpy": "en"}


@dataclass(frozen=True, slots=True)
class Fate:
    """What befalls a card and what its holder does: `codes` are what the bank answers, one a try
    (`approve` ends it), `payday` turns funds good on the next payday but one, `reaction` follows
    the n-th letter (`after`): a new card, 3-D Secure, or nothing. `updater_days` is when the card
    network brings new card data by itself; `disputes` lets the bank take the payment before back
    the day after the renewal, and lose; `expires` ends the card's life before the renewal."""

    name: str
    codes: tuple[str, ...] = ()
    payday: bool = False
    authenticate: bool = False
    reaction: str | None = None
    after: int = 1
    updater_days: int | None = None
    disputes: bool = False
    expires: bool = False
    early: bool = False


Fates = tuple[tuple[Fate, int], ...]
# Fate and how many have it. `early` fates begin in the first days, so that they end on stage.
FATES: Fates = (
    (Fate("short of funds until payday", payday=True), 9),
    (Fate("refused twice, then good", ("generic_decline", "generic_decline", "approve")), 6),
    (Fate("refused once", ("do_not_honor", "approve")), 4),
    (Fate("a fault at the bank", ("processing_error", "approve")), 4),
    (Fate("expired, new card", ("expired_card",), reaction="new_card"), 4),
    (Fate("expired, new card late", ("expired_card",), reaction="new_card", after=2), 3),
    (Fate("lost, new card", ("lost_card",), reaction="new_card"), 2),
    (Fate("wants 3-D Secure", authenticate=True, reaction="authenticate"), 3),
    (Fate("expired, network updates it", ("expired_card",), updater_days=4), 2),
    (Fate("expired, gone silent", ("expired_card",), early=True), 2),
    (Fate("broke", ("insufficient_funds",), early=True), 2),
    (Fate("disputes, then has funds", payday=True, disputes=True), 1),
    (Fate("runs out before the renewal", ("approve",), reaction="new_card", expires=True), 1),
)
# Where the provider retries: three, five and seven days apart.
OBSERVED_FATES: Fates = (
    (Fate("refused once", ("do_not_honor", "approve"), early=True), 2),
    (Fate("expired, new card", ("expired_card",), reaction="new_card"), 1),
    (Fate("broke", ("insufficient_funds",), early=True), 1),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Company:
    """A merchant of the story. Its subscribers' keys begin with `prefix`."""

    name: str
    prefix: str
    count: int
    mode: CollectionMode
    fates: Fates


KELP = Company(name="Kelp & Co", prefix="s", count=184, mode=CollectionMode.DRIVE, fates=FATES)
TERN = Company(
    name="Tern Maps", prefix="t", count=16, mode=CollectionMode.OBSERVE, fates=OBSERVED_FATES
)
COMPANIES = (KELP, TERN)


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscriber:
    """One subscriber. `renews_at` falls into the five weeks for those with a monthly plan."""

    key: str
    email: str
    plan: str
    interval: str
    currency: str
    language: str
    brand: str
    signed_up_at: datetime
    renews_at: datetime
    fate: Fate | None = None

    @property
    def price_minor(self) -> int:
        """What one period costs, in minor units."""
        month = PLANS[self.plan][self.currency]
        return month * 10 if self.interval == "year" else month


@dataclass(slots=True)
class Draws:
    """Numbers in [0, 1), each by its own hash."""

    seed: int
    salt: str = field(default="demo")

    def of(self, key: str, purpose: str, n: int = 0) -> float:
        """The n-th draw of `key` for `purpose`; the same whenever it is asked."""
        text = f"{self.salt}:{self.seed}:{key}:{purpose}:{n}"
        return int.from_bytes(hashlib.sha256(text.encode()).digest()[:7], "big") / 2**56


def _pick(shares: Sequence[tuple[str, float]], draw: float) -> str:
    return next(name for name, upto in shares if draw < upto)


def cast(seed: int, opening: datetime, company: Company = KELP) -> list[Subscriber]:
    """The company's subscribers of a seed, in order of their signing up."""
    draws = Draws(seed)
    keys = [f"{company.prefix}{number:03d}" for number in range(1, company.count + 1)]
    people = [_subscriber(draws, key, opening) for key in keys]
    fated = _with_fates(draws, company.fates, people, opening)
    return sorted(fated, key=lambda s: (s.signed_up_at, s.key))


def _subscriber(draws: Draws, key: str, opening: datetime) -> Subscriber:
    interval = "year" if draws.of(key, "interval") < ANNUAL_SHARE else "month"
    currency = _pick(CURRENCY_SHARES, draws.of(key, "currency"))
    hour = RENEWAL_HOURS[int(draws.of(key, "hour") * len(RENEWAL_HOURS))]
    renews = opening + timedelta(days=int(draws.of(key, "day") * 30), hours=hour)
    return Subscriber(
        key=key,
        email=f"{key}@example.com",
        plan=_pick(PLAN_SHARES, draws.of(key, "plan")),
        interval=interval,
        currency=currency,
        language=LANGUAGES[currency],
        brand="mastercard" if draws.of(key, "brand") < 0.3 else "visa",
        signed_up_at=renews - (timedelta(days=365) if interval == "year" else MONTH),
        renews_at=renews,
    )


def _with_fates(
    draws: Draws, fates: Fates, people: list[Subscriber], opening: datetime
) -> list[Subscriber]:
    """Deal the fates: those that need certain days first, the rest by draw."""
    waiting = sorted(people, key=lambda s: draws.of(s.key, "fate"))
    dealt: dict[str, Fate] = {}
    for fate, count in sorted(fates, key=lambda row: not (row[0].early or row[0].expires)):
        first, last = _days_of(fate)
        chosen = [
            s
            for s in waiting
            if s.interval == "month" and first <= (s.renews_at - opening).days < last
        ][:count]
        dealt |= dict.fromkeys((s.key for s in chosen), fate)
        waiting = [s for s in waiting if s.key not in dealt]
    return [replace(person, fate=dealt.get(person.key)) for person in people]


def _days_of(fate: Fate) -> tuple[int, int]:
    """The days of the story on which a renewal suits a fate; the last is excluded."""
    if fate.expires:
        return 27, DAYS  # the card ends with the story's first month
    return 0, 3 if fate.early else 22


def expiry_of(person: Subscriber, opening: datetime) -> dict[str, int]:
    """The last month of a card that runs out, as the sandbox takes it; empty for others."""
    if person.fate is None or not person.fate.expires:
        return {}
    return {"exp_month": opening.month, "exp_year": opening.year}


def behaviour_of(person: Subscriber) -> dict[str, Any] | None:
    """The sandbox's programme for this subscriber's card, from the renewal on."""
    fate = person.fate
    if fate is None:
        return None
    if fate.authenticate:
        return {"kind": "authenticate"}
    if fate.payday:
        return {"kind": "until", "until": int(_funds_at(person).timestamp())}
    return {"kind": "script", "codes": list(fate.codes)}


def _funds_at(person: Subscriber) -> datetime:
    """The second payday after the renewal, six in the morning: the first try may come too soon."""
    utc = zone("UTC")
    first, _ = next_payday(person.renews_at + timedelta(hours=6), utc)
    second, _ = next_payday(first + timedelta(hours=20), utc)
    return at_hour(second.date(), 6, utc)
