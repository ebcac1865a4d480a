"""Disputes: what they hold, what ends with them, and that their reports may come in any order."""

from dataclasses import replace
from datetime import timedelta

import pytest

from app.domain.actions import Action, ActionKind
from app.domain.alerts import AlertKind
from app.domain.dunning import CaseState, Waits
from app.domain.holds import HoldReason
from app.domain.mirror import Dispute
from app.domain.notices import Notice, NoticeKind
from app.domain.openings import case_action
from app.domain.operations import Alert
from app.services import case_commands
from app.services.case_commands import Order
from tests.domain.builders import a_payment, notice
from tests.review.stage import (
    Stage,
    a_payment_notice,
    approved,
    refused_charge,
)
from tests.review.test_held import NO_ANSWER, a_new_card, is_held
from tests.review.test_once import to_the_retry

pytestmark = pytest.mark.anyio
K = NoticeKind


def a_dispute(stage: Stage, kind: NoticeKind, **more: object) -> Notice:
    given = {
        "dispute_id": "dp_1",
        "charge_id": "ch_part",
        "payment_id": "pi_part",
        "amount_minor": 1000,
    }
    snapshot = Dispute(**(given | more))  # type: ignore[arg-type]
    return notice(
        kind,
        stage.clock.now(),
        snapshot=snapshot,
        payment=snapshot.payment_id,
        charge=snapshot.charge_id,
    )


async def disputed(stage: Stage) -> None:
    """Part of the invoice was paid, and that payment is disputed."""
    part = a_payment(
        stage.clock.now(), charge_id="ch_part", payment_id="pi_part", amount_minor=1000
    )
    seen = notice(K.PAYMENT_SUCCEEDED, stage.clock.now(), snapshot=part)
    await stage.hears(seen, a_dispute(stage, K.DISPUTE_OPENED))


async def test_a_disputed_case_is_charged_by_nothing_and_nobody(stage: Stage) -> None:
    await disputed(stage)

    await stage.hears(a_new_card(stage))
    await stage.passes(days=10)

    assert stage.bank.calls == []
    assert (await stage.case()).waits is Waits.ON_HOLD


async def test_a_held_case_that_is_taken_over_announces_no_try_of_the_provider(
    stage: Stage,
) -> None:
    # given a case on hold that shows when the provider would try next
    await disputed(stage)
    theirs = stage.clock.now() + timedelta(days=3)
    await stage.changes(driven=False, next_attempt_at=theirs)

    # when the first look takes the invoice over
    look = case_action(await stage.case(), ActionKind.ASSESS, stage.clock.now(), nth="look")
    async with stage.store.transaction("mer_1") as tx:
        await tx.insert([look])
    await stage.works()

    case = await stage.case()
    assert (case.driven, case.waits) == (True, Waits.ON_HOLD)
    assert case.next_attempt_at is None


async def test_a_dispute_opened_after_its_end_was_told_does_not_hold(
    stage: Stage,
) -> None:
    part = a_payment(stage.clock.now(), charge_id="ch_part", payment_id="pi_part")
    stage.bank.shows = [a_dispute(stage, K.DISPUTE_WON, status="won")]

    await stage.hears(
        notice(K.PAYMENT_SUCCEEDED, stage.clock.now(), snapshot=part),
        a_dispute(stage, K.DISPUTE_WON, status="won"),
        a_dispute(stage, K.DISPUTE_OPENED, status="needs_response"),
    )
    held = (await stage.case()).waits
    await stage.works()

    assert held is Waits.RETRYING
    assert (await stage.case()).waits is Waits.RETRYING


async def test_two_reasons_to_wait_end_with_the_last(stage: Stage) -> None:
    await disputed(stage)
    await is_held(stage)

    await stage.hears(a_dispute(stage, K.DISPUTE_WON))
    still = (await stage.case()).waits
    order = Order(merchant_id="mer_1", case_id=(await stage.case()).case_id, key="r", actor="k")
    await case_commands.release(stage.world, order, reason=None)

    assert still is Waits.ON_HOLD
    assert (await stage.case()).waits is Waits.RETRYING


async def test_a_hold_survives_the_next_decision(stage: Stage) -> None:
    await disputed(stage)
    stage.bank.payments.append(refused_charge(stage.clock.now(), "ch_customer"))
    await stage.hears(notice(K.INVOICE_FAILED, stage.clock.now() + timedelta(hours=1)))

    await stage.passes(hours=2)

    assert (await stage.case()).waits is Waits.ON_HOLD
    assert (await stage.case()).next_attempt_at is None


