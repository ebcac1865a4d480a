"""The fuses: what blows them, and what does not."""

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.dunning import Attempt, AttemptState, Trigger
from app.domain.fuses import (
    is_repeated,
    too_much_charged,
    too_much_given_back,
    too_much_mail,
)
from app.domain.policies import Bounds
from tests.domain.builders import MONDAY

BOUNDS = Bounds(charges_per_hour=5, mails_per_hour=50)


def an_attempt(case: str, number: int = 1, minor: int = 1000, **more: object) -> Attempt:
    made = Attempt(
        attempt_id=f"att_{case}_{number}",
        merchant_id="mer_1",
        account_id="acc_1",
        case_id=case,
        number=number,
        trigger=Trigger.HOLDFAST,
        state=AttemptState.DECLINED,
        currency="usd",
        amount_minor=minor,
        intent_at=MONDAY - timedelta(minutes=number),
    )
    return replace(made, **more)  # type: ignore[arg-type]


def times(count: int, case: str = "case_1", **more: object) -> list[Attempt]:
    return [an_attempt(case, n, **more) for n in range(count)]  # type: ignore[arg-type]


def test_the_same_invoice_charged_over_and_over_blows_the_fuse() -> None:
    assert too_much_charged(times(6), an_attempt("case_1", 9), BOUNDS)


@pytest.mark.parametrize(
    "hour",
    [
        pytest.param(times(4), id="few charges"),
        pytest.param([an_attempt(f"case_{n}") for n in range(500)], id="many invoices, once each"),
        pytest.param(times(30, trigger=Trigger.CUSTOMER), id="the customer's own"),
        pytest.param(times(30, trigger=Trigger.PROVIDER), id="the provider's own"),
        pytest.param(times(30, state=AttemptState.NOT_EXECUTED), id="what did not happen"),
        pytest.param(times(30, currency="eur"), id="another currency"),
    ],
)
def test_what_is_due_is_charged_in_peace(hour: list[Attempt]) -> None:
    assert not too_much_charged(hour, an_attempt("case_new"), BOUNDS)


@given(counts=st.lists(st.integers(1, 9), min_size=1, max_size=30))
def test_only_a_repeated_attempt_can_tip_the_volume(counts: list[int]) -> None:
    hour = [a for n, count in enumerate(counts) for a in times(count, f"case_{n}")]
    new = an_attempt("case_new")

    assert not is_repeated([])
    assert too_much_charged(hour, new, BOUNDS) <= too_much_charged(hour[:-1], hour[-1], BOUNDS)


@pytest.mark.parametrize(
    ("hour", "week", "blows"),
    [
        pytest.param(49, 0, False, id="the fiftieth"),
        pytest.param(50, 0, True, id="the fifty-first of a merchant who never wrote"),
        pytest.param(299, 168 * 100, False, id="three times the mean"),
        pytest.param(300, 168 * 100, True, id="one more"),
        pytest.param(50, 168 * 17, False, id="a merchant who writes more"),
    ],
)
def test_letters_beyond_three_times_the_mean_blow_the_fuse(
    hour: int, week: int, blows: bool
) -> None:
    assert too_much_mail(hour, week, BOUNDS) is blows


@pytest.mark.parametrize(
    ("day", "week", "blows"),
    [
        pytest.param(20, 0, False, id="the twentieth"),
        pytest.param(21, 0, True, id="the twenty-first of an account that gave nothing back"),
        pytest.param(30, 70, False, id="three times the mean"),
        pytest.param(31, 70, True, id="one more"),
    ],
)
def test_refunds_beyond_three_times_the_mean_blow_the_fuse(
    day: int, week: int, blows: bool
) -> None:
    assert too_much_given_back(day, week, BOUNDS) is blows
