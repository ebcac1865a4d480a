"""What people order about a case: done once, refused by name, whatever runs beside it."""

from asyncio import gather
from typing import Any

import pytest

from app.domain.actions import ActionKind
from app.domain.case_commands import CommandRefused, Refusal
from app.domain.dunning import AttemptState, Case, CaseState, Trigger, Waits
from app.domain.holds import HoldReason
from app.domain.operations import AuditEntry
from app.domain.recovery import Cause
from app.services import actions, case_commands
from app.services.case_commands import Carried, KeyReused, Order
from tests.stories.breaking import Crash
from tests.stories.cards import EXPIRED, REFUSED, REFUSED_ONCE, STOLEN
from tests.stories.looks import Person
from tests.stories.stage import PRICE, Stage
from tests.stories.test_crashes import dies_everywhere, many

pytestmark = pytest.mark.anyio


def order(case: Case, key: str = "k-1") -> Order:
    return Order(merchant_id=case.merchant_id, case_id=case.case_id, key=key, actor="key_1")


async def holds(
    stage: Stage, case: Case, reason: HoldReason = HoldReason.OPERATOR, *, key: str = "h-1"
) -> Carried:
    """Somebody holds the case until they release it."""
    made = order(case, key)
    return await case_commands.hold(stage.world, made, reason=reason, until=None, text="a call")


async def releases(stage: Stage, case: Case, key: str = "r-1") -> Carried:
    return await case_commands.release(stage.world, order(case, key), reason=None)


async def stops(stage: Stage, case: Case, key: str = "s-1") -> Carried:
    return await case_commands.stop(stage.world, order(case, key), text="they asked us to")


async def forgives(stage: Stage, case: Case, key: str = "f-1") -> Carried:
    return await case_commands.forgive(stage.world, order(case, key), text=None)


async def to_the_retry(stage: Stage, behaviour: dict[str, Any]) -> tuple[Person, Case]:
    """A case whose next attempt is due now and not carried out yet."""
    person = await stage.subscriber(behaviour)
    case = await stage.fails(person)
    await stage.reaches(case.next_attempt_at, hours=-0.1)
    assert case.next_attempt_at is not None
    stage.turns_to(case.next_attempt_at)
    return person, case


async def test_an_ordered_attempt_spends_nothing_of_the_policy_and_brings_the_money(
    stage: Stage,
) -> None:
    person = await stage.subscriber(REFUSED_ONCE)
    case = await stage.fails(person)

    done = await case_commands.retry(stage.world, order(case))
    again = await case_commands.retry(stage.world, order(case))
    await stage.plays()

    case = await stage.case(person)
    (line,) = await stage.find(AuditEntry, action="case.retry")
    assert (done.again, again.again) == (False, True)
    assert await stage.states(case, Trigger.OPERATOR) == [AttemptState.APPROVED]
    assert (case.state, case.attempts_used) == (CaseState.RECOVERED, 0)
    assert len(stage.captures(case)) == 1
    assert (line.actor, line.subject) == ("key_1", case.case_id)


async def test_two_who_order_an_attempt_at_once_get_one(stage: Stage) -> None:
    person = await stage.subscriber(REFUSED)
    case = await stage.fails(person)

    told = await gather(
        *(case_commands.retry(stage.world, order(case, f"k-{n}")) for n in range(3)),
        return_exceptions=True,
    )
    await stage.plays()

    refused = [one.why for one in told if isinstance(one, CommandRefused)]
    assert refused == [Refusal.ATTEMPT_UNDER_WAY] * 2
    assert await stage.states(case, Trigger.OPERATOR) == [AttemptState.DECLINED]


@pytest.mark.parametrize("ordered_first", [True, False], ids=["ordered first", "planned first"])
async def test_an_order_beside_the_planned_attempt_takes_the_money_once(
    stage: Stage, ordered_first: bool
) -> None:
    person, case = await to_the_retry(stage, REFUSED_ONCE)

    if ordered_first:
        await case_commands.retry(stage.world, order(case))
        await stage.plays()
    else:
        (action,) = await stage.claims()
        stage.fuse.arm(6, lambda: ordered(stage, case))
        await actions.carry_out(stage.world, action)
        await stage.plays()

    assert (await stage.case(person)).state is CaseState.RECOVERED
    assert len(stage.captures(case)) == 1


