"""When a save holds, and what it is lost for."""

from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest

from app.domain.cancellations import CancelRequest, Choice, RequestState, Source
from app.domain.mirror import Subscription
from app.domain.redemptions import Redemption
from app.domain.saves import (
    AFTER,
    Lost,
    Rung,
    SaveStep,
    accepted,
    checks,
    in_doubt,
    judged,
    lost_by,
)
from app.domain.sessions import CancelSession
from tests.domain.builders import MONDAY, a_subscription, on_day

SESSION = CancelSession(
    session_id="cxs_1",
    merchant_id="mer_1",
    account_id="acc_1",
    customer_id="cus_1",
    subscription_id="sub_1",
    token_hash="h",
    flow="default@1",
    step="half",
    reason="too_expensive",
    opened_at=on_day(-0.1),
    expires_at=on_day(1),
)
REDEMPTION = Redemption(
    redemption_id="red_1",
    merchant_id="mer_1",
    account_id="acc_1",
    customer_id="cus_1",
    subscription_id="sub_1",
    session_id="cxs_1",
    offer_id="half",
    kind="discount",
    terms={},
    cost_minor=4500,
    currency="usd",
    claimed_at=MONDAY,
)


def runs(**more: Any) -> Subscription:
    return a_subscription(**({"status": "active"} | more))


def first(**more: Any) -> SaveStep:
    return replace(accepted(SESSION, REDEMPTION, runs(), MONDAY), **more)


def asked(state: RequestState) -> CancelRequest:
    return CancelRequest(
        request_id="cxr_1",
        merchant_id="mer_1",
        account_id="acc_1",
        subscription_id="sub_1",
        source=Source.SESSION,
        choice=Choice.PERIOD_END,
        state=state,
        requested_at=on_day(3),
        ends_at=on_day(20),
    )


def test_an_accepted_offer_is_looked_at_three_times() -> None:
    step = first()

    assert (step.rung, step.kept, step.mrr_minor, step.cost_minor) == ("accepted", True, 3000, 4500)
    assert (step.offer_kind, step.reason, step.plan) == ("discount", "too_expensive", "Team")
    due = [action.due_at for action in checks(step)]
    assert due == [on_day(1), on_day(30), on_day(90)]
    assert len({action.key for action in checks(step)}) == 3


@pytest.mark.parametrize("rung", AFTER)
@pytest.mark.parametrize(
    ("more", "lost"),
    [
        pytest.param({}, None, id="runs"),
        pytest.param({"status": "past_due"}, None, id="owes, but runs"),
        pytest.param({"status": "trialing"}, None, id="on an extended trial"),
        pytest.param(
            {"status": "paused", "pause_reason": "pause_requested"}, None, id="pauses as offered"
        ),
        pytest.param({"collection_paused": True}, None, id="collection pauses as offered"),
        pytest.param({"status": "canceled"}, Lost.ENDED, id="ended"),
        pytest.param({"status": "unpaid"}, Lost.UNPAID, id="given up for want of money"),
        pytest.param({"cancel_at": on_day(99)}, Lost.ASKED_TO_LEAVE, id="set to end on a day"),
        pytest.param({"cancel_at_period_end": True}, Lost.ASKED_TO_LEAVE, id="set to end"),
    ],
)
def test_a_rung_holds_while_the_subscription_does(
    rung: Rung, more: dict[str, Any], lost: Lost | None
) -> None:
    assert lost_by(rung, runs(**more), [], [SESSION], first()) is lost


@pytest.mark.parametrize(
    ("state", "lost"),
    [
        (RequestState.ASKED, Lost.ASKED_TO_LEAVE),
        (RequestState.STANDING, Lost.ASKED_TO_LEAVE),
        (RequestState.UNDONE, None),
    ],
)
def test_a_word_that_stands_loses_it_before_the_provider_shows_it(
    state: RequestState, lost: Lost | None
) -> None:
    assert lost_by(Rung.SAVED_30D, runs(), [asked(state)], [SESSION], first()) is lost


@pytest.mark.parametrize(
    ("rung", "lost"),
    [
        (Rung.DEFLECTED_24H, None),
        (Rung.SAVED_30D, Lost.CAME_AGAIN),
        (Rung.SAVED_90D, Lost.CAME_AGAIN),
    ],
)
def test_a_save_that_lasts_has_no_second_session(rung: Rung, lost: Lost | None) -> None:
    again = replace(SESSION, session_id="cxs_2", opened_at=on_day(0.5))

    assert lost_by(rung, runs(), [], [SESSION, again], first()) is lost


def test_what_the_provider_does_not_know_is_no_save() -> None:
    assert lost_by(Rung.SAVED_30D, None, [], [SESSION], first()) is Lost.UNKNOWN_THERE


def test_a_later_rung_costs_nothing_again_and_is_dated_as_it_was_due() -> None:
    step = judged(first(), Rung.SAVED_30D, Lost.ENDED, on_day(33))

    assert (step.kept, step.why, step.cost_minor) == (False, "ended", 0)
    assert (step.begun_at, step.due_at, step.recorded_at) == (MONDAY, on_day(30), on_day(33))


@pytest.mark.parametrize(
    ("seen", "doubt"),
    [
        pytest.param(on_day(29.5), False, id="heard of on the day"),
        pytest.param(on_day(31), False, id="heard of since"),
        pytest.param(on_day(28), True, id="not heard of for two days"),
        pytest.param(on_day(-1), True, id="not since the acceptance"),
        pytest.param(None, True, id="never"),
    ],
)
def test_a_mirror_that_has_not_heard_lately_is_no_witness(
    seen: datetime | None, doubt: bool
) -> None:
    assert in_doubt(first(), runs(seen_at=seen), on_day(30)) is doubt
    assert in_doubt(first(), None, on_day(30)) is True
