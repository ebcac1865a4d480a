"""What a customer may use, day by day after the first failure."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from app.domain.access import (
    Access,
    AccessState,
    Level,
    access_of,
    first_change,
    plan_looks,
    timed,
)
from app.domain.actions import Action, ActionKind
from app.domain.dunning import Case, CaseState, Waits
from app.domain.merchants import CollectionMode
from app.domain.mirror import Subscription
from app.domain.policies import AccessPolicy
from app.domain.records import Book

FIRST = datetime(2026, 3, 1, 8, tzinfo=UTC)
DEFAULT = AccessPolicy()
WHOSE: dict[str, Any] = {"merchant_id": "mer_1", "account_id": "acc_1", "customer_id": "cus_1"}


def day(n: float) -> datetime:
    return FIRST + timedelta(days=n)


def a_case(name: str = "case_1", **told: Any) -> Case:
    opened_at = told.pop("opened_at", FIRST)
    return Case(
        **WHOSE,
        case_id=name,
        invoice_id=f"in_{name}",
        subscription_id="sub_1",
        opened_at=opened_at,
        window_ends_at=opened_at + timedelta(days=28),
        **told,
    )


def a_subscription(**told: Any) -> Subscription:
    return Subscription(**WHOSE, subscription_id="sub_1", **({"status": "past_due"} | told))


def seen(
    *cases: Case,
    at: float,
    policy: AccessPolicy = DEFAULT,
    subscription: Subscription | None = None,
) -> Access:
    mirror = subscription or a_subscription()
    return access_of(mirror, [(case, policy) for case in cases], now=day(at))


@pytest.mark.parametrize(
    ("at", "level", "since", "until", "then"),
    [
        (0, Level.FULL, 0, 7, Level.GRACE),
        (6.99, Level.FULL, 0, 7, Level.GRACE),
        (7, Level.GRACE, 7, 14, Level.RESTRICTED),
        (14, Level.RESTRICTED, 14, 28, Level.BLOCKED),
        (27.99, Level.RESTRICTED, 14, 28, Level.BLOCKED),
        (28, Level.BLOCKED, 28, None, None),
        (400, Level.BLOCKED, 28, None, None),
    ],
)
def test_access_is_taken_in_stages_counted_from_the_first_failure(
    at: float, level: Level, since: float, until: float | None, then: Level | None
) -> None:
    access = seen(a_case(), at=at)

    assert (access.level, access.since) == (level, day(since))
    assert (access.until, access.then) == (day(until) if until else None, then)


@pytest.mark.parametrize("failures", [1, 8])
def test_retries_do_not_extend_the_grace(failures: int) -> None:
    retried = a_case(failures=failures, attempts_used=failures, next_attempt_at=day(20))

    assert seen(retried, at=15) == seen(a_case(), at=15)


@pytest.mark.parametrize("told", [{"silent": True}, {"mode": CollectionMode.OBSERVE}])
def test_silent_cases_and_those_the_provider_works_count_as_any_other(told: dict[str, Any]) -> None:
    assert seen(a_case(**told), at=15).level is Level.RESTRICTED


@pytest.mark.parametrize("state", [CaseState.RECOVERED, CaseState.STOPPED])
def test_a_case_that_is_settled_takes_nothing(state: CaseState) -> None:
    access = seen(a_case(state=state, closed_at=day(20)), at=20)

    assert (access.level, access.until, access.case_id) == (Level.FULL, None, None)


def test_of_several_open_cases_the_strictest_level_counts() -> None:
    earlier, later = a_case("case_1"), a_case("case_2", opened_at=day(10))

    access = seen(later, earlier, at=15)

    assert (access.level, access.case_id) == (Level.RESTRICTED, "case_1")
    assert access.until == day(28)


def test_a_later_case_goes_on_alone_when_the_earlier_is_paid() -> None:
    earlier = a_case("case_1", state=CaseState.RECOVERED)

    access = seen(earlier, a_case("case_2", opened_at=day(10)), at=18)

    assert (access.level, access.since) == (Level.GRACE, day(17))


def test_a_subscription_that_ended_gives_nothing_whatever_its_cases_say() -> None:
    ended = a_subscription(status="canceled", ended_at=day(3))

    access = seen(a_case(), at=5, subscription=ended)

    assert (access.level, access.since, access.until) == (Level.ENDED, day(3), None)


def test_an_end_that_was_asked_for_is_the_next_change() -> None:
    leaving = a_subscription(cancel_at_period_end=True, period_end=day(9))

    access = seen(a_case(), at=8, subscription=leaving)

    assert (access.until, access.then) == (day(9), Level.ENDED)


@pytest.mark.parametrize(
    ("status", "level"),
    [("past_due", Level.BLOCKED), ("unpaid", Level.BLOCKED), ("active", "full")],
)
def test_a_case_given_up_counts_while_its_subscription_still_owes(status: str, level: str) -> None:
    given_up = a_case(state=CaseState.EXHAUSTED, closed_at=day(28))

    assert seen(given_up, at=30, subscription=a_subscription(status=status)).level == level


def test_on_hold_access_stays_and_goes_on_afterwards_by_the_time_that_was_left() -> None:
    case = a_case()
    held = timed(case, replace(case, waits=Waits.ON_HOLD), day(10))
    released = timed(held, replace(held, waits=Waits.RETRYING), day(20))

    during, later, at_last = seen(held, at=19), seen(released, at=23.9), seen(released, at=24)

    assert (during.level, during.until) == (Level.GRACE, None)
    assert "on hold" in during.reason
    assert (later.level, later.until) == (Level.GRACE, day(24))
    assert at_last.level is Level.RESTRICTED


def test_a_parked_case_stays_where_it_was_parked() -> None:
    parked = a_case(state=CaseState.PARKED, waits=None, closed_at=day(8))

    access = seen(parked, at=60)

    assert (access.level, access.until) == (Level.GRACE, None)


def test_a_policy_without_stages_takes_nothing() -> None:
    never = AccessPolicy(grace_days=None, restricted_day=None, blocked_day=None)

    access = seen(a_case(), at=90, policy=never)

    assert access.level is Level.FULL
    assert first_change(a_case(), never) is None


def test_no_grace_at_all_blocks_at_once() -> None:
    at_once = AccessPolicy(grace_days=0, restricted_day=0, blocked_day=0)

    assert seen(a_case(), at=0, policy=at_once).level is Level.BLOCKED
    assert first_change(a_case(), at_once) == FIRST


def test_without_a_mirror_of_the_subscription_its_cases_speak() -> None:
    access = access_of(None, [(a_case(), DEFAULT)], now=day(8))

    assert access.level is Level.GRACE


def looks(book: Book) -> list[Action]:
    return book.added(Action)


@pytest.mark.parametrize(
    ("change", "planned"),
    [
        ({"state": CaseState.RECOVERED}, 1),
        ({"waits": Waits.ON_HOLD}, 1),
        ({"policy": "default@2"}, 1),
        ({"failures": 3}, 0),
        ({"state": CaseState.RECOVERED, "subscription_id": None}, 0),
    ],
)
def test_a_look_is_planned_where_a_case_changes_what_counts(
    change: dict[str, Any], planned: int
) -> None:
    book = Book()
    book.know([a_case()])
    book.put(replace(a_case(), **change))

    plan_looks(book, day(9))
    plan_looks(book, day(9))

    assert [action.kind for action in looks(book)] == [ActionKind.ACCESS_CHANGE] * planned


def test_a_look_is_planned_where_a_subscription_ends() -> None:
    book = Book()
    book.know([a_subscription()])
    book.put(a_subscription(status="canceled"))

    plan_looks(book, day(9))

    assert [action.subject for action in looks(book)] == ["sub_1"]


def test_levels_are_ordered_from_mild_to_strict() -> None:
    assert sorted(Level, key=lambda level: level.rank) == list(Level)
    assert AccessState.KEY == ("account_id", "subscription_id")


@pytest.mark.parametrize(
    ("at", "level", "then"),
    [
        pytest.param(5, Level.FULL, Level.RESTRICTED, id="in the paid period"),
        pytest.param(10, Level.RESTRICTED, None, id="after it"),
        pytest.param(60, Level.RESTRICTED, None, id="for as long as it takes"),
    ],
)
def test_a_pause_that_was_asked_for_restricts_after_the_paid_period(
    at: float, level: Level, then: Level | None
) -> None:
    resting = a_subscription(
        status="paused", pause_reason="pause_requested", period_end=day(10), started_at=day(-20)
    )

    access = seen(at=at, subscription=resting)

    assert (access.level, access.then) == (level, then)
    assert (access.until if then else access.since) == day(10)


def test_a_pause_after_a_failed_payment_is_left_to_its_case() -> None:
    resting = a_subscription(
        status="paused", pause_reason="final_payment_failure", period_end=day(1)
    )

    assert seen(at=5, subscription=resting).level is Level.FULL
