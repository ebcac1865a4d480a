"""Delivering events: in order, with patience, and never for the price of everybody else's work."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from app.domain.actions import Action, ActionState
from app.domain.alerts import AlertKind
from app.domain.events import (
    DeliveryState,
    DeliveryTry,
    EventDelivery,
    EventEndpoint,
    OutgoingEvent,
)
from app.domain.events_delivery import (
    DISABLED_AFTER,
    GONE,
    PROBE,
    ROTATION,
    body_of,
    headers_of,
    rest_after,
    wait_after,
)
from app.domain.ids import derive_id
from app.logs import redact
from app.ports.outgoing import Response
from app.ports.secrets import SecretUnreadable
from app.ports.store import Ask, Transaction
from app.ports.world import World
from app.services.alarms import alert
from app.services.merchants import raise_alert

# A delivery so long overdue is not under way: its action was parked, and holds up nobody.
STUCK_AFTER = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Parcel:
    """What is sent: the event, where, and which delivery it is."""

    event: OutgoingEvent
    endpoint: EventEndpoint
    delivery: EventDelivery


async def deliver(world: World, action: Action) -> None:
    """Send one event to one endpoint, unless an earlier one of its subject is still under way.

    An endpoint may get an event twice (a crash between its answer and our commit), under the
    same `webhook-id`. While an endpoint fails, one event after the other is tried there and the
    rest wait, so that a dead endpoint costs one slot of a worker and not all.
    """
    async with world.store.transaction(action.merchant_id) as tx:
        parcel = await _ready(tx, action, world.clock.now())
    if parcel is None:
        return
    answer = await send(world, parcel.event, parcel.endpoint)
    async with world.store.transaction(action.merchant_id) as tx:
        await _record(tx, action, parcel, answer, world.clock.now())


async def send(world: World, event: OutgoingEvent, endpoint: EventEndpoint) -> Response:
    """One signed request, now. While a secret is rotated both sign."""
    now = world.clock.now()
    try:
        secrets = [world.sealer.open(secret) for secret in signing(endpoint, now)]
    except SecretUnreadable as lost:
        return Response(status=None, ms=0, text=f"not sent: {lost}")
    body = body_of(event)
    headers = headers_of(event.event_id, body, secrets, at=now)
    return await world.outgoing.post(endpoint.url, body, headers)


def signing(endpoint: EventEndpoint, now: datetime) -> tuple[str, ...]:
    """The sealed secrets that sign at an instant, the newest first."""
    rotating = endpoint.rotated_at is not None and now < endpoint.rotated_at + ROTATION
    return endpoint.secrets_sealed if rotating else endpoint.secrets_sealed[:1]


async def _ready(tx: Transaction, action: Action, now: datetime) -> Parcel | None:
    """What is to be sent now; None where it is done, needless, or must wait."""
    delivery, endpoint, current = await _held(tx, action)
    if current is None or current.claims != action.claims:
        return None
    if delivery.state is not DeliveryState.PENDING:
        await tx.save([_done(current)])
        return None
    if (why := _closed(endpoint)) is not None:
        await _settle(tx, current, delivery, DeliveryState.DROPPED, now, why)
        return None
    if (until := await _waits_until(tx, delivery, endpoint, now)) is not None:
        await tx.save([_later(current, until)])
        await tx.save([replace(delivery, due_at=until)])
        return None
    if endpoint.failing_since is not None:
        await tx.save([replace(endpoint, resting_until=now + PROBE)])
    (event,) = await tx.load(OutgoingEvent, [(delivery.event_id,)])
    return Parcel(event, endpoint, delivery)


def _closed(endpoint: EventEndpoint) -> str | None:
    if endpoint.deleted_at is not None:
        return "the endpoint was deleted"
    return None if endpoint.enabled else "the endpoint is disabled"


async def _held(
    tx: Transaction, action: Action
) -> tuple[EventDelivery, EventEndpoint, Action | None]:
    """Delivery, endpoint and pending action as they are, the endpoint locked."""
    data = action.data or {}
    await tx.lock("event_endpoints", [data["endpoint"]])
    (delivery,), (endpoint,), actions = await tx.ask(
        Ask(EventDelivery, keys=[(data["delivery"],)]),
        Ask(EventEndpoint, keys=[(data["endpoint"],)]),
        Ask(Action, keys=[(action.action_id,)]),
    )
    pending = [row for row in actions if row.state is ActionState.PENDING]
    return delivery, endpoint, pending[0] if pending else None


async def _waits_until(
    tx: Transaction, delivery: EventDelivery, endpoint: EventEndpoint, now: datetime
) -> datetime | None:
    if endpoint.resting_until is not None and endpoint.resting_until > now:
        return endpoint.resting_until
    if delivery.nth:
        return None
    earlier = {
        "endpoint_id": delivery.endpoint_id,
        "subject": delivery.subject,
        "state": DeliveryState.PENDING,
        "nth": 0,
        "sequence__lte": delivery.sequence - 1,
        "due_at__gte": now - STUCK_AFTER,
    }
    blocking = await tx.find(EventDelivery, where=earlier, order=("sequence",), limit=1)
    return max(blocking[0].due_at, now + PROBE) if blocking else None


async def _record(
    tx: Transaction, action: Action, parcel: Parcel, answer: Response, now: datetime
) -> None:
    """How it went, even where the claim was lost meanwhile; what another has settled stays."""
    delivery, endpoint, current = await _held(tx, action)
    tried = replace(delivery, tries=delivery.tries + 1)
    await tx.insert([try_of(tried, answer, now)])
    await tx.save([tried])
    if answer.is_taken:
        if endpoint.failing_since is not None:
            await tx.save([_well(endpoint)])
        if delivery.state is DeliveryState.PENDING:
            await _settle(tx, current, tried, DeliveryState.DELIVERED, now)
        return
    if not endpoint.deleted_at and endpoint.enabled:
        endpoint = await _note_failure(tx, endpoint, answer, now)
    if delivery.state is DeliveryState.PENDING:
        await _after_failure(tx, current, tried, endpoint, answer, now)


async def _after_failure(
    tx: Transaction,
    action: Action | None,
    delivery: EventDelivery,
    endpoint: EventEndpoint,
    answer: Response,
    now: datetime,
) -> None:
    wait = wait_after(delivery.tries, answer.retry_after_s, key=delivery.delivery_id)
    if (why := _closed(endpoint)) is not None:
        await _settle(tx, action, delivery, DeliveryState.DROPPED, now, why)
        return
    if wait is None:
        why = f"not taken in {delivery.tries} tries"
        await _settle(tx, action, delivery, DeliveryState.GIVEN_UP, now, why)
        return
    await tx.save([replace(delivery, due_at=now + wait)])
    if action is not None:
        await tx.save([_later(action, now + wait)])


async def _note_failure(
    tx: Transaction, endpoint: EventEndpoint, answer: Response, now: datetime
) -> EventEndpoint:
    """The endpoint after a failed try: it rests, or is disabled and a person told."""
    since = endpoint.failing_since or now
    failures = endpoint.failures + 1
    rest = rest_after(failures, answer.retry_after_s, key=endpoint.endpoint_id)
    ailing = replace(endpoint, failing_since=since, failures=failures, resting_until=now + rest)
    why = None
    if answer.status == GONE:
        why = "it answered 410 Gone"
    elif now - since >= DISABLED_AFTER:
        why = f"nothing was taken since {since:%Y-%m-%d %H:%M} UTC"
    if why is not None:
        ailing = replace(ailing, enabled=False, disabled_reason=why, resting_until=None)
        text = f"events are delivered to it no more: {why}"
        kind, subject = AlertKind.EVENT_ENDPOINT_DISABLED, endpoint.endpoint_id
        await raise_alert(tx, alert(now, endpoint.merchant_id, kind, subject, text))
    await tx.save([ailing])
    return ailing


async def _settle(
    tx: Transaction,
    action: Action | None,
    delivery: EventDelivery,
    state: DeliveryState,
    now: datetime,
    why: str | None = None,
) -> None:
    await tx.save([replace(delivery, state=state, settled_at=now, reason=why)])
    if action is not None:
        await tx.save([_done(action, why)])


def try_of(delivery: EventDelivery, answer: Response, now: datetime) -> DeliveryTry:
    """The row of one request; `delivery.tries` counts it already."""
    return DeliveryTry(
        try_id=derive_id("try", now, delivery.delivery_id, delivery.tries),
        merchant_id=delivery.merchant_id,
        delivery_id=delivery.delivery_id,
        number=delivery.tries,
        status=answer.status,
        ms=answer.ms,
        text=redact(answer.text),
        at=now,
    )


def _well(endpoint: EventEndpoint) -> EventEndpoint:
    return replace(endpoint, failing_since=None, failures=0, resting_until=None)


def _done(action: Action, why: str | None = None) -> Action:
    return replace(action, state=ActionState.DONE, leased_until=None, note=why)


def _later(action: Action, at: datetime) -> Action:
    return replace(action, due_at=at, leased_until=None)
