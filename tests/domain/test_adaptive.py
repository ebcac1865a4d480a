"""Retries by a table of chances: the best schedule, within every bound, none that is worthless."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import combinations, pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.adaptive import COST, HASTE, HOURS, Slots, Standing, best_next
from app.domain.calendar import is_payday
from app.domain.declines import DeclineKind
from app.domain.hazards import CHANCES, Group, chance, group_of
from app.domain.policies import RetryPolicy, Strategy
from app.domain.retry import GiveUp, TryAgain, next_step
from tests.domain.builders import MONDAY, facts, on_day, refusal

POLICY = RetryPolicy(strategy=Strategy.ADAPTIVE)
K = DeclineKind


def standing(**given: object) -> Standing:
    """A case refused on Monday morning, with eight attempts and 28 days left."""
    usual: dict[str, object] = {
        "group": Group.FUNDS,
        "used": 0,
        "left": 8,
        "last_failed_at": MONDAY,
        "not_before": MONDAY,
        "until": MONDAY + timedelta(days=28),
        "spacing_hours": 20,
        "tz": ZoneInfo("UTC"),
    }
    return Standing(**{**usual, **given})  # type: ignore[arg-type]


def worth_of(instants: tuple[datetime, ...], group: Group, paydays: set[int]) -> float:
    """What a schedule is worth, added up from its beginning: the definition, played forward."""
    worth, open_still, last = 0.0, 1.0, MONDAY
    for number, at in enumerate(instants, start=1):
        gap = (at - last) / timedelta(hours=1)
        open_still *= 1 - HASTE * gap / 24
        crossed = any(last.date().day < day <= at.date().day for day in paydays)
        p = chance(group, gap, crossed, number)
        worth += open_still * p
        worth -= COST * (open_still / (1 - HASTE * gap / 24))
        open_still *= 1 - p
        last = at
    return worth


def test_the_first_instant_is_that_of_the_best_of_all_schedules() -> None:
    days, spacing = 6, 20
    slots = Slots(MONDAY.date(), (days + 1) * len(HOURS))
    instants = [slots.at(slot, ZoneInfo("UTC")) for slot in range(len(slots))]
    possible = [at for at in instants if MONDAY < at <= MONDAY + timedelta(days=days)]
    schedules = [
        chosen
        for count in (1, 2, 3)
        for chosen in combinations(possible, count)
        if all(b - a >= timedelta(hours=spacing) for a, b in pairwise(chosen))
    ]
    paydays = {day for day in range(1, 32) if is_payday(MONDAY.replace(day=day).date())}
    best = max(schedules, key=lambda chosen: worth_of(chosen, Group.FUNDS, paydays))

    found = best_next(
        standing(
            left=3, until=MONDAY + timedelta(days=days), not_before=MONDAY + timedelta(hours=1)
        )
    )

    assert found is not None
    assert found[0] == best[0]
    assert found[1] == pytest.approx(worth_of(best, Group.FUNDS, paydays))


def test_short_of_funds_waits_for_money_and_a_fault_does_not() -> None:
    funds = next_step(POLICY, facts(refusal(K.INSUFFICIENT_FUNDS)))
    fault = next_step(POLICY, facts(refusal(K.PROCESSOR_ERROR)))

    assert isinstance(funds, TryAgain)
    assert isinstance(fault, TryAgain)
    assert fault.at < on_day(2) < funds.at
    assert "worth" in funds.why
    assert "0 of 8 attempts used" in funds.why


def test_what_the_network_asks_for_comes_before_the_table() -> None:
    decided = next_step(POLICY, facts(refusal(network_advice_code="25", brand="mastercard")))

    assert isinstance(decided, TryAgain)
    assert decided.at == on_day(1)


def test_an_attempt_that_is_worth_less_than_it_costs_is_not_made() -> None:
    dear = standing(group=Group.GENERIC, used=14, left=1, not_before=on_day(0, hours=2))
    hardly = [chance(Group.GENERIC, gap, False, 15) for gap in (3, 8)]

    found = best_next(replace(dear, until=on_day(0, hours=9)))

    assert all(p < COST for p in hardly)
    assert found is None


def test_after_the_window_nothing_is_planned() -> None:
    decided = next_step(
        POLICY,
        facts(refusal(), now=on_day(28), last_failed_at=on_day(28), window_ends_at=on_day(28)),
    )

    assert isinstance(decided, GiveUp)


@given(
    group=st.sampled_from(Group),
    used=st.integers(0, 7),
    left=st.integers(0, 4),
    hours=st.integers(0, 27 * 24),
    wait=st.integers(0, 100),
    tz=st.sampled_from(["UTC", "Pacific/Auckland", "America/Los_Angeles", "Asia/Kolkata"]),
)
def test_an_instant_lies_within_every_bound(
    group: Group, used: int, left: int, hours: int, wait: int, tz: str
) -> None:
    last = MONDAY + timedelta(hours=hours)
    zone = ZoneInfo(tz)

    found = best_next(
        standing(
            group=group,
            used=used,
            left=left,
            last_failed_at=last,
            not_before=last + timedelta(hours=wait),
            tz=zone,
        )
    )

    if found is not None:
        assert last + timedelta(hours=wait) <= found[0] <= MONDAY + timedelta(days=28)
        assert found[0].tzinfo is UTC
        assert found[0].astimezone(zone).hour in HOURS
        assert 0 < found[1] < 1


@given(st.sampled_from(DeclineKind))
def test_every_refusal_has_chances(kind: DeclineKind) -> None:
    rows = [p for cell, p in CHANCES.items() if cell[0] is group_of(kind)]

    assert len(rows) == 42
    assert all(0 < p < 1 for p in rows)


def test_more_attempts_are_never_worth_less() -> None:
    worths = [found[1] for left in range(1, 9) if (found := best_next(standing(left=left)))]

    assert len(worths) == 8
    assert worths == sorted(worths)
