"""What the simulation asks of letters is no more than can be kept."""

from datetime import timedelta

from app.domain.dunning import CaseState
from tests.domain.builders import MONDAY
from tests.simulation.people import was_true

ENDED, SOON = "subscription_ended", MONDAY + timedelta(minutes=1)


def test_a_letter_about_an_end_may_leave_while_its_customer_pays() -> None:
    # given a payment between the last look and the mail (seed 528047)
    assert was_true(ENDED, CaseState.RECOVERED, (CaseState.EXHAUSTED, MONDAY), SOON)


def test_a_letter_about_an_end_is_not_begun_once_its_customer_has_paid() -> None:
    assert not was_true(ENDED, CaseState.RECOVERED, (CaseState.RECOVERED, MONDAY), SOON)
    assert not was_true(ENDED, CaseState.RECOVERED, None, SOON)


def test_a_letter_about_an_end_does_not_leave_long_after_it_was_begun() -> None:
    late = MONDAY + timedelta(hours=2)

    assert not was_true(ENDED, CaseState.RECOVERED, (CaseState.EXHAUSTED, MONDAY), late)


def test_who_has_not_paid_is_not_thanked() -> None:
    assert not was_true("payment_recovered", CaseState.EXHAUSTED, (CaseState.ACTIVE, MONDAY), SOON)
