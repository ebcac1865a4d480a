"""A charge nobody answered: found out by reading, charged once, never taken for a refusal."""

from datetime import timedelta

import pytest

from app.domain.actions import Action, ActionKind, ActionState
from app.domain.dunning import Attempt, AttemptState, CaseState, Trigger
from tests.stories.cards import EXPIRED, REFUSED, REFUSED_ONCE, STOLEN
from tests.stories.stage import Stage

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(
    ("fault", "sent"),
    [
        pytest.param("timeout_before", 2, id="it never arrived"),
        pytest.param("timeout_after", 1, id="it was carried out"),
        pytest.param("reset", 2, id="the connection broke before"),
        pytest.param("reset_after", 1, id="the connection broke after"),
        pytest.param("409", 2, id="the key is in use"),
        pytest.param("html", 2, id="a gateway answered"),
    ],
)
async def test_a_charge_in_doubt_is_found_out_by_reading(
    stage: Stage, fault: str, sent: int
) -> None:
    # given a retry without an answer, and no webhook either
    person = await stage.subscriber(REFUSED_ONCE, address=None)
    case = await stage.fails(person)
    stage.hears = False
    stage.fault(fault)

    # when it was sent, and then read a minute later
    await stage.reaches(case.next_attempt_at)
    in_doubt = await stage.states(case)
    await stage.passes(hours=0.1)

    assert in_doubt == [AttemptState.UNKNOWN]
    assert (await stage.case(person)).state is CaseState.RECOVERED
    assert await stage.states(case) == [AttemptState.APPROVED]
    assert stage.fuse.keys() == [f"{case.case_id}:2"] * sent
    assert len(stage.captures(case)) == 1


async def test_a_refusal_in_doubt_is_found_though_the_invoice_was_voided(stage: Stage) -> None:
    # given a retry that was refused without our hearing it (seed 21990)
    person = await stage.subscriber(REFUSED, address=None)
    case = await stage.fails(person)
    stage.hears = False
    stage.fault("timeout_after")
    await stage.reaches(case.next_attempt_at)
    in_doubt = await stage.states(case)

    # when the merchant voids the invoice, which takes its payment intent back, before we look
    stage.call(f"invoices/{case.invoice_id}/void")
    await stage.passes(days=2)

    assert in_doubt == [AttemptState.UNKNOWN]
    assert await stage.states(case) == [AttemptState.DECLINED]
    assert (await stage.case(person)).state is CaseState.STOPPED


async def test_a_try_of_the_provider_is_not_taken_for_ours_that_is_in_doubt(
    watching: Stage,
) -> None:
    # given a new card that is tried at once, by a request whose key keeps an error, where the
    # provider retries (seed 10329)
    stage = watching
    person = await stage.subscriber(REFUSED, address=None)
    case = await stage.fails(person)
    await stage.reaches(case.next_attempt_at, hours=-3)
    stage.fault("500")
    stage.act(person, "new_card", card={"base": "visa", "behaviour": REFUSED})
    await stage.plays()
    stage.hears = False

    # when the provider's own retry is refused, and we read about ours again
    await stage.passes(hours=6)
    while_in_doubt = await stage.find(Attempt)
    await stage.passes(days=1)

    told = {a.trigger: a.state for a in while_in_doubt if a.number > 1}
    assert told == {
        Trigger.NEW_CARD: AttemptState.UNKNOWN,
        Trigger.PROVIDER: AttemptState.DECLINED,
    }
    ended = [a.state for a in await stage.find(Attempt) if a.trigger is Trigger.NEW_CARD]
    assert ended == [AttemptState.NOT_EXECUTED]


async def test_a_request_in_doubt_is_not_repeated_on_a_card_that_is_refused_for_good(
    watching: Stage,
) -> None:
    # given a new card that is tried at once, by a request that never arrives, a moment before the
    # provider's own retry (seed 517930)
    stage = watching
    person = await stage.subscriber(REFUSED, address=None)
    case = await stage.fails(person)
    await stage.reaches(case.next_attempt_at, hours=-0.01)
    stage.fault("timeout_before")
    stage.act(person, "new_card", card={"base": "visa", "behaviour": STOLEN})
    await stage.plays()

    # when that is refused for good, with the same card
    await stage.passes(days=2)

    told = {a.trigger: a.state for a in await stage.find(Attempt) if a.number > 1}
    assert told == {
        Trigger.NEW_CARD: AttemptState.NOT_EXECUTED,
        Trigger.PROVIDER: AttemptState.DECLINED,
    }
    assert stage.fuse.keys() == [f"{case.case_id}:2"]


async def test_a_charge_is_repeated_on_the_card_it_was_decided_for(stage: Stage) -> None:
    # given a retry that never arrived, and a new default card that nobody told us of
    person = await stage.subscriber(REFUSED, address=None)
    case = await stage.fails(person)
    stage.hears = False
    stage.fault("timeout_before")
    await stage.reaches(case.next_attempt_at)
    stage.act(person, "new_card", card={"base": "visa"})

    # when it is sent again
    await stage.passes(hours=0.1)

    attempts = [a for a in await stage.find(Attempt) if a.trigger is Trigger.HOLDFAST]
    assert [(a.state, a.method_id) for a in attempts] == [(AttemptState.DECLINED, person.method)]
    assert stage.captures(case) == []


