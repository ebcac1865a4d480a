"""What holds a case, what it waits for, and that nothing to be done is lost on the way."""

from dataclasses import replace
from datetime import timedelta

import pytest

from app.domain.actions import Action, ActionKind
from app.domain.declines import Decline, DeclineKind
from app.domain.dunning import CaseState, Waits
from app.domain.holds import HoldReason
from app.domain.mirror import Dispute, PaymentMethod
from app.domain.notices import Notice, NoticeKind
from app.domain.outcomes import Outcome, PayAnswer
from app.domain.policies import EndPolicy
from app.domain.terms import decline_json
from app.ports.mailer import MailDeferred
from app.ports.payments import ProviderUnavailable
from app.services import case_commands
from app.services.case_commands import Order
from app.services.looks import take
from app.services.work import desk
from tests.domain.builders import ACCOUNT, a_payment, notice
from tests.review.stage import (
    CARD,
    NEW_CARD,
    POLICY,
    Stage,
    a_payment_notice,
    approved,
    open_stage,
    refused_charge,
)
from tests.review.test_once import to_the_retry

pytestmark = pytest.mark.anyio
K = NoticeKind
NO_ANSWER = PayAnswer(outcome=Outcome.UNKNOWN, reason="timeout")


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


async def is_held(stage: Stage, reason: HoldReason = HoldReason.OPERATOR) -> None:
    """An operator holds the case."""
    order = Order(merchant_id="mer_1", case_id=(await stage.case()).case_id, key="h", actor="k")
    await case_commands.hold(stage.world, order, reason=reason, until=None, text=None)


def a_new_card(stage: Stage, method: str = "pm_2") -> Notice:
    stage.bank.method = NEW_CARD
    return notice(
        K.CARD_COLLECTED,
        stage.clock.now(),
        snapshot=replace(NEW_CARD, method_id=method),
        customer="cus_1",
        method=method,
        link="lnk_1",
    )


async def test_a_disputed_case_is_charged_by_nothing_and_nobody(stage: Stage) -> None:
    await disputed(stage)

    await stage.hears(a_new_card(stage))
    await stage.passes(days=10)

    assert stage.bank.calls == []
    assert (await stage.case()).waits is Waits.ON_HOLD


async def test_a_card_entered_by_our_link_pays_what_only_a_person_holds(stage: Stage) -> None:
    await is_held(stage)

    await stage.hears(a_new_card(stage))
    await stage.works()

    assert stage.bank.calls == [("pay", "2", "pm_2")]


async def test_an_end_that_meets_a_hold_leaves_the_window_where_it_is(stage: Stage) -> None:
    await is_held(stage)
    before = (await stage.case()).window_ends_at

    await stage.passes(days=60)

    assert (await stage.case()).window_ends_at == before
    assert stage.bank.calls == []
    assert len(await stage.pending(ActionKind.END)) == 1


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


async def test_an_ordered_attempt_is_void_once_the_case_is_held(stage: Stage) -> None:
    order = Order(merchant_id="mer_1", case_id=(await stage.case()).case_id, key="o", actor="k")
    await stage.works()
    await case_commands.retry(stage.world, order)
    await is_held(stage)

    await stage.passes(days=3)

    assert stage.bank.calls == []


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


async def test_a_refusal_found_out_before_a_letter_is_followed_by_a_plan(stage: Stage) -> None:
    # given a charge without an answer, and a letter whose last look finds it refused
    await to_the_retry(stage)
    stage.bank.answers = [NO_ANSWER]
    await stage.works()
    stage.bank.payments.append(refused_charge(stage.clock.now(), "ch_2"))
    (resolve,) = await stage.pending(ActionKind.RESOLVE)
    seen = await stage.bank.read_invoice(ACCOUNT, "in_1")
    async with desk(stage.world, resolve, seen.method) as at:
        assert at is not None
        take(at, seen)

    await stage.passes(hours=1)

    assert await stage.pending(ActionKind.RETRY)
    assert (await stage.case()).next_attempt_at is not None


async def test_a_refusal_for_good_found_at_the_last_look_stops_the_retry(stage: Stage) -> None:
    await to_the_retry(stage)
    gone = decline_json(Decline(kind=DeclineKind.NEW_METHOD, code="expired_card"))
    stage.bank.payments.append(
        a_payment(stage.clock.now(), "failed", charge_id="ch_customer", decline=gone)
    )

    await stage.works()

    assert stage.bank.calls == []
    assert (await stage.case()).waits is Waits.CUSTOMER


