"""When a refused payment is tried again: the table of decisions, and what always holds."""

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.calendar import DAY_BEGINS, DAY_ENDS
from app.domain.declines import ASKS_CUSTOMER, DeclineKind
from app.domain.policies import RetryPolicy, Strategy
from app.domain.retry import CLASS_WORDS, AskCustomer, GiveUp, RetryFacts, TryAgain, next_step
from tests.domain.builders import MONDAY, a_use, facts, on_day, refusal

POLICY = RetryPolicy()
FIXED = RetryPolicy(strategy=Strategy.FIXED, days=(3, 7), max_attempts=2)
K = DeclineKind


@pytest.mark.parametrize(
    ("given_facts", "at"),
    [
        pytest.param(facts(refusal(K.INSUFFICIENT_FUNDS)), on_day(4), id="funds wait for Friday"),
        pytest.param(
            facts(refusal(K.INSUFFICIENT_FUNDS), now=on_day(8), last_failed_at=on_day(8)),
            on_day(10),
            id="funds wait for the 15th, a day before Friday",
        ),
        pytest.param(
            facts(refusal(K.PROCESSOR_ERROR)), on_day(0, hours=4), id="a fault is tried in 4 h"
        ),
        pytest.param(
            facts(
                refusal(K.PROCESSOR_ERROR),
                attempts_used=1,
                last_own_at=on_day(0, hours=4),
                last_failed_at=on_day(0, hours=4),
                now=on_day(0, hours=4),
            ),
            on_day(1, hours=4),
            id="then after a day",
        ),
        pytest.param(
            facts(refusal(network_advice_code="25", brand="mastercard")),
            on_day(1),
            id="the network's wait is honoured",
        ),
        pytest.param(
            facts(refusal()), MONDAY + timedelta(days=28) / 9, id="soft refusals are spread evenly"
        ),
        pytest.param(
            facts(refusal(K.UNKNOWN)), MONDAY + timedelta(days=28) / 9, id="unknown is soft"
        ),
    ],
)
def test_the_next_attempt_is_when_the_class_says(given_facts: RetryFacts, at: datetime) -> None:
    decided = next_step(POLICY, given_facts)

    assert isinstance(decided, TryAgain)
    assert decided.at == at


@pytest.mark.parametrize("kind", sorted(ASKS_CUSTOMER))
def test_what_only_the_customer_can_change_is_not_tried_blindly(kind: DeclineKind) -> None:
    decided = next_step(POLICY, facts(refusal(kind)))

    assert decided == AskCustomer(on_day(28), CLASS_WORDS[kind])


@pytest.mark.parametrize(
    "decline",
    [
        pytest.param(refusal(K.NEVER), id="never by class"),
        pytest.param(refusal(advice="do_not_try_again"), id="advice outranks the code"),
        pytest.param(refusal(brand="mastercard", network_advice_code="03"), id="MAC 03"),
        pytest.param(refusal(brand="mastercard", network_advice_code="21"), id="MAC 21"),
        pytest.param(refusal(brand="visa", network_decline_code="R1"), id="Visa category 1"),
        pytest.param(refusal(blocked=True), id="blocked before the network"),
    ],
)
def test_a_final_refusal_ends_all_attempts_with_this_card(decline) -> None:
    decided = next_step(POLICY, facts(decline))

    assert isinstance(decided, AskCustomer)


def test_visa_codes_mean_nothing_at_another_network() -> None:
    decided = next_step(POLICY, facts(refusal(brand="mastercard", network_decline_code="R1")))

    assert isinstance(decided, TryAgain)


def test_a_card_flagged_never_by_another_invoice_is_left_alone() -> None:
    decided = next_step(POLICY, facts(uses=(a_use(MONDAY, never=True),)))

    assert isinstance(decided, AskCustomer)


def test_all_attempts_used_is_the_end_of_attempts() -> None:
    decided = next_step(POLICY, facts(attempts_used=8))

    assert decided == GiveUp("all 8 attempts used")


def test_a_policy_of_no_attempts_makes_none() -> None:
    decided = next_step(RetryPolicy(max_attempts=0), facts())

    assert isinstance(decided, GiveUp)


def test_the_network_budget_of_others_counts() -> None:
    others = tuple(a_use(on_day(-20) + timedelta(hours=n)) for n in range(15))

    decided = next_step(POLICY, facts(refusal(brand="visa"), uses=others))

    assert isinstance(decided, TryAgain)
    assert decided.at >= on_day(10)
    assert "Visa" in decided.why


@pytest.mark.parametrize(
    ("now", "attempts_used", "expected"),
    [
        pytest.param(MONDAY, 0, on_day(3), id="first day of the plan"),
        pytest.param(on_day(3), 1, on_day(7), id="second day of the plan"),
        pytest.param(on_day(7), 1, None, id="no day left"),
    ],
)
def test_fixed_days_are_kept(now: datetime, attempts_used: int, expected: datetime | None) -> None:
    last = now if attempts_used else None

    decided = next_step(FIXED, facts(now=now, attempts_used=attempts_used, last_own_at=last))

    assert (decided.at if isinstance(decided, TryAgain) else None) == expected


def test_no_attempt_lies_after_the_window() -> None:
    decided = next_step(POLICY, facts(refusal(K.INSUFFICIENT_FUNDS), window_ends_at=on_day(2)))

    assert isinstance(decided, GiveUp)


def test_a_decision_about_no_failure_is_a_mistake() -> None:
    with pytest.raises(ValueError, match="at least 1"):
        next_step(POLICY, facts(failures=0))


ZONES = st.sampled_from(["UTC", "Europe/Berlin", "America/New_York", "Pacific/Kiritimati"])


@given(
    kind=st.sampled_from(DeclineKind),
    used=st.integers(0, 8),
    age=st.integers(0, 40 * 24),
    advice=st.sampled_from([None, "24", "30", "03"]),
    uses=st.lists(st.integers(-40 * 24, 0), max_size=20),
    tz=ZONES,
)
def test_an_attempt_is_always_later_spaced_in_daytime_and_within_the_window(
    kind: DeclineKind, used: int, age: int, advice: str | None, uses: list[int], tz: str
) -> None:
    now = MONDAY + timedelta(hours=age)
    last_own = now - timedelta(hours=1) if used else None
    decline = refusal(kind, brand="mastercard", network_advice_code=advice)
    cards = tuple(a_use(now + timedelta(hours=h)) for h in uses)
    zone = ZoneInfo(tz)

    decided = next_step(
        POLICY,
        facts(
            decline,
            attempts_used=used,
            last_own_at=last_own,
            last_failed_at=now,
            now=now,
            uses=cards,
            tz=zone,
        ),
    )

    if isinstance(decided, TryAgain):
        assert now < decided.at <= on_day(28)
        assert last_own is None or decided.at - last_own >= timedelta(hours=20)
        assert DAY_BEGINS <= decided.at.astimezone(zone).hour < DAY_ENDS
        assert used < POLICY.max_attempts
    assert decided.why


def test_every_class_has_words_for_people() -> None:
    assert set(CLASS_WORDS) == set(DeclineKind)
    assert not any(
        word in text for text in CLASS_WORDS.values() for word in ("fraud", "stolen", "lost")
    )