async def ordered(stage: Stage, case: Case) -> None:
    await case_commands.retry(stage.world, order(case))


async def test_an_ordered_attempt_heeds_the_network_and_the_safety_of_a_stolen_card(
    stage: Stage,
) -> None:
    person = await stage.subscriber(STOLEN)
    case = await stage.fails(person)

    with pytest.raises(CommandRefused) as refused:
        await case_commands.retry(stage.world, order(case))
    await stage.passes(days=1)

    assert refused.value.why is Refusal.NETWORK_LIMIT
    assert len(stage.charges(case)) == 1


async def test_an_ordered_charge_is_made_once_wherever_its_process_dies(stage: Stage) -> None:
    cases = await many(stage, REFUSED_ONCE, 16, address=None)
    for case in cases:
        await case_commands.retry(stage.world, order(case, case.case_id))

    await dies_everywhere(stage, ActionKind.RETRY)
    await stage.passes(hours=2)

    for case in cases:
        assert len(stage.captures(case)) == 1
        assert await stage.states(case, Trigger.OPERATOR) == [AttemptState.APPROVED]


async def test_a_command_is_carried_out_once_wherever_its_process_dies(stage: Stage) -> None:
    person = await stage.subscriber(EXPIRED)
    case = await stage.fails(person)

    deaths = 0
    for point in (1, 2, 3):
        stage.fuse.arm(point)
        try:
            await holds(stage, case)
        except Crash:
            deaths += 1
        stage.fuse.armed = None

    held = await stage.case(person)
    assert deaths == 2
    assert [hold["reason"] for hold in held.holds] == ["operator"]
    assert len(await stage.find(AuditEntry, action="case.hold")) == 1


async def test_a_key_means_one_command_and_no_other(stage: Stage) -> None:
    person = await stage.subscriber(EXPIRED)
    case = await stage.fails(person)
    await holds(stage, case, key="same")

    with pytest.raises(KeyReused):
        await stops(stage, case, key="same")

    assert (await stage.case(person)).state is CaseState.ACTIVE


async def test_a_stopped_case_is_charged_by_nobody_and_recovers_when_they_pay(
    stage: Stage,
) -> None:
    person, case = await to_the_retry(stage, REFUSED_ONCE)
    await stops(stage, case)

    await stage.passes(days=30)
    still = await stage.case(person)
    charged = stage.fuse.keys()
    stage.act(person, "pay_hosted_invoice", invoice=case.invoice_id)
    await stage.plays()

    case = await stage.case(person)
    assert (still.state, still.reason) == (CaseState.STOPPED, "by an operator: they asked us to")
    assert charged == []
    assert stage.there(f"subscriptions/{person.subscription}")["status"] != "canceled"
    assert case.state is CaseState.RECOVERED


async def test_a_forgiven_debt_is_closed_at_the_provider_and_never_charged(stage: Stage) -> None:
    person, case = await to_the_retry(stage, REFUSED_ONCE)

    done = await forgives(stage, case)
    await stage.passes(days=30)

    case = await stage.case(person)
    assert done.case.state is CaseState.STOPPED
    assert stage.there(f"invoices/{case.invoice_id}")["status"] == "uncollectible"
    assert (case.state, case.reason, stage.fuse.keys()) == (CaseState.STOPPED, "forgiven", [])


async def test_a_debt_is_forgiven_once_wherever_the_process_dies(stage: Stage) -> None:
    cases = await many(stage, EXPIRED, 12, address=None)
    for case in cases:
        await forgives(stage, case, case.case_id)

    await dies_everywhere(stage, ActionKind.FORGIVE)
    await stage.plays()

    for case in cases:
        assert stage.there(f"invoices/{case.invoice_id}")["status"] == "uncollectible"


async def test_who_pays_while_they_are_forgiven_has_paid(stage: Stage) -> None:
    person = await stage.subscriber(EXPIRED)
    case = await stage.fails(person)
    stage.hears = False
    stage.act(person, "pay_hosted_invoice", invoice=case.invoice_id)

    await forgives(stage, case)
    await stage.plays()

    case = await stage.case(person)
    assert (case.state, case.recovered_minor) == (CaseState.RECOVERED, PRICE)


