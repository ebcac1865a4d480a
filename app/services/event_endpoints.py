"""Where a merchant wants to be told: made, changed, tested and deleted by the merchant."""

import base64
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from app.domain.alerts import AlertKind
from app.domain.events import (
    DeliveryState,
    DeliveryTry,
    EventDelivery,
    EventEndpoint,
    EventSubject,
)
from app.domain.events_catalogue import EventType
from app.domain.events_delivery import SECRET_BYTES, SECRET_PREFIX
from app.domain.events_payloads import outgoing
from app.domain.ids import derive_id
from app.ports.store import Transaction
from app.ports.world import World
from app.services.audit import audit
from app.services.event_deliveries import send, signing, try_of
from app.services.events import delivery_of, endpoints_of
from app.services.merchants import settle_alerts

MOST_SECRETS = 5  # that sign beside one another
MOST_ENDPOINTS = 20  # of one merchant; each event is a row and a request for each


class UnknownEndpoint(LookupError):
    """The merchant has no such endpoint."""


class TooManyEndpoints(ValueError):
    """The merchant has as many endpoints as it may have."""


class UrlRefused(ValueError):
    """Nothing would be sent to this URL; says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What is to be changed of an endpoint; None leaves it as it is."""

    url: str | None = None
    description: str | None = None
    types: Sequence[EventType] | None = None
    enabled: bool | None = None


async def create(
    world: World,
    merchant_id: str,
    *,
    url: str,
    description: str,
    types: Sequence[EventType],
    actor: str,
) -> tuple[EventEndpoint, str]:
    """Make an endpoint; returns it and its secret, which nobody can show a second time.

    Raises `UrlRefused` and `TooManyEndpoints`.
    """
    _require_good(world, url)
    now, secret = world.clock.now(), new_secret()
    endpoint = EventEndpoint(
        endpoint_id=derive_id("endpoint", now, merchant_id, secret),
        merchant_id=merchant_id,
        url=url,
        description=description,
        types=_names(types),
        secrets_sealed=(world.sealer.seal(secret),),
        created_at=now,
    )
    subject, action = endpoint.endpoint_id, "event_endpoint.created"
    async with world.store.transaction(merchant_id) as tx:
        await tx.lock("event_endpoints", [merchant_id])
        if len(await endpoints_of(tx, merchant_id)) >= MOST_ENDPOINTS:
            raise TooManyEndpoints(f"a merchant has at most {MOST_ENDPOINTS} endpoints")
        await tx.insert([endpoint])
        await tx.insert(
            [audit(actor=actor, action=action, subject=subject, at=now, after=endpoint)]
        )
    return endpoint, secret


def new_secret() -> str:
    """A signing secret in the form of Standard Webhooks: `whsec_` and 32 random bytes."""
    return SECRET_PREFIX + base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode()


async def list_endpoints(world: World, merchant_id: str) -> list[EventEndpoint]:
    """The endpoints of a merchant, oldest first."""
    async with world.store.transaction(merchant_id) as tx:
        return await endpoints_of(tx, merchant_id)


async def show(world: World, merchant_id: str, endpoint_id: str) -> EventEndpoint:
    """One endpoint. Raises `UnknownEndpoint`."""
    async with world.store.transaction(merchant_id) as tx:
        return await _held(tx, merchant_id, endpoint_id)


async def change(
    world: World, merchant_id: str, endpoint_id: str, wish: Wish, *, actor: str
) -> EventEndpoint:
    """Change an endpoint. Enabled again it begins afresh; what was dropped meanwhile is replayed
    on demand alone. Raises `UnknownEndpoint` and `UrlRefused`."""
    if wish.url is not None:
        _require_good(world, wish.url)

    def changed(known: EventEndpoint) -> EventEndpoint:
        after = replace(
            known,
            url=known.url if wish.url is None else wish.url,
            description=known.description if wish.description is None else wish.description,
            types=known.types if wish.types is None else _names(wish.types),
        )
        if wish.enabled is None or wish.enabled == known.enabled:
            return after
        why = None if wish.enabled else "disabled by the merchant"
        fresh = replace(after, enabled=wish.enabled, disabled_reason=why)
        return replace(fresh, failing_since=None, failures=0, resting_until=None)

    return await _change(world, merchant_id, endpoint_id, changed, "changed", actor)


