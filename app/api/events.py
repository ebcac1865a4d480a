"""Outgoing events: `GET /v1/events`, one with its deliveries, and telling it again."""

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query

from app.api import cursors
from app.api.auth import Caller, require
from app.api.dependencies import WorldDep
from app.api.event_schemas import EventFileOut, EventList, EventOut, EventParameters, ReplayIn
from app.api.problems import OF_EVERY_BODY, Problem, problems
from app.domain.ids import SHAPE
from app.domain.merchants import Scope
from app.services import events

router = APIRouter(prefix="/v1/events", tags=["events"])
Reader = Annotated[Caller, Depends(require(Scope.EVENTS_READ))]
Writer = Annotated[Caller, Depends(require(Scope.EVENTS_WRITE))]
EventId = Annotated[str, Path(description="`evt_…`", examples=["evt_0198"])]


@router.get("")
async def list_events(
    caller: Reader, world: WorldDep, asked: Annotated[EventParameters, Query()]
) -> EventList:
    """What was told to your endpoints, the latest first. Without an endpoint nothing is told, and
    nothing is kept. `next` is the cursor of the following page, null at the end."""
    filters = "events" + asked.model_dump_json(exclude={"cursor", "limit"})
    after = cursors.read(asked.cursor, of=filters) if asked.cursor else None
    found = await events.find(
        world, caller.merchant_id, asked.query(), after=after, limit=asked.limit + 1
    )
    page = found[: asked.limit]
    last = page[-1] if len(found) > len(page) else None
    return EventList(
        events=[EventOut.of(event) for event in page],
        next=cursors.write(last.told_at, last.event_id, of=filters) if last else None,
    )


@router.get("/{event_id}", responses=problems("not-found"))
async def show_event(caller: Reader, world: WorldDep, event_id: EventId) -> EventFileOut:
    """One event with its deliveries, and every try of each: when, the status of the answer, how
    long it took, and how the answer began."""
    file = None
    if SHAPE.fullmatch(event_id):
        file = await events.show(world, caller.merchant_id, event_id)
    if file is None:
        raise Problem("not-found", "There is no such event.")
    return EventFileOut.of_file(file)


@router.post(
    "/{event_id}/replay",
    status_code=202,
    responses=OF_EVERY_BODY | problems("not-found", "conflict"),
)
async def replay_event(
    caller: Writer, world: WorldDep, event_id: EventId, asked: ReplayIn | None = None
) -> EventFileOut:
    """Deliver an event once more, under the same `webhook-id`: to the endpoint named, else to each
    that wants its type. A replay keeps to no order. Asked again while it is on its way, it stays
    one replay."""
    file = None
    only = asked.endpoint if asked else None
    try:
        if SHAPE.fullmatch(event_id):
            file = await events.replay(
                world, caller.merchant_id, event_id, endpoint_id=only, actor=caller.key_id
            )
    except events.NothingToReplay as reason:
        raise Problem("conflict", f"Not replayed: {reason}.") from reason
    if file is None:
        raise Problem("not-found", "There is no such event.")
    await world.wake.now()
    return EventFileOut.of_file(file)
