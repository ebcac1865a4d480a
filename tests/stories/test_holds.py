"""Cases that wait: for a promise, for a bank's decision, for a person. Meanwhile nobody acts."""

from collections.abc import Iterator
from contextlib import suppress
from datetime import date, timedelta
from itertools import count

import pytest

from app.domain.actions import ActionKind
from app.domain.dunning import AttemptState, Case, CaseState, Trigger, Waits
from app.domain.holds import HoldReason
from app.domain.merchants import CollectionMode
from app.domain.messages import MessageState
from app.domain.mirror import Dispute
from app.services import actions, case_commands
from tests.stories.breaking import Crash
from tests.stories.cards import APPROVES, AUTHENTICATES, EXPIRED, REFUSED, REFUSED_ONCE
from tests.stories.looks import Person
from tests.stories.stage import PRICE, Stage
from tests.stories.test_case_commands import holds, order, releases
from tests.stories.test_modes import becomes
from tests.stories.test_reconciling import connects_later, reconciled

pytestmark = pytest.mark.anyio
NUMBERS: Iterator[int] = count(1)


async def promises(stage: Stage, case: Case, day: date) -> None:
    """The customer has promised to pay by this day."""
    await case_commands.hold(
        stage.world,
        order(case, f"promise-{next(NUMBERS)}"),
        reason=HoldReason.PROMISE_TO_PAY,
        until=day,
        text=None,
    )


def disputes(stage: Stage, person: Person) -> str:
    """The customer disputes the first payment of the subscription at their bank."""
    paid = [
        charge["id"]
        for charge in stage.there("charges", customer=person.customer, limit=100)["data"]
        if charge["status"] == "succeeded"
    ]
    made: str = stage.act(person, "dispute", charge=paid[-1])["dispute"]
    return made


def decides(stage: Stage, person: Person, dispute: str, *, won: bool) -> None:
    stage.act(person, "close_dispute", dispute=dispute, won=won)


async def test_while_held_nobody_charges_writes_or_ends_and_the_end_moves_by_that_time(
    stage: Stage,
) -> None:
    person = await stage.subscriber(REFUSED)
    case = await stage.fails(person)
    await stage.passes(days=1)
    charged, written = stage.charges(case), await stage.letters(case)

    await holds(stage, case)
    await stage.passes(days=40)
    held = (await stage.cases(person))[0]
    while_held = stage.charges(case), await stage.letters(case)
    await releases(stage, case)
    await stage.plays()

    case = (await stage.cases(person))[0]
    assert while_held == (charged, written)
    assert (held.state, held.waits) == (CaseState.ACTIVE, Waits.ON_HOLD)
    assert case.next_attempt_at is not None
    assert case.window_ends_at - held.window_ends_at == timedelta(days=40)
    assert stage.there(f"subscriptions/{person.subscription}")["status"] == "past_due"


async def test_after_a_release_the_end_comes_no_sooner_than_three_days_after_its_notice(
    stage: Stage,
) -> None:
    person = await stage.subscriber(EXPIRED)
    case = await stage.fails(person)
    await stage.reaches(case.window_ends_at, hours=-80)
    await holds(stage, case)
    await stage.passes(days=6)
    silent = (await stage.message((await stage.cases(person))[0], "final")).state

    await releases(stage, case)
    released = stage.now
    await stage.passes(days=12)

    case = (await stage.cases(person))[0]
    sent_at = (await stage.message(case, "final")).sent_at
    assert silent is MessageState.PLANNED
    assert case.state is CaseState.EXHAUSTED
    assert sent_at is not None
    assert case.closed_at is not None
    assert sent_at > released
    assert case.closed_at - sent_at >= timedelta(hours=72)


async def test_a_promise_that_is_not_kept_is_due_again_on_the_morning_after(stage: Stage) -> None:
    person = await stage.subscriber(REFUSED_ONCE)
    case = await stage.fails(person)
    day = (stage.now + timedelta(days=9)).date()
    await promises(stage, case, day)

    await stage.passes(days=9)
    waiting = await stage.case(person)
    charged = stage.fuse.keys()
    await stage.reaches(stage.now.replace(hour=8, minute=5), hours=24)

    assert waiting.waits is Waits.ON_HOLD
    assert charged == []
    assert (await stage.case(person)).state is CaseState.RECOVERED


async def test_a_promise_that_is_kept_has_recovered_the_case(stage: Stage) -> None:
    person = await stage.subscriber(EXPIRED)
    case = await stage.fails(person)
    await promises(stage, case, (stage.now + timedelta(days=9)).date())
    await stage.passes(days=3)

    stage.act(person, "pay_hosted_invoice", invoice=case.invoice_id)
    await stage.passes(days=20)

    case = await stage.case(person)
    assert (case.state, case.holds) == (CaseState.RECOVERED, ())
    assert [line[:2] for line in await stage.ledger(case)] == [("recovered", PRICE)]


