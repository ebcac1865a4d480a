"""Telling on both stores: each event once, numbered without a gap, whoever else tells too."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from app.domain.actions import Action
from app.domain.events import DeliveryState, EventDelivery, EventEndpoint, OutgoingEvent
from app.domain.events_payloads import access_changed
from app.ports.store import Conflict, Store
from app.services.events import tell
from tests.storage.builders import NOW, OURS, THEIRS, subscription

pytestmark = pytest.mark.anyio


def an_endpoint(name: str = "end_1", *, of: str = OURS, **told: Any) -> EventEndpoint:
    return EventEndpoint(
        endpoint_id=name,
        merchant_id=of,
        url="https://hooks.example.com/",
        created_at=NOW,
        **told,
    )


def a_change(minute: int = 0, name: str = "sub_1") -> OutgoingEvent:
    """What an access decision hands over."""
    return access_changed(
        subscription(name),
        access="restricted",
        was="grace",
        until=None,
        reason="the grace is over",
        case=None,
        now=NOW + timedelta(minutes=minute),
    )


async def has(store: Store, *endpoints: EventEndpoint) -> None:
    async with store.transaction(OURS, THEIRS) as tx:
        await tx.insert(endpoints)


async def told(store: Store) -> list[OutgoingEvent]:
    async with store.transaction(OURS, THEIRS) as tx:
        return await tx.find(OutgoingEvent, where={}, order=("subject", "sequence"))


async def tells(store: Store, *events: OutgoingEvent) -> None:
    """Tell in a use case of its own, repeated as a whole where somebody else was faster."""
    while True:
        try:
            async with store.transaction(OURS) as tx:
                await tell(tx, events, at=NOW)
            return
        except Conflict:
            await asyncio.sleep(0)


async def test_an_event_a_delivery_and_an_action_are_written_together(store: Store) -> None:
    await has(store, an_endpoint(), an_endpoint("end_2", enabled=False))

    await tells(store, a_change())

    async with store.transaction(OURS) as tx:
        (delivery,) = await tx.find(EventDelivery, where={})
        (action,) = await tx.find(Action, where={})
    (event,) = await told(store)
    assert (event.type, event.sequence, event.subject) == ("access.changed", 1, "sub_1")
    assert (delivery.endpoint_id, delivery.state) == ("end_1", DeliveryState.PENDING)
    assert action.data == {"delivery": delivery.delivery_id, "endpoint": "end_1"}


async def test_the_same_fact_told_again_is_not_told_again(store: Store) -> None:
    await has(store, an_endpoint())

    await tells(store, a_change(), a_change())
    await tells(store, a_change(), a_change(1))

    assert [event.sequence for event in await told(store)] == [1, 2]


async def test_those_who_tell_at_the_same_time_leave_no_gap_and_no_double(store: Store) -> None:
    await has(store, an_endpoint())

    await asyncio.gather(*(tells(store, a_change(minute)) for minute in range(6)))

    events = await told(store)
    assert [event.sequence for event in events] == [1, 2, 3, 4, 5, 6]
    assert len({event.event_id for event in events}) == 6


async def test_what_is_rolled_back_was_never_told(store: Store) -> None:
    await has(store, an_endpoint())

    async def goes_wrong() -> None:
        async with store.transaction(OURS) as tx:
            await tell(tx, [a_change()], at=NOW)
            raise LookupError("something else went wrong")

    with pytest.raises(LookupError):
        await goes_wrong()

    assert await told(store) == []


async def test_subjects_are_counted_apart_and_endpoints_of_others_do_not_count(
    store: Store,
) -> None:
    await has(store, an_endpoint(of=THEIRS))
    await tells(store, a_change())
    nothing = await told(store)
    await has(store, an_endpoint("end_2"), an_endpoint("end_3", deleted_at=NOW))

    await tells(store, a_change(), a_change(1), a_change(2, "sub_2"))

    assert nothing == []
    assert [(event.subject, event.sequence) for event in await told(store)] == [
        ("sub_1", 1),
        ("sub_1", 2),
        ("sub_2", 1),
    ]
