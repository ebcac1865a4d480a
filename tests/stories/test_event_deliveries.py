"""What is told arrives: signed, in order, again until it is taken, and for nobody else's price."""

from datetime import timedelta
from itertools import groupby, pairwise

import pytest

from app.domain.actions import Action, ActionState
from app.domain.events import DeliveryState, DeliveryTry
from app.domain.events_catalogue import EventType
from app.domain.events_delivery import WAITS, signature
from app.domain.operations import Alert
from app.services import actions, event_endpoints, events, merchants
from tests.outgoing.receiver import answer
from tests.stories.breaking import Crash
from tests.stories.told import REFUSED_TWICE, Told, a_failure

pytestmark = pytest.mark.anyio
DOWN = answer(503)


async def test_every_delivery_is_signed_with_the_endpoints_secret(told: Told) -> None:
    await a_failure(told.stage)

    assert told.receiver.got
    for got in told.receiver.got:
        seconds = int(got.headers["webhook-timestamp"])
        wanted = signature(told.secret, got.event["id"], seconds, got.body)
        assert got.headers["webhook-signature"] == wanted
        assert got.headers["webhook-id"] == got.event["id"]


async def test_nothing_overtakes_an_event_that_is_not_taken(told: Told) -> None:
    # given an endpoint that is down when the case opens
    told.receiver.always = DOWN
    person = await a_failure(told.stage)
    case = await told.stage.case(person)
    tried = {got.event["sequence"] for got in told.receiver.got}

    # when it is up again
    told.receiver.got.clear()
    told.receiver.always = answer(200)
    await told.stage.passes(days=1)

    # then the first comes first, and the rest after it
    subjects = {got.event["subject"] for got in told.receiver.got}
    assert tried == {1}
    assert case.case_id in subjects
    assert told.in_order()
    assert {row.state for row in await told.deliveries()} == {DeliveryState.DELIVERED}


async def test_what_is_not_taken_is_sent_again_on_the_schedule_and_then_given_up(
    told: Told,
) -> None:
    await told.change(types=[EventType.CASE_OPENED])
    told.receiver.always = answer(500, "no")
    await a_failure(told.stage)

    await told.stage.passes(days=5)

    (delivery,) = await told.deliveries()
    tries = sorted(await told.stage.find(DeliveryTry), key=lambda row: row.number)
    waits = [after.at - before.at for before, after in pairwise(tries)]
    assert delivery.state is DeliveryState.GIVEN_UP
    assert [row.number for row in tries] == list(range(1, 11))
    assert {(row.status, row.text) for row in tries} == {(500, "no")}
    for wait, planned in zip(waits, WAITS, strict=True):
        assert planned <= wait <= planned * 1.26 + timedelta(minutes=1)


async def test_an_endpoint_that_is_gone_is_told_no_more(told: Told) -> None:
    told.receiver.always = answer(410)

    await a_failure(told.stage)
    await told.stage.passes(days=1)

    endpoint = await told.endpoint()
    assert (endpoint.enabled, endpoint.disabled_reason) == (False, "it answered 410 Gone")
    assert len(told.receiver.got) == 1
    assert "event_endpoint_disabled" in await told.stage.alerts()
    assert {row.state for row in await told.deliveries()} == {DeliveryState.DROPPED}


async def test_an_endpoint_that_takes_nothing_for_five_days_is_disabled_and_a_person_told(
    told: Told,
) -> None:
    told.receiver.always = DOWN
    await a_failure(told.stage)

    await told.stage.passes(days=7)

    endpoint = await told.endpoint()
    alerts = await told.stage.find(Alert)
    (alert,) = [row for row in alerts if row.kind == "event_endpoint_disabled"]
    assert not endpoint.enabled
    assert alert.subject == told.endpoint_id
    assert "nothing was taken since" in alert.text


async def test_an_endpoint_that_is_disabled_a_second_time_is_told_of_a_second_time(
    told: Told,
) -> None:
    # given an endpoint that was disabled, and mended
    told.receiver.always = answer(410)
    await a_failure(told.stage)
    await told.stage.passes(days=1)
    first = await told.stage.find(Alert)
    await told.change(enabled=True)
    mended = await told.stage.find(Alert)

    # when it is gone again
    await told.stage.subscriber(REFUSED_TWICE)
    await told.stage.passes(days=33)

    (alert,) = await told.stage.find(Alert)
    assert not (await told.endpoint()).enabled
    assert [one.resolved_at is None for one in (*first, *mended, alert)] == [True, False, True]