async def test_no_debt_is_forgiven_while_a_charge_may_still_bring_money(stage: Stage) -> None:
    person, case = await to_the_retry(stage, REFUSED_ONCE)
    stage.fault("timeout_after")
    (action,) = await stage.claims()
    await actions.carry_out(stage.world, action)

    with pytest.raises(CommandRefused) as refused:
        await forgives(stage, case)
    stopped = await stops(stage, case)
    await stage.passes(hours=2)

    assert refused.value.why is Refusal.ATTEMPT_UNDER_WAY
    assert stopped.is_under_way
    assert (await stage.case(person)).cause == Cause.HOLDFAST_RETRY


@pytest.mark.parametrize("command", [case_commands.retry, holds, releases, stops, forgives])
async def test_a_case_that_is_over_is_over(stage: Stage, command: object) -> None:
    person = await stage.subscriber(REFUSED_ONCE)
    case = await stage.fails(person)
    await stage.passes(days=10)
    assert (await stage.case(person)).state is CaseState.RECOVERED

    about = order(case) if command is case_commands.retry else case
    given = stage.world if command is case_commands.retry else stage
    with pytest.raises(CommandRefused) as refused:
        await command(given, about)  # type: ignore[operator]

    assert refused.value.why is Refusal.CASE_OVER


async def test_a_parked_case_is_taken_up_again_and_worked(stage: Stage) -> None:
    person = await stage.subscriber(REFUSED_ONCE)
    case = await stage.fails(person)
    parked = case.moved(CaseState.PARKED, at=stage.now, reason="a contradiction")
    async with stage.world.store.transaction(case.merchant_id) as tx:
        await tx.save([parked])

    await releases(stage, case)
    await stage.passes(days=10)

    assert (await stage.case(person)).state is CaseState.RECOVERED


async def test_a_hold_that_waited_for_the_intent_stops_its_charge(stage: Stage) -> None:
    person, case = await to_the_retry(stage, REFUSED_ONCE)
    (action,) = await stage.claims()

    async def held() -> None:
        await holds(stage, case)

    stage.fuse.arm(8, held)  # the intent is committed, the call not made
    await actions.carry_out(stage.world, action)

    now = await stage.case(person)
    assert stage.fuse.armed is None
    assert stage.fuse.keys() == []
    assert await stage.states(case) == [AttemptState.NOT_EXECUTED]
    assert (now.waits, now.attempts_used) == (Waits.ON_HOLD, 0)


@pytest.mark.parametrize("point", [2, 4, 5, 6, 8, 10])
async def test_a_stop_beside_an_attempt_is_heeded_or_says_that_one_is_under_way(
    stage: Stage, point: int
) -> None:
    person, case = await to_the_retry(stage, REFUSED_ONCE)
    (action,) = await stage.claims()
    told: list[Carried] = []

    async def stopped() -> None:
        told.append(await stops(stage, case))

    stage.fuse.arm(point, stopped)
    await actions.carry_out(stage.world, action)
    await stage.passes(days=10)

    charged = stage.fuse.keys() != []
    assert told
    assert charged <= told[0].is_under_way
    assert len(stage.captures(case)) == charged
    assert (await stage.case(person)).state is (
        CaseState.RECOVERED if charged else CaseState.STOPPED
    )


async def test_a_hold_set_between_the_two_looks_of_the_end_stops_it(stage: Stage) -> None:
    person = await stage.subscriber(EXPIRED, address=None)
    case = await stage.fails(person)
    await stage.reaches(case.window_ends_at, hours=-0.1)
    stage.turns_to(case.window_ends_at)
    ends = [one for one in await stage.claims() if one.kind is ActionKind.END]

    async def held() -> None:
        await holds(stage, case)

    stage.fuse.arm(5, held)  # the first look allowed it, the live invoice is asked for
    await actions.carry_out(stage.world, ends[0])
    await stage.passes(days=2)

    now = await stage.case(person)
    assert stage.fuse.armed is None
    assert (now.state, now.waits) == (CaseState.ACTIVE, Waits.ON_HOLD)
    assert stage.there(f"subscriptions/{person.subscription}")["status"] == "past_due"
    assert now.window_ends_at == case.window_ends_at