async def test_a_dispute_that_was_won_lets_the_case_go_on(stage: Stage) -> None:
    await disputed(stage)

    await stage.hears(a_dispute(stage, K.DISPUTE_WON))
    await stage.works()

    assert (await stage.case()).waits is Waits.RETRYING
    assert (await stage.case()).next_attempt_at is not None


@pytest.mark.parametrize("ended", [K.DISPUTE_WON, K.DISPUTE_LOST])
async def test_a_dispute_whose_reports_all_come_again_moves_nothing(
    stage: Stage, ended: NoticeKind
) -> None:
    # given a dispute that is over, and what came of it
    began = a_dispute(stage, K.DISPUTE_OPENED, status="needs_response")
    await disputed(stage)
    await stage.hears(began)
    stage.clock.instant += timedelta(days=2)
    over = a_dispute(stage, ended, status="won" if ended is K.DISPUTE_WON else "lost")
    await stage.hears(over)
    await stage.works()
    before = await stage.case(), {action.key for action in await stage.find(Action)}

    # when everything is heard once more, days later
    stage.clock.instant += timedelta(days=1)
    await stage.hears(began, over)

    after = await stage.case(), {action.key for action in await stage.find(Action)}
    assert after == before


async def test_a_hold_that_a_person_set_is_lifted_by_no_old_report(stage: Stage) -> None:
    await disputed(stage)
    won = a_dispute(stage, K.DISPUTE_WON)
    await stage.hears(won)
    await is_held(stage, HoldReason.DISPUTE)

    await stage.hears(won)

    assert [hold["name"] for hold in (await stage.case()).holds] == ["dispute"]


async def test_a_dispute_that_was_lost_stops_the_case(stage: Stage) -> None:
    await disputed(stage)

    await stage.hears(a_dispute(stage, K.DISPUTE_LOST))

    assert (await stage.case()).state is CaseState.STOPPED


async def test_a_doubt_is_not_sent_again_while_the_case_is_on_hold(stage: Stage) -> None:
    await to_the_retry(stage)
    stage.bank.answers = [NO_ANSWER]
    await stage.works()
    await disputed(stage)

    await stage.passes(hours=2)

    assert len(stage.bank.calls) == 1


async def test_money_taken_by_our_answer_can_be_disputed_without_any_webhook_of_it(
    stage: Stage,
) -> None:
    await to_the_retry(stage)
    stage.bank.answers = [replace(approved(stage.clock.now()), payment_id="pi_9")]
    await stage.works()

    await stage.hears(
        a_dispute(stage, K.DISPUTE_LOST, charge_id="ch_ours", payment_id="pi_9", amount_minor=3000)
    )

    assert [line[:2] for line in await stage.ledger()] == [
        ("dispute_lost", -3000),
        ("recovered", 3000),
    ]


async def test_a_dispute_lost_in_another_currency_is_for_a_person(stage: Stage) -> None:
    await to_the_retry(stage)
    stage.bank.answers = [replace(approved(stage.clock.now()), payment_id="pi_9")]
    await stage.works()

    lost = {"charge_id": "ch_ours", "payment_id": "pi_9", "amount_minor": 3300, "currency": "eur"}
    await stage.hears(*2 * [a_dispute(stage, K.DISPUTE_LOST, **lost)])

    assert [line[:2] for line in await stage.ledger()] == [("recovered", 3000)]
    (told,) = await stage.find(Alert, kind=AlertKind.CURRENCY)
    assert (told.subject, "eur, not usd" in told.text) == ("dp_1", True)


async def test_a_dispute_lost_before_the_payment_was_read_is_entered_after_it(
    stage: Stage,
) -> None:
    # given an outage in which the invoice was paid, disputed, and the dispute lost
    stage.is_paid("ch_x", payment_id="pi_x")
    (payment,) = [p for p in stage.bank.payments if p.charge_id == "ch_x"]

    stage.bank.shows = [a_dispute(stage, K.DISPUTE_LOST, charge_id="ch_x", payment_id="pi_x")]

    await stage.hears(
        a_payment_notice(stage.clock.now()),
        notice(K.PAYMENT_SUCCEEDED, stage.clock.now(), snapshot=payment),
        a_dispute(stage, K.DISPUTE_LOST, charge_id="ch_x", payment_id="pi_x"),
    )
    await stage.passes(hours=1)

    assert ("dispute_lost", -1000) in [line[:2] for line in await stage.ledger()]


async def test_a_dispute_that_is_heard_lost_again_stops_no_later_case(stage: Stage) -> None:
    # given a dispute that was over before this case began
    lost = a_dispute(stage, K.DISPUTE_LOST)
    before = (await stage.case()).opened_at - timedelta(days=1)

    await stage.hears(replace(lost, occurred_at=before))

    assert (await stage.case()).state is CaseState.ACTIVE
