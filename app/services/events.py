"""Telling merchants' endpoints what happened: written in the transaction that made it happen."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from app.domain.actions import Action, ActionKind, action_for
from app.domain.events import (
    DeliveryState,
    DeliveryTry,
    EventDelivery,
    EventEndpoint,
    EventSubject,
    OutgoingEvent,
)
from app.domain.events_payloads import Setting
from app.domain.events_telling import Move, told_by
from app.domain.ids import derive_id
from app.domain.records import Book
from app.ports.store import Ask, Conflict, Transaction
from app.ports.world import World
from app.services.audit import audit


class NothingToReplay(ValueError):
    """Nobody could be told of the event again; says why."""


async def tell_of(tx: Transaction, moves: Iterable[Move], book: Book, *, at: datetime) -> None:
    """Tell of rows that a use case moved, in its transaction. A merchant without an endpoint is
    told nothing, and nothing is kept for one."""
    events = told_by(moves, Setting(book, at))
    first = next(events, None)
    if first is not None and (endpoints := await endpoints_of(tx, first.merchant_id)):
        await _tell(tx, [first, *events], endpoints, at)


async def tell(tx: Transaction, events: Sequence[OutgoingEvent], *, at: datetime) -> None:
    """Tell of events of one merchant, in their order, in the transaction of what they tell.

    Safe to repeat: an event that was told before is left out. Raises `Conflict` where another
    transaction tells of the same subject at this moment; the whole use case is then repeated.
    """
    if events and (endpoints := await endpoints_of(tx, events[0].merchant_id)):
        await _tell(tx, events, endpoints, at)


async def endpoints_of(tx: Transaction, merchant_id: str) -> list[EventEndpoint]:
    """A merchant's endpoints that were not deleted, oldest first."""
    where = {"merchant_id": merchant_id, "deleted_at": None}
    return await tx.find(EventEndpoint, where=where, order=("created_at", "endpoint_id"))


async def _tell(
    tx: Transaction, events: Sequence[OutgoingEvent], endpoints: list[EventEndpoint], at: datetime
) -> None:
    told, counts = await tx.ask(
        Ask(OutgoingEvent, keys=[(event.event_id,) for event in events]),
        Ask(EventSubject, keys=sorted({(event.merchant_id, event.subject) for event in events})),
    )
    known = {event.event_id for event in told}
    numbered, counted = _numbered([e for e in events if e.event_id not in known], counts)
    await tx.save(counted)
    if len(await tx.insert(numbered)) < len(numbered):
        raise Conflict("another event of this subject was told meanwhile")
    pairs = [(event, end) for event in numbered for end in endpoints if end.wants(event.type)]
    deliveries = [delivery_of(event, endpoint.endpoint_id, due=at) for event, endpoint in pairs]
    await tx.insert(deliveries)
    await tx.insert(
        [action for (e, _), d in zip(pairs, deliveries, strict=True) for action in action_of(e, d)]
    )


def _numbered(
    events: Sequence[OutgoingEvent], counts: Sequence[EventSubject]
) -> tuple[list[OutgoingEvent], list[EventSubject]]:
    """The events with their places in their subjects, and how far each subject is counted now."""
    told = {row.subject: row.told for row in counts}
    numbered = {}
    for event in events:
        if event.event_id not in numbered:
            told[event.subject] = told.get(event.subject, 0) + 1
            numbered[event.event_id] = replace(event, sequence=told[event.subject])
    rows = {
        event.subject: EventSubject(
            merchant_id=event.merchant_id, subject=event.subject, told=told[event.subject]
        )
        for event in numbered.values()
    }
    return list(numbered.values()), list(rows.values())


def delivery_of(
    event: OutgoingEvent, endpoint_id: str, *, due: datetime, nth: int = 0
) -> EventDelivery:
    """An event on its way to an endpoint."""
    return EventDelivery(
        delivery_id=derive_id("delivery", due, event.event_id, endpoint_id, nth),
        merchant_id=event.merchant_id,
        event_id=event.event_id,
        endpoint_id=endpoint_id,
        subject=event.subject,
        sequence=event.sequence,
        nth=nth,
        due_at=due,
    )


def action_of(event: OutgoingEvent, delivery: EventDelivery) -> list[Action]:
    """The action that delivers; none for the test of an endpoint, which is sent at once.

    It runs in the lane of its endpoint and subject, in the order of sequence numbers: both are in
    its key. A replay stands alone.
    """
    if event.account_id is None:
        return []
    lane = f"{delivery.endpoint_id}:{delivery.subject}"
    action = action_for(
        ActionKind.DELIVER_EVENT,
        subject=lane,
        merchant_id=delivery.merchant_id,
        account_id=event.account_id,
        due_at=delivery.due_at,
        customer_id=lane if delivery.nth == 0 else None,
        nth=f"{delivery.sequence:09d}:{delivery.nth}",
        data={"delivery": delivery.delivery_id, "endpoint": delivery.endpoint_id},
    )
    return [action]


