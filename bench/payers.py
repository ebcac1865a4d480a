"""Simulated payers whose renewal was refused: what keeps them from paying, and for how long.

All luck of a payer is drawn before the first attempt, so that every strategy meets the same payers.
Every figure here is an assumption, fitted so that the aggregates come near to published ones
(`docs/adaptive.md`); the structure of time beneath them is not known from any public source.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from math import exp
from random import Random

from app.domain.declines import DeclineKind

DAY = timedelta(days=1)
FOREVER = 90 * DAY
BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
Span = tuple[datetime, datetime]


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """The assumptions. Shares of causes are of all failures; days are days."""

    name: str = "base"
    funds: float = 0.40
    hold: float = 0.23
    technical: float = 0.05
    replaced: float = 0.13  # the rest can never pay with this card
    payroll: bool = True  # money comes on paydays, else at any time
    monthly_only: bool = False
    inflow_suffices: float = 0.35
    money_lasts: float = 2.5  # median days
    hold_lasts: float = 1.8  # median days
    hold_stays: float = 0.4
    updated: float = 0.35
    generic: float = 0.0  # share of codes replaced by a generic one
    fatigue: float = 0.0  # the chance lost by each refused attempt
    approves: float = 0.92  # of attempts at somebody able to pay


BASE = World()
WORLDS = (
    BASE,
    replace(BASE, name="no paydays", payroll=False),
    replace(BASE, name="monthly payroll", monthly_only=True),
    replace(BASE, name="business holds", funds=0.22, hold=0.43),
    replace(BASE, name="generic codes", generic=0.8),
    replace(BASE, name="issuers tire", fatigue=0.12),
    replace(BASE, name="money lasts a day", money_lasts=1.0),
    replace(BASE, name="money lasts eight days", money_lasts=8.0),
)

# What the bank says, by what is the matter: banks are vague.
CODES = {
    "funds": ((0.62, DeclineKind.INSUFFICIENT_FUNDS), (0.38, DeclineKind.RETRY_FEW_AND_ASK)),
    "hold": ((0.25, DeclineKind.LIMIT_EXCEEDED), (0.75, DeclineKind.RETRY_FEW_AND_ASK)),
    "technical": ((0.8, DeclineKind.PROCESSOR_ERROR), (0.2, DeclineKind.RETRY_FEW_AND_ASK)),
    "replaced": ((0.15, DeclineKind.INSUFFICIENT_FUNDS), (0.85, DeclineKind.RETRY_FEW_AND_ASK)),
    "dead": ((0.15, DeclineKind.INSUFFICIENT_FUNDS), (0.85, DeclineKind.RETRY_FEW_AND_ASK)),
}
MAILS = ((3, 0.09), (7, 0.06), (12, 0.04), (20, 0.02))  # day, share who mend it by themselves
LEAVES = 0.004  # a day, while nothing was paid


@dataclass(frozen=True, slots=True)
class Payer:
    """One failed renewal. `able` are the spans in which the card would pay; the customer mends it
    at `mends` or leaves at `leaves`, whatever we try."""

    failed_at: datetime
    kind: DeclineKind
    able: tuple[Span, ...]
    mends: datetime
    leaves: datetime
    luck: tuple[float, ...]
    world: World

    def approves(self, at: datetime, nth: int) -> bool:
        """Whether the attempt of that number (1 for the first after the failure) is approved."""
        if not any(begin <= at < end for begin, end in self.able):
            return False
        return self.luck[nth % len(self.luck)] < self.world.approves * (1 - self.world.fatigue) ** (
            nth - 1
        )


def payers(world: World, count: int, seed: int) -> Iterator[Payer]:
    """So many payers of a world, the same for the same seed."""
    for number in range(count):
        yield _payer(world, Random(f"{world.name} {seed} {number}"))


def _payer(world: World, chance: Random) -> Payer:
    failed = BEGIN + timedelta(hours=chance.randrange(365 * 24))
    causes = ("funds", "hold", "technical", "replaced")
    shares = [getattr(world, cause) for cause in causes]
    (cause,) = chance.choices((*causes, "dead"), (*shares, 1 - sum(shares)))
    kind = _said(cause, world, chance)
    able = tuple(_able(cause, world, failed, chance))
    mends = next((failed + d * DAY for d, p in MAILS if chance.random() < p), failed + FOREVER)
    leaves = failed + chance.expovariate(LEAVES) * DAY
    luck = tuple(chance.random() for _ in range(32))
    return Payer(failed, kind, able, mends, leaves, luck, world)


def _said(cause: str, world: World, chance: Random) -> DeclineKind:
    if chance.random() < world.generic:
        return DeclineKind.RETRY_FEW_AND_ASK
    rows = CODES[cause]
    (row,) = chance.choices(rows, [share for share, _ in rows])
    return row[1]


def _able(cause: str, world: World, failed: datetime, chance: Random) -> Iterator[Span]:
    end = failed + FOREVER
    if cause == "technical":
        yield failed + chance.expovariate(3.0) * DAY, end
    elif cause == "hold" and chance.random() > world.hold_stays:
        yield failed + _about(world.hold_lasts, 1.0, chance) * DAY, end
    elif cause == "replaced" and chance.random() < world.updated:
        yield failed + chance.expovariate(0.2) * DAY, end
    elif cause == "funds":
        yield from _funds(world, failed, chance)


def _funds(world: World, failed: datetime, chance: Random) -> Iterator[Span]:
    once = chance.random() < 0.3  # short this once: the first money is enough for long
    for inflow in _inflows(world, failed, chance):
        if chance.random() < world.inflow_suffices:
            lasts = FOREVER if once else _about(world.money_lasts, 0.8, chance) * DAY
            yield inflow, inflow + lasts


def _inflows(world: World, failed: datetime, chance: Random) -> list[datetime]:
    at, found = failed, []
    while (at := at + chance.expovariate(1 / 40) * DAY) < failed + 60 * DAY:
        found.append(at)
    if not world.payroll:
        return sorted([*found, *(failed + chance.random() * 60 * DAY for _ in range(4))])
    # Weekly, biweekly, semimonthly, monthly: businesses by pay frequency (BLS TED, 2014-06-05).
    weights = (0, 0, 0, 1) if world.monthly_only else (32, 37, 20, 11)
    (cycle,) = chance.choices(("weekly", "biweekly", "semimonthly", "monthly"), weights)
    weekday = 4 if chance.random() < 0.6 else chance.randrange(5)
    turn, last = chance.randrange(2), chance.choice((1, 15, 25, 31))
    for n in range(61):
        day = (failed + n * DAY).replace(hour=6, minute=0)
        if day > failed and _is_pay(day, cycle, weekday, turn, last):
            found.append(day)
    return sorted(found)


def _is_pay(day: datetime, cycle: str, weekday: int, turn: int, last: int) -> bool:
    ends_month = (day + DAY).month != day.month
    if cycle == "weekly":
        return day.weekday() == weekday
    if cycle == "biweekly":
        return day.weekday() == weekday and day.toordinal() // 7 % 2 == turn
    if cycle == "semimonthly":
        return day.day in (1, 15)
    return ends_month if last == 31 else day.day == last


def _about(median: float, spread: float, chance: Random) -> float:
    return median * exp(spread * chance.gauss(0, 1))