async def test_a_charge_that_was_answered_leaves_no_look_behind(stage: Stage) -> None:
    person = await stage.subscriber(REFUSED_ONCE, address=None)
    case = await stage.fails(person)

    await stage.reaches(case.next_attempt_at)
    looks = [a for a in await stage.find(Action) if a.kind is ActionKind.RESOLVE]

    assert await stage.states(case) == [AttemptState.APPROVED]
    assert [look.state for look in looks] == [ActionState.DROPPED]


async def test_an_error_kept_under_its_key_ends_after_a_day_and_gets_a_new_key(
    stage: Stage,
) -> None:
    person = await stage.subscriber(REFUSED_ONCE)
    case = await stage.fails(person)
    stage.fault("500")

    await stage.reaches(case.next_attempt_at, hours=23.9)
    waiting = await stage.case(person)
    await stage.passes(days=9)

    assert (waiting.state, waiting.attempts_used) == (CaseState.ACTIVE, 1)
    assert set(stage.fuse.keys()) == {f"{case.case_id}:2", f"{case.case_id}:3"}
    assert await stage.states(case) == [AttemptState.NOT_EXECUTED, AttemptState.APPROVED]
    assert (await stage.case(person)).attempts_used == 1


async def test_doubt_is_looked_into_sooner_and_then_later(stage: Stage) -> None:
    person = await stage.subscriber(REFUSED_ONCE)
    case = await stage.fails(person)
    stage.fault("timeout_before", times=100)
    await stage.reaches(case.next_attempt_at)

    looks = []
    for minutes in (1, 5, 60, 360, 1440):
        before = len(stage.fuse.keys("read_invoice"))
        await stage.reaches(case.next_attempt_at, hours=(minutes - 0.5) / 60)
        early = len(stage.fuse.keys("read_invoice")) - before
        await stage.reaches(case.next_attempt_at, hours=minutes / 60)
        looks.append((early, len(stage.fuse.keys("read_invoice")) - before))
    stage.mended()

    assert looks == [(0, 1)] * 5
    assert len(stage.fuse.keys()) == 5  # not a day later: then the key may be forgotten
    assert await stage.states(case) == [AttemptState.NOT_EXECUTED]
    assert (await stage.case(person)).attempts_used == 0


async def test_told_to_slow_down_nothing_was_charged_and_nothing_is_spent(stage: Stage) -> None:
    person = await stage.subscriber(REFUSED_ONCE)
    case = await stage.fails(person)
    stage.fault("429", retry_after=3000)

    await stage.reaches(case.next_attempt_at)
    refused = await stage.case(person)
    await stage.passes(hours=2)

    assert refused.attempts_used == 0
    assert refused.next_attempt_at is not None
    assert refused.next_attempt_at - stage.now <= timedelta(0)
    assert await stage.states(case) == [AttemptState.NOT_EXECUTED, AttemptState.APPROVED]


async def test_a_repeat_that_is_refused_unread_leaves_the_first_in_doubt(stage: Stage) -> None:
    person = await stage.subscriber(REFUSED_ONCE)
    case = await stage.fails(person)
    stage.fault("timeout_before")
    stage.fault("429")

    await stage.reaches(case.next_attempt_at, hours=0.05)
    still = await stage.states(case)
    await stage.passes(hours=0.1)

    assert still == [AttemptState.UNKNOWN]
    assert await stage.states(case) == [AttemptState.APPROVED]
    assert len(set(stage.fuse.keys())) == 1


@pytest.mark.parametrize("fault", ["html", "429"])
async def test_without_a_last_look_there_is_no_charge(stage: Stage, fault: str) -> None:
    person = await stage.subscriber(REFUSED_ONCE)
    case = await stage.fails(person)
    stage.fault(fault, "/v1/invoices/*", method="GET", times=3, retry_after=0)

    await stage.reaches(case.next_attempt_at)
    blind = stage.fuse.keys()
    await stage.passes(hours=1)

    assert blind == []
    assert await stage.states(case) == [AttemptState.APPROVED]


async def test_a_bank_debit_under_way_is_awaited(stage: Stage) -> None:
    person = await stage.subscriber(REFUSED)
    case = await stage.fails(person)
    stage.program(person.method, {"kind": "debit", "days": 5})

    await stage.reaches(case.next_attempt_at, hours=100)
    under_way = await stage.states(case)
    await stage.passes(days=3)

    assert under_way == [AttemptState.PROCESSING]
    assert stage.fuse.keys() == [f"{case.case_id}:2"]
    assert (await stage.case(person)).state is CaseState.RECOVERED


async def test_a_second_new_card_waits_for_the_doubt_about_the_first(stage: Stage) -> None:
    person = await stage.subscriber(EXPIRED)
    case = await stage.fails(person)
    stage.fault("500")
    stage.act(person, "new_card", card={"base": "visa"})
    await stage.passes(hours=1)

    stage.act(person, "new_card", card={"base": "mastercard"})
    await stage.passes(hours=20)
    meanwhile = await stage.states(case, Trigger.NEW_CARD)
    await stage.passes(days=1)

    states = await stage.states(case, Trigger.NEW_CARD)
    assert meanwhile == [AttemptState.UNKNOWN]
    assert states == [AttemptState.NOT_EXECUTED, AttemptState.APPROVED]
    assert len(stage.captures(case)) == 1