@dataclass(frozen=True, slots=True, kw_only=True)
class EventQuery:
    """Which events to list; None asks for any. `told_to` is not part of the span."""

    types: Sequence[str] = ()
    subject: str | None = None
    told_from: datetime | None = None
    told_to: datetime | None = None

    def where(self) -> dict[str, Any]:
        """The query in the store's terms."""
        before = self.told_to - timedelta(microseconds=1) if self.told_to else None
        terms: dict[str, Any] = {
            "type": tuple(self.types) or None,
            "subject": self.subject,
            "told_at__gte": self.told_from,
            "told_at__lte": before,
        }
        return {name: value for name, value in terms.items() if value is not None}


@dataclass(frozen=True, slots=True, kw_only=True)
class EventFile:
    """An event with its deliveries and the tries of each, oldest first."""

    event: OutgoingEvent
    deliveries: tuple[tuple[EventDelivery, tuple[DeliveryTry, ...]], ...]


async def find(
    world: World,
    merchant_id: str,
    query: EventQuery,
    *,
    after: tuple[datetime, str] | None = None,
    limit: int = 50,
) -> list[OutgoingEvent]:
    """Events of a merchant, the latest told first; `after` is (told_at, event_id) of the last."""
    async with world.store.transaction(merchant_id) as tx:
        return await tx.find(
            OutgoingEvent,
            where={"merchant_id": merchant_id, **query.where()},
            order=("-told_at", "-event_id"),
            after=after,
            limit=limit,
        )


async def show(world: World, merchant_id: str, event_id: str) -> EventFile | None:
    """One event of this merchant; None for one of another, as for one that does not exist."""
    async with world.store.transaction(merchant_id) as tx:
        events = await tx.load(OutgoingEvent, [(event_id,)])
        if not events or events[0].merchant_id != merchant_id:
            return None
        return await _file(tx, events[0])


async def _file(tx: Transaction, event: OutgoingEvent) -> EventFile:
    where: dict[str, Any] = {"event_id": event.event_id}
    deliveries = await tx.find(EventDelivery, where=where, order=("nth", "delivery_id"))
    ids = [delivery.delivery_id for delivery in deliveries]
    tries = await tx.find(DeliveryTry, where={"delivery_id": ids}, order=("number", "try_id"))
    return EventFile(
        event=event,
        deliveries=tuple(
            (d, tuple(t for t in tries if t.delivery_id == d.delivery_id)) for d in deliveries
        ),
    )


async def replay(
    world: World, merchant_id: str, event_id: str, *, endpoint_id: str | None, actor: str
) -> EventFile | None:
    """Deliver an event once more: to the endpoint named, else to each that wants its type.

    Asked again while a replay is still on its way, it stays that one. None for an event of
    another merchant. Raises `NothingToReplay`.
    """
    now = world.clock.now()
    async with world.store.transaction(merchant_id) as tx:
        await tx.lock("outgoing_events", [event_id])
        events = await tx.load(OutgoingEvent, [(event_id,)])
        if not events or events[0].merchant_id != merchant_id:
            return None
        event = events[0]
        targets = await _targets(tx, event, endpoint_id)
        before = await _file(tx, event)
        new = [d for e in targets if (d := _again(event, e, before, now)) is not None]
        await tx.insert(new)
        await tx.insert([action for d in new for action in action_of(event, d)])
        action = "event.replayed"
        await tx.insert(
            [audit(actor=actor, action=action, subject=event_id, at=now, after=d) for d in new]
        )
        return await _file(tx, event)


async def _targets(tx: Transaction, event: OutgoingEvent, only: str | None) -> list[str]:
    if event.account_id is None:
        raise NothingToReplay("a test is not replayed: test the endpoint again")
    ends = await endpoints_of(tx, event.merchant_id)
    wanted = [
        e.endpoint_id
        for e in ends
        if (e.wants(event.type) if only is None else e.endpoint_id == only and e.enabled)
    ]
    if not wanted:
        raise NothingToReplay("no enabled endpoint is there to be told")
    return wanted


def _again(
    event: OutgoingEvent, endpoint_id: str, before: EventFile, now: datetime
) -> EventDelivery | None:
    mine = [d for d, _ in before.deliveries if d.endpoint_id == endpoint_id]
    if any(d.state is DeliveryState.PENDING for d in mine):
        return None
    nth = 1 + max((d.nth for d in mine), default=0)
    return delivery_of(event, endpoint_id, due=now, nth=nth)
