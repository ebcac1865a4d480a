"""What others commit while we are at it is neither overwritten nor overlooked."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from app.domain.actions import Action, ActionKind, ActionState
from app.domain.case_commands import CommandRefused
from app.domain.dunning import AttemptState, CaseState, IllegalMove, Waits
from app.domain.holds import HoldReason
from app.domain.merchants import CollectionMode, ProviderAccount
from app.domain.notices import NoticeKind
from app.domain.openings import case_action
from app.domain.policies import RetryPolicy
from app.ports.payments import ProviderUnavailable
from app.services import actions, case_commands
from app.services.alarms import pause_account
from app.services.case_commands import Order
from app.services.merchants import set_mode
from app.services.work import glance
from tests.domain.builders import a_payment, a_use, notice
from tests.review.stage import CARD, POLICY, Stage, a_payment_notice
from tests.review.test_disputed import a_dispute, disputed
from tests.review.test_held import NO_ANSWER
from tests.review.test_kept_policies import moves, published
from tests.review.test_once import to_the_retry

pytestmark = pytest.mark.anyio
K = NoticeKind


async def order(stage: Stage, key: str) -> Order:
    case = await stage.case()
    return Order(merchant_id="mer_1", case_id=case.case_id, key=key, actor="k")


async def is_held(stage: Stage, reason: HoldReason = HoldReason.OPERATOR) -> None:
    told = await order(stage, "hold")
    await case_commands.hold(stage.world, told, reason=reason, until=None, text=None)


async def is_stopped(stage: Stage) -> None:
    await case_commands.stop(stage.world, await order(stage, "stop"), text="enough")


async def the_account(stage: Stage) -> ProviderAccount:
    (account,) = await stage.find(ProviderAccount)
    return account


async def is_observed(stage: Stage) -> None:
    account = await the_account(stage)
    await set_mode(stage.world, account, CollectionMode.OBSERVE, actor="k")


@pytest.mark.parametrize("meanwhile", [is_held, is_stopped])
async def test_an_invoice_given_back_while_it_is_held_or_stopped_is_collected_by_nobody(
    stage: Stage, meanwhile: Any
) -> None:
    # given an account that is observed from now on, and an order while its invoice is given back
    await is_observed(stage)

    async def orders() -> None:
        await meanwhile(stage)

    stage.bank.on_advance = orders

    await stage.works()

    assert stage.bank.invoice.auto_advance is False


async def test_an_invoice_taken_over_as_the_account_is_observed_is_given_back(
    stage: Stage,
) -> None:
    # given an account that leaves drive while a case is taken over
    await stage.changes(driven=False)
    stage.bank.invoice = replace(stage.bank.invoice, auto_advance=True)
    look = case_action(await stage.case(), ActionKind.ASSESS, stage.clock.now(), nth="again")
    async with stage.store.transaction("mer_1") as tx:
        await tx.save([look])

    async def leaves() -> None:
        await is_observed(stage)

    stage.bank.on_advance = leaves

    await stage.works()

    assert stage.bank.invoice.auto_advance is True
    assert not (await stage.case()).driven


async def test_a_payment_heard_while_a_broken_action_is_parked_still_counts(stage: Stage) -> None:
    # given an action that failed four times, and a payment reported as it fails once more
    (broken,) = await stage.pending(ActionKind.RETRY)
    async with stage.store.transaction("mer_1") as tx:
        await tx.save([replace(broken, data={"faults": 4})])
    reports: list[asyncio.Task[None]] = []

    async def reports_payment(step: str) -> None:
        if step == "save" and not reports:
            heard = stage.hears(a_payment_notice(stage.clock.now()))
            reports.append(asyncio.create_task(heard))
            await asyncio.wait(reports, timeout=0.05)

    stage.store.pause = reports_payment

    await actions.failed(stage.world, broken, ValueError("broken"))
    await asyncio.gather(*reports)

    assert (await stage.case()).state is CaseState.RECOVERED


async def test_the_end_of_a_strangers_dispute_lets_nobody_go(stage: Stage) -> None:
    # given a case that an operator holds for a dispute, and one of another customer that is over
    await is_held(stage, HoldReason.DISPUTE)
    theirs: dict[str, Any] = {"charge_id": "ch_theirs", "payment_id": "pi_theirs"}
    seen = a_payment(stage.clock.now(), customer_id="cus_2", invoice_id="in_2", **theirs)

    await stage.hears(
        notice(K.PAYMENT_SUCCEEDED, stage.clock.now(), snapshot=seen, customer="cus_2"),
        a_dispute(stage, K.DISPUTE_WON, status="won", **theirs),
        notice(K.INVOICE_UPDATED, stage.clock.now()),
    )

    assert (await stage.case()).waits is Waits.ON_HOLD


@pytest.mark.parametrize("meanwhile", [is_held, is_stopped])
async def test_a_charge_that_waits_for_its_turn_is_not_sent_once_it_is_stopped(
    stage: Stage, meanwhile: Any
) -> None:
    await to_the_retry(stage)

    async def orders() -> None:
        await meanwhile(stage)

    stage.bank.on_turn = orders

    await stage.passes(days=2)

    assert stage.bank.calls == []
    assert [a.state for a in await stage.attempts()][-1] is AttemptState.NOT_EXECUTED
    assert (await stage.case()).attempts_used == 0


async def test_a_charge_that_waits_for_its_turn_is_not_sent_once_its_card_is_refused_for_good(
    stage: Stage,
) -> None:
    # given a charge that waits, and one of another invoice that is refused meanwhile
    await to_the_retry(stage)

    async def is_refused_elsewhere() -> None:
        async with stage.store.transaction("mer_1") as tx:
            await tx.save([a_use(stage.clock.now(), never=True)])

    stage.bank.on_turn = is_refused_elsewhere

    await stage.passes(hours=1)

    assert stage.bank.calls == []
    assert (await stage.attempts())[-1].state is AttemptState.NOT_EXECUTED
    case = await stage.case()
    assert case.attempts_used == 0
    assert case.waits is Waits.CUSTOMER
    assert case.next_attempt_at is None


async def test_a_repeat_that_waits_for_its_turn_is_not_sent_once_it_is_stopped(
    stage: Stage,
) -> None:
    # given a charge without an answer, and a stop while the same request waits to be sent again
    await to_the_retry(stage)
    stage.bank.answers = [NO_ANSWER]
    await stage.works()

    async def orders() -> None:
        await is_stopped(stage)

    stage.bank.on_turn = orders

    await stage.passes(hours=2)
    doubted = (await stage.attempts())[-1].state
    await stage.passes(days=2)

    assert len(stage.bank.calls) == 1
    assert doubted is AttemptState.UNKNOWN
    assert (await stage.attempts())[-1].state is AttemptState.NOT_EXECUTED


@pytest.mark.parametrize("before", [True, False], ids=["before", "after"])
@pytest.mark.parametrize("over", [True, False], ids=["over", "open"])
async def test_a_case_parked_beside_a_dispute_is_taken_up_without_a_charge(
    stage: Stage, before: bool, over: bool
) -> None:
    # given a dispute that began before or after the case was parked
    if before:
        await disputed(stage)
    case = await stage.case()
    parked = case.moved(CaseState.PARKED, at=stage.clock.now(), reason="broken")
    async with stage.store.transaction("mer_1") as tx:
        await tx.save([parked])
    if not before:
        await disputed(stage)
    if over:
        await stage.hears(a_dispute(stage, K.DISPUTE_WON, status="won"))

    await case_commands.release(stage.world, await order(stage, "release"), reason=None)
    await stage.works()

    case = await stage.case()
    assert case.state is CaseState.ACTIVE
    assert case.waits is (Waits.RETRYING if over else Waits.ON_HOLD)
    assert (case.next_attempt_at is not None) is over


async def test_no_charge_begins_once_its_account_is_paused(stage: Stage) -> None:
    # given a retry that was claimed and looked at before the account was paused
    await to_the_retry(stage)
    (retry,) = await actions.claim(stage.world, limit=10)
    account = await the_account(stage)
    await pause_account(stage.world, "mer_1", account.account_id, "the fuse")
    before = await stage.attempts()

    await actions.carry_out(stage.world, retry, looked_at=True)
    (later,) = await stage.pending(ActionKind.RETRY)

    assert await stage.attempts() == before
    assert later.due_at > stage.clock.now()


async def test_nobody_orders_a_charge_beside_the_providers_own(stage: Stage) -> None:
    await is_observed(stage)
    await stage.works()

    with pytest.raises(CommandRefused, match="the provider retries"):
        await case_commands.retry(stage.world, await order(stage, "retry"))


@pytest.mark.parametrize("kind", [ActionKind.RETRY, ActionKind.WATCH, ActionKind.END])
async def test_a_case_that_was_overlooked_as_the_account_left_drive_is_given_back(
    stage: Stage, kind: ActionKind
) -> None:
    # given a driven case that was not committed yet when the account's cases were handed over
    account = replace(await the_account(stage), mode=CollectionMode.OBSERVE)
    due = (await stage.case()).next_attempt_at if kind is ActionKind.RETRY else stage.clock.now()
    assert due is not None
    look = case_action(await stage.case(), kind, due, nth=due.isoformat())
    pending = await stage.find(Action, state=ActionState.PENDING)
    async with stage.store.transaction("mer_1") as tx:
        await tx.save([replace(one, state=ActionState.DONE) for one in pending])
        await tx.save([account])
        await tx.save([replace(look, due_at=stage.clock.now())])

    # when whatever is due about it next comes
    await stage.works()

    assert not (await stage.case()).driven
    assert stage.bank.invoice.auto_advance is True


async def ends_by_half(stage: Stage) -> Any:
    """The end of the case is begun, and the provider is away before the invoice is closed. What
    closes it again."""
    case = await stage.case()
    stage.clock.instant = case.window_ends_at
    close = stage.bank.close_invoice

    async def dies(*args: Any, **told: Any) -> Any:
        raise ProviderUnavailable("away")

    stage.bank.close_invoice = dies  # type: ignore[method-assign]
    await stage.passes(days=4)
    assert [call[:2] for call in stage.bank.calls if call[0] != "pay"][:1] == [
        ("end", "cancel_now")
    ]
    return close


async def test_an_end_that_was_begun_is_carried_out_although_the_account_left_drive(
    stage: Stage,
) -> None:
    # given an end whose process died between the subscription and the invoice
    close = await ends_by_half(stage)

    # when the account is observed before it is tried again
    await is_observed(stage)
    stage.bank.close_invoice = close  # type: ignore[method-assign]
    await stage.passes(days=2)

    # then the invoice is closed too, and nobody collects it again meanwhile
    assert (await stage.case()).state is CaseState.EXHAUSTED
    assert stage.bank.calls[-1][:2] == ("close", "uncollectible")
    assert stage.bank.invoice.auto_advance is False


async def test_nothing_charges_by_itself_once_an_end_was_begun(stage: Stage) -> None:
    close = await ends_by_half(stage)
    tried = [call for call in stage.bank.calls if call[0] == "pay"]

    # when the network brings the card's new data
    of = {"snapshot": CARD, "customer": "cus_1", "method": "pm_1"}
    await stage.hears(notice(K.METHOD_UPDATED_BY_NETWORK, stage.clock.now(), **of))
    await stage.works()
    stage.bank.close_invoice = close  # type: ignore[method-assign]
    await stage.passes(days=2)

    assert [call for call in stage.bank.calls if call[0] == "pay"] == tried
    assert (await stage.case()).state is CaseState.EXHAUSTED


async def test_a_case_whose_end_was_begun_is_moved_to_no_other_policy(stage: Stage) -> None:
    await ends_by_half(stage)
    longer = replace(POLICY, name="longer", retry=RetryPolicy(window_days=60))
    label = await published(stage, longer)

    with pytest.raises(IllegalMove, match="end"):
        await moves(stage, label)


async def test_a_look_at_a_case_without_a_customer_waits_for_what_is_being_written(
    stage: Stage,
) -> None:
    # given a case that nobody's name is on, and a report about its invoice that is being written
    await stage.changes(customer_id=None)
    case = await stage.case()
    action = case_action(case, ActionKind.WATCH, stage.clock.now(), nth="look")

    async def looks() -> CaseState:
        async with glance(stage.world, action, after_the_deed=True) as at:
            assert at is not None
            return at.case.state

    async with stage.store.transaction("mer_1") as tx:
        await tx.lock("acc_1", [case.invoice_id])
        look = asyncio.create_task(looks())
        await asyncio.wait([look], timeout=0.05)
        await tx.save([case.moved(CaseState.STOPPED, at=stage.clock.now(), reason="enough")])

    assert await look is CaseState.STOPPED