async def test_what_was_missed_can_be_replayed(told: Told) -> None:
    told.receiver.always = answer(410)
    await a_failure(told.stage)
    told.receiver.got.clear()
    told.receiver.always = answer(200)
    await told.change(enabled=True)
    event = (await told.events())[0]

    for _ in range(2):  # asked twice, it is one replay
        await events.replay(
            told.stage.world, told.merchant, event.event_id, endpoint_id=None, actor="test"
        )
    await told.stage.plays()

    file = await events.show(told.stage.world, told.merchant, event.event_id)
    assert [got.event["id"] for got in told.receiver.got] == [event.event_id]
    assert file is not None
    assert [row.state for row, _ in file.deliveries][1:] == [DeliveryState.DELIVERED]


async def test_a_dead_endpoint_is_tried_with_one_event_at_a_time(told: Told) -> None:
    # given an endpoint that answers nothing while the cases of five customers open at once
    told.receiver.always = DOWN
    people = [await told.stage.subscriber(REFUSED_TWICE) for _ in range(5)]
    await told.stage.fails(people[0])
    told.receiver.got.clear()

    # when some hours pass
    await told.stage.passes(hours=12)

    # then it was asked about once an hour, and not for each of them
    assert len(told.receiver.got) <= 16
    assert (await told.endpoint()).failures >= 5


async def test_an_endpoint_may_ask_for_time(told: Told) -> None:
    await told.change(types=[EventType.CASE_OPENED])
    told.receiver.answers = [answer(429, retry_after="7200")]

    await a_failure(told.stage)
    await told.stage.passes(hours=3)

    first, second = sorted(await told.stage.find(DeliveryTry), key=lambda row: row.number)
    assert second.at - first.at >= timedelta(hours=2)


async def test_while_a_secret_is_rotated_both_sign_for_a_day(told: Told) -> None:
    _, new = await event_endpoints.rotate_secret(
        told.stage.world, told.merchant, told.endpoint_id, actor="test"
    )

    await event_endpoints.try_out(told.stage.world, told.merchant, told.endpoint_id, actor="test")
    told.stage.turns_to(told.stage.now + timedelta(hours=25))
    await event_endpoints.try_out(told.stage.world, told.merchant, told.endpoint_id, actor="test")

    during, after = (got.headers["webhook-signature"].split() for got in told.receiver.got)
    wanted = [
        [
            signature(secret, got.event["id"], int(got.headers["webhook-timestamp"]), got.body)
            for secret in (new, told.secret)
        ]
        for got in told.receiver.got
    ]
    assert during == wanted[0]
    assert after == wanted[1][:1]


async def test_a_rotation_that_is_asked_for_again_lets_the_secret_that_is_in_use_sign_on(
    told: Told,
) -> None:
    # given a rotation whose answer was lost, so that it was asked for once more
    whose = (told.stage.world, told.merchant, told.endpoint_id)
    for _ in range(2):
        await event_endpoints.rotate_secret(*whose, actor="test")

    await event_endpoints.try_out(*whose, actor="test")

    (got,) = told.receiver.got
    seconds = int(got.headers["webhook-timestamp"])
    in_use = signature(told.secret, got.event["id"], seconds, got.body)
    assert in_use in got.headers["webhook-signature"].split()


@pytest.mark.parametrize("point", range(1, 8))
async def test_each_event_is_told_once_and_taken_wherever_the_process_dies(
    told: Told, point: int
) -> None:
    # given a failed renewal whose next attempt is due
    stage = told.stage
    person = await a_failure(stage)
    case = await stage.case(person)
    await stage.reaches(case.next_attempt_at, hours=-1)

    # when the process dies somewhere on the way and another goes on
    stage.turns_to(stage.now + timedelta(hours=1))
    stage.fuse.arm(point)
    with pytest.raises(Crash):
        await stage.plays()
    await stage.passes(days=8)

    # then every event of the case is there once, in its place, and was taken
    told_of_it = [row for row in await told.events() if row.subject == case.case_id]
    taken = [g.event for g in told.receiver.got if g.event["subject"] == case.case_id]
    ids = [event_id for event_id, _ in groupby(event["id"] for event in taken)]
    assert [row.sequence for row in told_of_it] == list(range(1, len(told_of_it) + 1))
    assert ids == [row.event_id for row in told_of_it]
    assert [row.type for row in told_of_it].count("dunning.case.closed") == 1


async def test_two_workers_with_one_delivery_leave_it_delivered_once_in_the_books(
    told: Told,
) -> None:
    await told.change(types=[EventType.ACCOUNT_PAUSED])
    world = told.stage.world
    await merchants.pause_account(world, told.stage.account, reason="x", actor="test")
    (action,) = await told.stage.claims()

    await actions.carry_out(world, action)
    await actions.carry_out(world, action)

    assert len(told.receiver.got) == 1
    assert [row.state for row in await told.stage.find(Action)] == [ActionState.DONE]