async def rotate_secret(
    world: World, merchant_id: str, endpoint_id: str, *, actor: str
) -> tuple[EventEndpoint, str]:
    """A new signing secret; for a day the former one signs beside it, and where the day of a former
    rotation is not over, those before: whoever asks again because the answer was lost still reads
    by one of them. Returns the new one, which nobody can show a second time. Raises
    `UnknownEndpoint`."""
    secret, now = new_secret(), world.clock.now()

    def rotated(known: EventEndpoint) -> EventEndpoint:
        former = signing(known, now)[: MOST_SECRETS - 1]
        kept = (world.sealer.seal(secret), *former)
        return replace(known, secrets_sealed=kept, rotated_at=now)

    after = await _change(world, merchant_id, endpoint_id, rotated, "secret_rotated", actor)
    return after, secret


async def delete(world: World, merchant_id: str, endpoint_id: str, *, actor: str) -> None:
    """Delete an endpoint and its secrets; its deliveries stay to be seen. Raises
    `UnknownEndpoint`."""
    now = world.clock.now()

    def deleted(known: EventEndpoint) -> EventEndpoint:
        return replace(known, deleted_at=now, enabled=False, secrets_sealed=())

    await _change(world, merchant_id, endpoint_id, deleted, "deleted", actor)


async def try_out(
    world: World, merchant_id: str, endpoint_id: str, *, actor: str
) -> tuple[EventDelivery, DeliveryTry]:
    """Send `endpoint.tested` to an endpoint now, enabled or not, and say how it went. Sent once:
    a test that fails is not repeated. Raises `UnknownEndpoint`."""
    endpoint = await show(world, merchant_id, endpoint_id)
    now = world.clock.now()
    event = outgoing(
        EventType.ENDPOINT_TESTED,
        endpoint,
        subject=endpoint_id,
        key=secrets.token_hex(8),
        at=now,
        now=now,
        data={"endpoint": endpoint_id},
    )
    async with world.store.transaction(merchant_id) as tx:
        await _held(tx, merchant_id, endpoint_id)
        event = replace(event, sequence=await _next_test(tx, merchant_id, endpoint_id))
        await tx.insert([event])
        action = "event_endpoint.tested"
        line = audit(actor=actor, action=action, subject=endpoint_id, at=now, after=endpoint)
        await tx.insert([line])
    answer = await send(world, event, endpoint)
    state = DeliveryState.DELIVERED if answer.is_taken else DeliveryState.GIVEN_UP
    sent = replace(delivery_of(event, endpoint_id, due=now), state=state, tries=1, settled_at=now)
    tried = try_of(sent, answer, now)
    async with world.store.transaction(merchant_id) as tx:
        await tx.insert([sent])
        await tx.insert([tried])
    return sent, tried


async def _next_test(tx: Transaction, merchant_id: str, endpoint_id: str) -> int:
    counts = await tx.load(EventSubject, [(merchant_id, endpoint_id)])
    told = 1 + (counts[0].told if counts else 0)
    await tx.save([EventSubject(merchant_id=merchant_id, subject=endpoint_id, told=told)])
    return told


def _names(types: Sequence[EventType]) -> tuple[str, ...]:
    return tuple(sorted({type_.value for type_ in types}))


def _require_good(world: World, url: str) -> None:
    if (why := world.outgoing.why_not(url)) is not None:
        raise UrlRefused(why)


async def _held(tx: Transaction, merchant_id: str, endpoint_id: str) -> EventEndpoint:
    await tx.lock("event_endpoints", [endpoint_id])
    rows = await tx.load(EventEndpoint, [(endpoint_id,)])
    if not rows or rows[0].merchant_id != merchant_id or rows[0].deleted_at is not None:
        raise UnknownEndpoint(endpoint_id)
    return rows[0]


async def _change(
    world: World,
    merchant_id: str,
    endpoint_id: str,
    changed: Callable[[EventEndpoint], EventEndpoint],
    what: str,
    actor: str,
) -> EventEndpoint:
    """One change under the endpoint's lock, with its audit line; nothing where nothing changes."""
    async with world.store.transaction(merchant_id) as tx:
        before = await _held(tx, merchant_id, endpoint_id)
        after = changed(before)
        if after != before:
            await tx.save([after])
            line = audit(
                actor=actor,
                action=f"event_endpoint.{what}",
                subject=endpoint_id,
                at=world.clock.now(),
                before=before,
                after=after,
            )
            await tx.insert([line])
            if after.enabled or after.deleted_at is not None:
                disabled = AlertKind.EVENT_ENDPOINT_DISABLED
                await settle_alerts(tx, merchant_id, disabled, endpoint_id, at=line.at)
    return after