async def test_a_promise_for_a_later_day_replaces_the_first(stage: Stage) -> None:
    person = await stage.subscriber(EXPIRED)
    case = await stage.fails(person)
    await promises(stage, case, (stage.now + timedelta(days=2)).date())
    await promises(stage, case, (stage.now + timedelta(days=8)).date())

    await stage.passes(days=6)

    case = await stage.case(person)
    assert (case.waits, len(case.holds)) == (Waits.ON_HOLD, 1)


async def test_a_dispute_holds_all_that_its_customer_owes_until_it_is_won(stage: Stage) -> None:
    # given somebody with two subscriptions, both unpaid, who disputes their first payment
    person = await stage.subscriber(APPROVES)
    stage.subscribes(person)
    stage.program(person.method, REFUSED)
    await stage.passes(days=30, hours=1)
    dispute = disputes(stage, person)
    await stage.plays()
    await stage.passes(days=10)
    held = await stage.cases(person)
    charged = stage.fuse.keys()

    decides(stage, person, dispute, won=True)
    await stage.plays()

    assert [case.waits for case in held] == [Waits.ON_HOLD] * 2
    assert [one["name"] for case in held for one in case.holds] == [dispute] * 2
    assert charged == []
    assert [case.waits for case in await stage.cases(person)] == [Waits.RETRYING] * 2


async def test_a_lost_dispute_stops_its_subscription_and_lets_the_others_go(stage: Stage) -> None:
    person = await stage.subscriber(APPROVES)
    other = stage.subscribes(person)
    stage.program(person.method, REFUSED)
    await stage.passes(days=30, hours=1)
    dispute = disputes(stage, person)
    await stage.plays()

    decides(stage, person, dispute, won=False)
    await stage.plays()

    stands = {case.subscription_id: case for case in await stage.cases(person)}
    concerned = [case for case in stands.values() if case.state is CaseState.STOPPED]
    assert concerned
    assert stands[other].holds == stands[person.subscription].holds == ()


@pytest.mark.parametrize("won", [True, False], ids=["won", "lost"])
async def test_a_dispute_told_of_backwards_ends_in_the_same(stage: Stage, won: bool) -> None:
    person = await stage.subscriber(REFUSED)
    case = await stage.fails(person)
    stage.hears = False
    decides(stage, person, disputes(stage, person), won=won)

    stage.order = lambda events: events[::-1]
    stage.hears = True
    await stage.plays()
    await stage.passes(hours=1)

    case = await stage.case(person)
    assert case.holds == ()
    assert case.state is (CaseState.ACTIVE if won else CaseState.STOPPED)


async def test_what_fails_during_a_dispute_is_held_by_it_as_well(stage: Stage) -> None:
    person = await stage.subscriber(REFUSED)
    await stage.fails(person)
    disputes(stage, person)
    await stage.plays()

    await stage.passes(days=31)

    cases = await stage.cases(person)
    assert len(cases) == 2
    assert [case.waits for case in cases] == [Waits.ON_HOLD] * 2


async def test_what_fails_while_somebody_who_owed_nothing_disputes_is_held(stage: Stage) -> None:
    # given a dispute of somebody without a case
    person = await stage.subscriber(APPROVES)
    dispute = disputes(stage, person)
    await stage.passes(hours=1)
    stage.program(person.method, REFUSED)

    # when their renewal fails, and the bank decides
    await stage.passes(days=31)
    (held,) = await stage.cases(person)
    charged = stage.fuse.keys()
    decides(stage, person, dispute, won=True)
    await stage.plays()

    # then nothing was asked of them meanwhile, nothing was announced, and it goes on
    (mirrored,) = await stage.find(Dispute)
    assert (held.waits, charged) == (Waits.ON_HOLD, [])
    assert held.next_attempt_at is None
    assert [hold["name"] for hold in held.holds] == [dispute]
    assert (await stage.case(person)).waits is Waits.RETRYING
    assert (mirrored.status, mirrored.customer_id) == ("won", person.customer)


async def test_a_dispute_holds_a_case_by_whichever_report_it_opens(stage: Stage) -> None:
    # given a dispute of somebody without a case, and a renewal whose bank asks for them
    person = await stage.subscriber(APPROVES)
    disputes(stage, person)
    await stage.passes(hours=1)
    stage.program(person.method, AUTHENTICATES)
    stage.hears = False
    await stage.passes(days=31)

    # when that the customer must act is heard before anything else of it
    asks = [one for one in stage.missed() if one["type"] == "invoice.payment_action_required"]
    await stage.delivers(*asks)
    await stage.plays()

    # then the dispute holds it from the first moment
    assert asks
    assert (await stage.case(person)).waits is Waits.ON_HOLD


