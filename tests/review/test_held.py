"""What holds a case, what it waits for, and that nothing to be done is lost on the way."""

from dataclasses import replace
from datetime import timedelta

import pytest

from app.domain.actions import ActionKind
from app.domain.declines import Decline, DeclineKind
from app.domain.dunning import CaseState, Waits
from app.domain.holds import HoldReason
from app.domain.mirror import PaymentMethod
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
    open_stage,
    refused_charge,
)
from tests.review.test_once import to_the_retry

pytestmark = pytest.mark.anyio
K = NoticeKind
NO_ANSWER = PayAnswer(outcome=Outcome.UNKNOWN, reason="timeout")


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


async def test_an_ordered_attempt_is_void_once_the_case_is_held(stage: Stage) -> None:
    order = Order(merchant_id="mer_1", case_id=(await stage.case()).case_id, key="o", actor="k")
    await stage.works()
    await case_commands.retry(stage.world, order)
    await is_held(stage)

    await stage.passes(days=3)

    assert stage.bank.calls == []


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


async def test_a_debt_is_not_closed_while_its_customers_debit_is_under_way(stage: Stage) -> None:
    case = await stage.case()
    stage.bank.payments.append(a_payment(stage.clock.now(), "processing", method_id="pm_debit"))
    told = Order(merchant_id="mer_1", case_id=case.case_id, key="forgive", actor="k")
    await case_commands.forgive(stage.world, told, text=None)
    await stage.passes(days=3)
    closed = [call for call in stage.bank.calls if call[0] == "close"]

    # when it comes through
    stage.bank.payments.pop()
    stage.is_paid("ch_debit")
    await stage.passes(days=1)

    assert closed == [call for call in stage.bank.calls if call[0] == "close"] == []
    assert (await stage.case()).state is CaseState.RECOVERED


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
