"""Where events are delivered: `/v1/event-endpoints`."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

from fastapi import APIRouter, Path

from app.api.dependencies import WorldDep
from app.api.event_schemas import (
    DeliveryOut,
    EndpointChangeIn,
    EndpointIn,
    EndpointList,
    EndpointOut,
    NewEndpointOut,
)
from app.api.events import Reader, Writer
from app.api.problems import OF_EVERY_BODY, Problem, invalid, problems
from app.domain.ids import SHAPE
from app.services import event_endpoints
from app.services.event_endpoints import TooManyEndpoints, UnknownEndpoint, UrlRefused

router = APIRouter(prefix="/v1/event-endpoints", tags=["events"])
EndpointId = Annotated[str, Path(description="`end_…`", examples=["end_0198"])]
NOT_FOUND = problems("not-found")


@contextmanager
def _told(endpoint_id: str | None = None) -> Iterator[None]:
    """What the service refuses, as problems."""
    try:
        if endpoint_id is not None and not SHAPE.fullmatch(endpoint_id):
            raise UnknownEndpoint(endpoint_id)
        yield
    except UnknownEndpoint as unknown:
        raise Problem("not-found", "There is no such endpoint.") from unknown
    except UrlRefused as refused:
        raise invalid("body.url", str(refused)) from refused
    except TooManyEndpoints as full:
        raise Problem("conflict", f"Not made: {full}.") from full


@router.get("")
async def list_endpoints(caller: Reader, world: WorldDep) -> EndpointList:
    """Your endpoints, oldest first."""
    found = await event_endpoints.list_endpoints(world, caller.merchant_id)
    return EndpointList(endpoints=[EndpointOut.of(endpoint) for endpoint in found])


@router.post("", status_code=201, responses=OF_EVERY_BODY | problems("conflict"))
async def create_endpoint(caller: Writer, world: WorldDep, asked: EndpointIn) -> NewEndpointOut:
    """Make an endpoint. Its signing secret is in this answer and in no other. From now on events
    are told and kept."""
    with _told():
        endpoint, secret = await event_endpoints.create(
            world,
            caller.merchant_id,
            url=asked.url,
            description=asked.description,
            types=asked.types,
            actor=caller.key_id,
        )
    return NewEndpointOut.with_secret(endpoint, secret)


@router.get("/{endpoint_id}", responses=NOT_FOUND)
async def show_endpoint(caller: Reader, world: WorldDep, endpoint_id: EndpointId) -> EndpointOut:
    """One endpoint, and whether it takes what it is sent."""
    with _told(endpoint_id):
        endpoint = await event_endpoints.show(world, caller.merchant_id, endpoint_id)
    return EndpointOut.of(endpoint)


@router.patch("/{endpoint_id}", responses=OF_EVERY_BODY | NOT_FOUND)
async def change_endpoint(
    caller: Writer, world: WorldDep, endpoint_id: EndpointId, asked: EndpointChangeIn
) -> EndpointOut:
    """Change an endpoint, disable it, or enable it again. What it missed while it was disabled is
    not sent later by itself; replay it."""
    with _told(endpoint_id):
        endpoint = await event_endpoints.change(
            world, caller.merchant_id, endpoint_id, asked.wish(), actor=caller.key_id
        )
    return EndpointOut.of(endpoint)


@router.delete("/{endpoint_id}", status_code=204, responses=NOT_FOUND)
async def delete_endpoint(caller: Writer, world: WorldDep, endpoint_id: EndpointId) -> None:
    """Delete an endpoint and its secrets. What is on its way to it is dropped."""
    with _told(endpoint_id):
        await event_endpoints.delete(world, caller.merchant_id, endpoint_id, actor=caller.key_id)


@router.post("/{endpoint_id}/rotate-secret", responses=NOT_FOUND)
async def rotate_secret(caller: Writer, world: WorldDep, endpoint_id: EndpointId) -> NewEndpointOut:
    """Make a new signing secret, shown in this answer alone. For a day both sign, so that you can
    change over without missing an event."""
    with _told(endpoint_id):
        endpoint, secret = await event_endpoints.rotate_secret(
            world, caller.merchant_id, endpoint_id, actor=caller.key_id
        )
    return NewEndpointOut.with_secret(endpoint, secret)


@router.post("/{endpoint_id}/test", responses=NOT_FOUND)
async def test_endpoint(caller: Writer, world: WorldDep, endpoint_id: EndpointId) -> DeliveryOut:
    """Send `endpoint.tested` now, whatever types the endpoint wants, and say how it went. A test
    is sent once, and takes up to 15 seconds."""
    with _told(endpoint_id):
        delivery, tried = await event_endpoints.try_out(
            world, caller.merchant_id, endpoint_id, actor=caller.key_id
        )
    return DeliveryOut.of(delivery, (tried,))