async def test_a_card_never_to_be_tried_again_is_not_tried_as_a_new_one(stage: Stage) -> None:
    # given a card that its issuer refused for good, entered a second time by the customer
    never = decline_json(Decline(kind=DeclineKind.NEVER, code="stolen_card"))
    stage.bank.payments.append(
        a_payment(stage.clock.now(), "failed", charge_id="ch_x", decline=never, fingerprint="fp_2")
    )
    await stage.hears(notice(K.INVOICE_FAILED, stage.clock.now() + timedelta(hours=1)))
    await stage.works()

    await stage.hears(a_new_card(stage))
    await stage.works()

    assert [call for call in stage.bank.calls if call[0] == "pay"] == []


async def test_a_new_card_is_charged_by_its_own_id_where_no_default_shows(stage: Stage) -> None:
    await stage.hears(a_new_card(stage))
    set_default = stage.bank.set_default_method

    async def without(*given: object, **told: object) -> None:
        await set_default(*given, **told)  # type: ignore[arg-type]
        stage.bank.method = None

    stage.bank.set_default_method = without  # type: ignore[method-assign]

    await stage.works()

    assert stage.bank.calls == [("pay", "2", "pm_2")]


async def test_a_letter_put_off_by_an_outage_still_leaves(stage: Stage) -> None:
    stage.bank.fault = ProviderUnavailable("down")
    await stage.passes(days=26)
    stage.bank.fault = None

    await stage.passes(days=3)

    assert (await stage.letters())["final"] == "sent"


async def test_the_two_requests_of_an_end_have_a_key_each() -> None:
    end = EndPolicy(subscription="cancel_at_period_end", invoice="uncollectible")
    stage = await open_stage(replace(POLICY, end=end))
    stage.bank.method = None

    await stage.passes(days=32)

    keys = [call[2] for call in stage.bank.calls if call[0] in {"end", "close"}]
    assert len(keys) == len(set(keys)) == 2


async def test_a_debit_under_way_holds_the_end(stage: Stage) -> None:
    stage.bank.payments.append(
        a_payment(stage.clock.now(), "processing", charge_id="ch_debit", payment_id="pi_2")
    )

    await stage.passes(days=35)

    assert [call for call in stage.bank.calls if call[0] != "pay"] == []
    assert (await stage.case()).state is CaseState.ACTIVE


async def test_the_letter_of_the_end_does_not_go_to_somebody_who_has_paid() -> None:
    # given an end that was carried out, and a mail server that is away until the payment
    stage = await open_stage()
    await stage.passes(days=27)
    stage.post.faults = [MailDeferred("later")] * 100
    await stage.passes(days=1, hours=1)
    assert (await stage.letters())["ended"] == "planned"
    stage.post.faults = []
    stage.is_paid()
    await stage.hears(a_payment_notice(stage.clock.now()))

    await stage.passes(days=1)

    assert (await stage.letters())["ended"] == "dropped"


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


async def test_a_card_renewed_by_its_network_is_known_as_such_after_a_look(stage: Stage) -> None:
    renewed = replace(CARD, network_updated_at=stage.clock.now() + timedelta(hours=1))
    async with stage.store.transaction("mer_1") as tx:
        await tx.save([renewed])

    await to_the_retry(stage)
    await stage.works()

    (card,) = await stage.find(PaymentMethod)
    assert card.network_updated_at == renewed.network_updated_at


async def test_a_letter_about_an_end_that_left_the_subscription_says_so() -> None:
    stage = await open_stage()
    stage.bank.subscription_status = "active"

    await stage.passes(days=32)

    (letter,) = [one for one in stage.post.letters if one.template == "subscription_ended"]
    assert letter.end_action == "leave"


async def test_a_letter_names_no_retry_that_lies_in_the_past(stage: Stage) -> None:
    # given a retry that an outage put off beyond its instant, and a letter due meanwhile
    await stage.changes(next_attempt_at=stage.clock.now() - timedelta(hours=1))
    await stage.passes(days=26)

    final = [one for one in stage.post.letters if one.template == "final_notice"]
    assert [one.next_retry_at for one in final] == [None]


async def test_nobody_is_urged_to_pay_while_a_debit_is_under_way(stage: Stage) -> None:
    stage.post.mails.clear()
    stage.bank.payments.append(
        a_payment(stage.clock.now(), "processing", charge_id="ch_debit", payment_id="pi_2")
    )

    await stage.passes(days=30)

    assert stage.post.mails == []
    assert (await stage.letters())["final"] == "planned"


async def test_a_dispute_that_is_heard_lost_again_stops_no_later_case(stage: Stage) -> None:
    # given a dispute that was over before this case began
    lost = a_dispute(stage, K.DISPUTE_LOST)
    before = (await stage.case()).opened_at - timedelta(days=1)

    await stage.hears(replace(lost, occurred_at=before))

    assert (await stage.case()).state is CaseState.ACTIVE
