"""When to retry by what was learned: the schedule that collects most, as far as the table knows.

A refusal is the only news between two attempts, so a plan is a list of instants until one succeeds.
The best list is found exactly, from its end backwards: for each number of attempts left and each
instant of the latest one. Picking the likeliest instants one by one is worse than chance, because
attempts within one empty stretch fail together (`docs/adaptive.md`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from app.domain.calendar import at_hour, is_payday
from app.domain.hazards import Group, chance

# Local hours at which an attempt may be planned: after the night's transfers are booked, and once
# more for faults and holds that last hours. Published advice on hours contradicts itself.
HOURS = (10, 17)
COST = 0.01  # shares of the amount: an attempt that is worth less is not made
HASTE = 0.01  # shares of the amount lost by each day of waiting; up to 2 % a day costs no recovery
HOUR = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Slots:
    """The `count` instants a plan may use, in order: `HOURS` of each local day from `first` on."""

    first: date
    count: int

    def __len__(self) -> int:
        return self.count

    def day(self, slot: int) -> date:
        """The local day of a slot."""
        return self.first + timedelta(days=slot // len(HOURS))

    def at(self, slot: int, tz: ZoneInfo) -> datetime:
        """The instant of a slot, aware UTC."""
        return at_hour(self.day(slot), HOURS[slot % len(HOURS)], tz)

    def hour(self, slot: int) -> int:
        """Hours from the first midnight, as a clock that nobody changes counts them."""
        return 24 * (slot // len(HOURS)) + HOURS[slot % len(HOURS)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """Where a case stands: `used` attempts made and `left` to make, the latest refusal at
    `last_failed_at`. The next lies between `not_before` and `until`. Instants aware UTC."""

    group: Group
    used: int
    left: int
    last_failed_at: datetime
    not_before: datetime
    until: datetime
    spacing_hours: int
    tz: ZoneInfo


def best_next(standing: Standing) -> tuple[datetime, float] | None:
    """The instant of the next attempt (aware UTC), and what it and those after it are worth: a
    share of the amount, less `COST` and `HASTE`. None where no attempt is worth its cost."""
    if standing.left < 1 or standing.until <= standing.last_failed_at:
        return None
    slots = _slots_of(standing)
    after = _worths(
        standing.group, slots, standing.used + 1, standing.left - 1, standing.spacing_hours
    )
    paydays = _paydays(slots)
    found: tuple[datetime, float] | None = None
    for slot in range(len(slots)):
        at = slots.at(slot, standing.tz)
        if at >= standing.not_before:
            gap = (at - standing.last_failed_at) / HOUR
            p = chance(standing.group, gap, paydays[slot] > 0, standing.used + 1)
            worth = _worth(p, gap, after[slot])
            if worth > (found[1] if found else 0.0):
                found = at, worth
    return found


def _slots_of(standing: Standing) -> Slots:
    """From the day of the latest refusal to the end of the window."""
    first = standing.last_failed_at.astimezone(standing.tz).date()
    end = standing.until.astimezone(standing.tz)
    on_last_day = sum(at_hour(end.date(), hour, standing.tz) <= standing.until for hour in HOURS)
    return Slots(first, (end.date() - first).days * len(HOURS) + on_last_day)


def _worth(p: float, gap_hours: float, after_refusal: float) -> float:
    return (p + (1 - p) * after_refusal) * (1 - HASTE * gap_hours / 24) - COST


@lru_cache(maxsize=1024)
def _worths(
    group: Group, slots: Slots, used: int, left: int, spacing_hours: int
) -> tuple[float, ...]:
    """What the `left` last attempts are worth after a refusal at each slot, played best.

    The rows from none left to `left` are computed one from the other; cases of one day, group and
    policy share the answer, so it is kept.
    """
    if left == 0:
        return (0.0,) * len(slots)
    after = _worths(group, slots, used + 1, left - 1, spacing_hours)
    hours = [slots.hour(slot) for slot in range(len(slots))]
    paydays = _paydays(slots)
    gaps = {later - hour for hour in hours for later in hours if later - hour >= spacing_hours}
    by_gap = {
        gap: tuple(chance(group, gap, payday, used + 1) for payday in (False, True)) for gap in gaps
    }

    def best_from(last: int) -> float:
        best = 0.0  # to stop is always allowed
        for slot in range(last + 1, len(slots)):
            gap = hours[slot] - hours[last]
            if gap in by_gap:
                p = by_gap[gap][paydays[slot] > paydays[last]]
                best = max(best, _worth(p, gap, after[slot]))
        return best

    return tuple(best_from(last) for last in range(len(slots)))


@lru_cache(maxsize=256)
def _paydays(slots: Slots) -> Sequence[int]:
    """How many paydays have come by each slot since the first day, which does not count."""
    count, found = 0, []
    for slot in range(len(slots)):
        begins = slot and slot % len(HOURS) == 0
        count += bool(begins and is_payday(slots.day(slot)))
        found.append(count)
    return tuple(found)