async def test_a_new_card_waits_for_the_release_and_pays_at_once_then(stage: Stage) -> None:
    person = await stage.subscriber(EXPIRED)
    case = await stage.fails(person)
    await holds(stage, case)
    stage.act(person, "new_card", card={"base": "visa"})
    await stage.plays()
    still = await stage.case(person)

    await releases(stage, case)
    await stage.plays()

    case = await stage.case(person)
    assert still.waits is Waits.ON_HOLD
    assert case.state is CaseState.RECOVERED
    assert await stage.states(case, Trigger.NEW_CARD) == [AttemptState.APPROVED]


async def test_the_provider_does_not_collect_what_we_hold_and_goes_on_after_it(
    watching: Stage,
) -> None:
    person = await watching.subscriber(REFUSED)
    case = await watching.fails(person)

    await holds(watching, case)
    await watching.plays()
    charged = len(watching.charges(case))
    rests = watching.there(f"invoices/{case.invoice_id}")
    await watching.passes(days=20)
    after = len(watching.charges(case))
    await releases(watching, case)
    await watching.plays()

    goes_on = watching.there(f"invoices/{case.invoice_id}")
    case = await watching.case(person)
    assert (rests["auto_advance"], rests["next_payment_attempt"]) == (False, None)
    assert charged == after
    assert goes_on["auto_advance"] is True
    assert (case.stilled, case.waits) == (False, Waits.RETRYING)
    assert watching.fuse.keys() == []


async def test_of_a_parked_case_whose_hold_ends_no_next_try_is_announced(watching: Stage) -> None:
    # given a case on hold that was parked while the provider's collection rests (seed 1936)
    person = await watching.subscriber(REFUSED)
    case = await watching.fails(person)
    day = (watching.now + timedelta(days=2)).date()
    await promises(watching, case, day)
    await watching.plays()
    case = await watching.case(person)
    async with watching.world.store.transaction(case.merchant_id) as tx:
        await tx.save([case.moved(CaseState.PARKED, at=watching.now, reason="a fault")])

    await watching.passes(days=4)

    case = await watching.case(person)
    assert (case.state, case.stilled, case.next_attempt_at) == (CaseState.PARKED, False, None)
    assert watching.there(f"invoices/{case.invoice_id}")["auto_advance"] is True


async def test_what_the_merchant_had_turned_off_stays_off_after_a_hold(watching: Stage) -> None:
    person = await watching.subscriber(REFUSED)
    case = await watching.fails(person)
    watching.call(f"invoices/{case.invoice_id}", auto_advance="false")
    await watching.plays()

    await holds(watching, case)
    await watching.plays()
    await releases(watching, case)
    await watching.plays()

    assert watching.there(f"invoices/{case.invoice_id}")["auto_advance"] is False


async def test_the_providers_collection_rests_and_goes_on_wherever_the_process_dies(
    watching: Stage,
) -> None:
    people = [await watching.subscriber(REFUSED) for _ in range(12)]
    await watching.fails(people[0])
    for n, person in enumerate(people):
        await holds(watching, await watching.case(person), key=f"h-{n}")
    await dies(watching)
    rests = [await watching.case(person) for person in people]
    for n, case in enumerate(rests):
        await releases(watching, case, f"r-{n}")
    await dies(watching)

    advances = [
        watching.there(f"invoices/{case.invoice_id}")["auto_advance"] is True for case in rests
    ]
    assert all(case.stilled for case in rests)
    assert all(advances)


async def test_a_hold_outlasts_the_change_of_who_collects(stage: Stage) -> None:
    # given a case on hold that we drive, of an account that is observed from now on
    person = await stage.subscriber(REFUSED)
    case = await stage.fails(person)
    await holds(stage, case)
    await becomes(stage, CollectionMode.OBSERVE)
    await stage.plays()
    held = await stage.case(person)
    rests = stage.there(f"invoices/{case.invoice_id}")["auto_advance"]

    await releases(stage, case)
    await stage.plays()

    case = await stage.case(person)
    assert (held.waits, held.driven, rests) == (Waits.ON_HOLD, False, False)
    assert (case.waits, case.driven, case.stilled) == (Waits.RETRYING, False, False)
    assert stage.there(f"invoices/{case.invoice_id}")["auto_advance"] is True


async def dies(stage: Stage) -> None:
    """Each look at the provider's collection dies at another point, and is made again."""
    point = 0
    for action in await stage.claims():
        if action.kind is ActionKind.COLLECTION:
            point += 1
            stage.fuse.arm(point)
        with suppress(Crash):
            await actions.carry_out(stage.world, action)
        stage.fuse.armed = None
    await stage.plays()


async def test_an_old_debt_is_released_by_itself(stage: Stage) -> None:
    person = await connects_later(stage)
    await reconciled(stage)
    case = await stage.case(person)

    await releases(stage, case)
    await stage.plays()

    released = await stage.case(person)
    assert case.waits is Waits.ON_HOLD
    assert released.waits is not Waits.ON_HOLD
    assert released.window_ends_at > stage.now + timedelta(days=20)
