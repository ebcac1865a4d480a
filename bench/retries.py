"""Retries: every strategy at the same simulated payers, by the very decision that the service uses.

At the end the rows that the table of chances gets from payers of the base world, others than those.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import Random

from app.domain.calendar import is_payday
from app.domain.declines import Decline
from app.domain.hazards import CHANCES, Cell, cell_of, group_of
from app.domain.policies import RetryPolicy, Strategy
from app.domain.retry import RetryFacts, TryAgain, next_step
from bench.figures import machine
from bench.payers import BASE, DAY, WORLDS, Payer, World, payers

HOUR = timedelta(hours=1)
PAYERS, SEED = 1_000, 7
FITTED, FIT_SEED, PRIOR = 60_000, 1, 200.0  # other payers than those the strategies meet
WINDOW = 28


def even(count: int, days: int) -> RetryPolicy:
    """So many attempts, evenly over so many days."""
    at = tuple(round(days * (n + 1) / count) for n in range(count))
    return RetryPolicy(
        strategy=Strategy.FIXED, days=at, max_attempts=count, window_days=days, min_spacing_hours=20
    )


def fixed(*days: int) -> RetryPolicy:
    """On these days."""
    return RetryPolicy(strategy=Strategy.FIXED, days=days, max_attempts=len(days))


STRATEGIES = {
    "none": RetryPolicy(max_attempts=0),
    "days 3, 5, 7": fixed(3, 5, 7),
    "even 8 in 14 days": even(8, 14),
    "every 3 days": fixed(*range(3, 25, 3)),
    "even 8 in 28 days": even(8, 28),
    "rules": RetryPolicy(),
    "adaptive": RetryPolicy(strategy=Strategy.ADAPTIVE),
}


@dataclass(slots=True)
class Score:
    """What came of all payers: shares of them, attempts a payer, median days to the payment."""

    recovered: int = 0
    by_retry: int = 0
    attempts: int = 0
    days: list[float] = field(default_factory=list)


def run() -> dict[str, object]:
    """Every strategy in every world."""
    print(f"{'':24}{'recovered':>10}{'by retry':>10}{'attempts':>10}{'incr.':>8}")
    worlds = {}
    for world in WORLDS:
        print(world.name, flush=True)
        people = list(payers(world, PAYERS, SEED))
        worlds[world.name] = _row(people)
    for row in fit():
        print(f"    {tuple(row)},")
    return {"payers": PAYERS, "worlds": worlds, "machine": machine("none")}


def _row(people: Sequence[Payer]) -> dict[str, object]:
    scores = {name: play(people, policy) for name, policy in STRATEGIES.items()}
    nothing = scores["none"].recovered
    most = max(score.recovered for score in scores.values()) - nothing
    found: dict[str, object] = {}
    for name, score in scores.items():
        shares = {
            "recovered": round(score.recovered / len(people), 4),
            "by_retry": round(score.by_retry / max(score.recovered, 1), 4),
            "attempts": round(score.attempts / len(people), 2),
            "of_best": round((score.recovered - nothing) / max(most, 1), 3),
        }
        found[name] = shares
        print(f"  {name:22}" + "".join(f"{value:10}" for value in shares.values()), flush=True)
    return found


def play(people: Iterable[Payer], policy: RetryPolicy) -> Score:
    """Every payer under the policy, until paid, left, or no attempt follows."""
    score = Score()
    for payer in people:
        _play(payer, policy, score)
    return score


def _play(payer: Payer, policy: RetryPolicy, score: Score) -> None:
    last, used = payer.failed_at, 0
    over = min(payer.mends, payer.leaves, payer.failed_at + WINDOW * DAY)
    while used < policy.max_attempts:
        at = _next(policy, payer, last, used)
        if at is None or at >= over:
            break
        used += 1
        if payer.approves(at, used):
            score.recovered += 1
            score.by_retry += 1
            score.attempts += used
            score.days.append((at - payer.failed_at) / DAY)
            return
        last = at
    score.attempts += used
    if payer.mends == over:
        score.recovered += 1


def _next(policy: RetryPolicy, payer: Payer, last: datetime, used: int) -> datetime | None:
    facts = RetryFacts(
        decline=Decline(kind=payer.kind),
        failures=used + 1,
        attempts_used=used,
        opened_at=payer.failed_at,
        window_ends_at=payer.failed_at + policy.window_days * DAY,
        last_failed_at=last,
        last_own_at=last if used else None,
        now=last,
    )
    step = next_step(policy, facts)
    return step.at if isinstance(step, TryAgain) else None


def fit(world: World = BASE, count: int = FITTED) -> list[list[int]]:
    """The rows of the table, in thousandths, from attempts at gaps that were drawn at random.

    A cell with few attempts leans on its neighbours: `PRIOR` attempts at the mean of its group and
    number.
    """
    tried: dict[Cell, list[int]] = {cell: [0, 0] for cell in CHANCES}
    for number, payer in enumerate(payers(world, count, FIT_SEED)):
        _explore(payer, Random(number), tried)
    return _rows(tried)


def _explore(payer: Payer, chance: Random, tried: dict[Cell, list[int]]) -> None:
    over = min(payer.mends, payer.leaves, payer.failed_at + WINDOW * DAY)
    last, group = payer.failed_at, group_of(payer.kind)
    for nth in range(1, 9):
        at = last + HOUR * (6 * 80 ** chance.random())
        at = at.replace(hour=chance.choice((10, 17)), minute=0)
        if at <= last or at >= over:
            continue
        days = range(1, (at.date() - last.date()).days + 1)
        paydays = any(is_payday(last.date() + n * DAY) for n in days)
        cell = cell_of(group, (at - last) / HOUR, paydays, nth)
        paid = payer.approves(at, nth)
        tried[cell][0] += 1
        tried[cell][1] += paid
        if paid:
            return
        last = at


def _rows(tried: dict[Cell, list[int]]) -> list[list[int]]:
    means: dict[tuple[object, int], float] = {}
    for group, number in {(cell[0], cell[3]) for cell in tried}:
        alike = [n for cell, n in tried.items() if (cell[0], cell[3]) == (group, number)]
        means[group, number] = sum(n[1] for n in alike) / max(sum(n[0] for n in alike), 1)
    rates = [
        round(1000 * (paid + PRIOR * means[cell[0], cell[3]]) / (count + PRIOR))
        for cell, (count, paid) in tried.items()
    ]
    return [rates[at : at + 7] for at in range(0, len(rates), 7)]
