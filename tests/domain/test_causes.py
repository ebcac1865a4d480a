"""Why money came back: one cause, by whoever tried and with which card."""

from datetime import datetime

import pytest

from app.domain.causes import cause_of
from app.domain.declines import DeclineKind
from app.domain.dunning import Attempt, AttemptState, Case, Trigger
from app.domain.mirror import PaymentMethod
from app.domain.recovery import Cause
from tests.domain.builders import MONDAY, on_day


def a_case(decline: DeclineKind | None = None) -> Case:
    return Case(
        case_id="case_1",
        merchant_id="mer_1",
        account_id="acc_1",
        invoice_id="in_1",
        decline_kind=decline,
        opened_at=MONDAY,
        window_ends_at=on_day(28),
    )


def an_attempt(trigger: Trigger, link: str | None = None) -> Attempt:
    return Attempt(
        attempt_id="att_1",
        merchant_id="mer_1",
        account_id="acc_1",
        case_id="case_1",
        number=2,
        trigger=trigger,
        state=AttemptState.APPROVED,
        currency="usd",
        amount_minor=3000,
        intent_at=on_day(3),
        link_id=link,
    )


def a_method(added: datetime | None = None, updated: datetime | None = None) -> PaymentMethod:
    return PaymentMethod(
        merchant_id="mer_1",
        account_id="acc_1",
        method_id="pm_1",
        added_at=added,
        network_updated_at=updated,
    )


@pytest.mark.parametrize(
    ("trigger", "cause"),
    [
        (Trigger.HOLDFAST, Cause.HOLDFAST_RETRY),
        (Trigger.PROVIDER, Cause.PROVIDER_RETRY),
        (Trigger.NEW_CARD, Cause.CUSTOMER_NEW_CARD),
        (Trigger.ACCOUNT_UPDATER, Cause.ACCOUNT_UPDATER),
        (Trigger.BACKUP_CARD, Cause.BACKUP_CARD),
        (Trigger.OPERATOR, Cause.MANUAL_OR_EXTERNAL),
        (Trigger.CUSTOMER, Cause.MANUAL_OR_EXTERNAL),
    ],
)
def test_whoever_tried_gives_the_cause(trigger: Trigger, cause: Cause) -> None:
    old = a_method(added=on_day(-30))

    assert cause_of(a_case(), an_attempt(trigger), old) is cause


@pytest.mark.parametrize("trigger", list(Trigger))
def test_a_card_that_the_customer_brought_since_goes_before_who_tried(trigger: Trigger) -> None:
    new = a_method(added=on_day(2), updated=on_day(2))

    assert cause_of(a_case(), an_attempt(trigger, "lnk_1"), new) is Cause.CUSTOMER_NEW_CARD


@pytest.mark.parametrize("trigger", [Trigger.HOLDFAST, Trigger.PROVIDER, Trigger.OPERATOR])
def test_a_card_that_the_network_updated_since_goes_before_a_retry(trigger: Trigger) -> None:
    renewed = a_method(added=on_day(-30), updated=on_day(1))

    assert cause_of(a_case(), an_attempt(trigger), renewed) is Cause.ACCOUNT_UPDATER


@pytest.mark.parametrize(
    ("decline", "link", "cause"),
    [
        (None, "lnk_1", Cause.CUSTOMER_PAID_LINK),
        (DeclineKind.CUSTOMER_AUTHENTICATE, "lnk_1", Cause.CUSTOMER_AUTHENTICATED),
        (DeclineKind.CUSTOMER_AUTHENTICATE, None, Cause.CUSTOMER_AUTHENTICATED),
    ],
)
def test_the_way_a_customer_came_is_told(
    decline: DeclineKind | None, link: str | None, cause: Cause
) -> None:
    assert cause_of(a_case(decline), an_attempt(Trigger.CUSTOMER, link), None) is cause
