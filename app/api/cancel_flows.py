"""Cancel flows: `/v1/cancel-flows`, their versions and previews, and the law they are held to."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any

from fastapi import APIRouter, Header, Path, Query, Response

from app.api.auth import FlowsReader, FlowsWriter, SessionsReader
from app.api.dependencies import WorldDep
from app.api.flow_schemas import (
    AnswerCountsOut,
    FlowDocument,
    FlowHead,
    FlowList,
    FlowOut,
    FlowPreviewOut,
    FlowVersionIn,
    LeavingIn,
    Number,
    ReasonCountOut,
    ReasonCounts,
    RulesOut,
)
from app.api.parameters import Instant
from app.api.problems import OF_EVERY_BODY, Problem, problems
from app.domain.flow_documents import InvalidFlow, flow_of
from app.domain.flow_fields import json_schema
from app.services import cancel_counts, flow_previews, flows
from app.services.api_keys import Caller

router = APIRouter(tags=["cancelling"])
Name = Annotated[
    str, Path(pattern="^[a-z][a-z0-9_-]*$", max_length=40, description="The flow's name.")
]
IfMatch = Annotated[
    str | None,
    Header(
        alias="If-Match",
        pattern='^"[1-9][0-9]{0,6}"$',
        description="The newest version you have read, quoted; left out for a new flow.",
    ),
]
MISSING = problems("not-found")
REFUSED = problems("not-found", "conflict") | OF_EVERY_BODY


@contextmanager
def answered() -> Iterator[None]:
    """Let what a service refuses end as a problem document."""
    try:
        yield
    except InvalidFlow as wrong:
        errors = [(f"body.{fault.path}".rstrip("."), fault.reason) for fault in wrong.faults]
        raise Problem("invalid-parameters", "The flow is not valid.", errors=errors) from wrong
    except flows.UnknownFlow as unknown:
        raise Problem("not-found", "There is no such flow, or no such version.") from unknown
    except flows.FlowRefused as refused:
        raise Problem("conflict", f"{refused}.") from refused


@router.get("/v1/cancel-flows")
async def list_flows(caller: FlowsReader, world: WorldDep) -> FlowList:
    """All flows. The one named `default` is for everybody that no other flow is for; until a
    version of your own is published, it is the shipped one."""
    found = await flows.list_flows(world, caller.merchant_id)
    return FlowList(flows=[FlowHead.of(file) for file in found])


@router.get("/v1/cancel-flows/schema", response_model=dict[str, Any])
async def flow_schema(caller: FlowsReader) -> dict[str, Any]:
    """The JSON Schema of a flow document. What fields may not say together, it cannot tell."""
    return json_schema()


@router.get("/v1/cancel-rules")
async def list_rules(caller: FlowsReader) -> RulesOut:
    """What the law wants of a cancel flow, as we read it: places, dates, sources, certainty. Not
    legal advice: have counsel confirm what concerns you."""
    return RulesOut.all()


@router.get("/v1/cancel-reasons")
async def count_reasons(
    caller: SessionsReader,
    world: WorldDep,
    since: Annotated[Instant, Query(alias="from", description="Opened at or after.")],
    until: Annotated[Instant, Query(alias="to", description="Opened at or before.")],
) -> ReasonCounts:
    """Why customers leave: sessions by the reason given, how they ended, and what else was
    answered."""
    span = {"since": since, "until": until}
    found = await cancel_counts.by_reason(world, caller.merchant_id, **span)
    more = await cancel_counts.of_answers(world, caller.merchant_id, **span)
    return ReasonCounts(
        reasons=[ReasonCountOut.of(row) for row in found], answers=AnswerCountsOut.of(more)
    )


@router.get("/v1/cancel-flows/{name}", responses=MISSING)
async def show_flow(
    caller: FlowsReader,
    world: WorldDep,
    response: Response,
    name: Name,
    version: Annotated[Number | None, Query(description="The newest, where left out.")] = None,
) -> FlowOut:
    """One flow: a document, and the life of each version. `ETag` is the newest version."""
    with answered():
        file = await flows.show_flow(world, caller.merchant_id, name)
        shown = FlowOut.shown(file, version)
    _tagged(response, file)
    return shown


@router.put("/v1/cancel-flows/{name}", responses=problems("conflict") | OF_EVERY_BODY)
async def put_flow(
    caller: FlowsWriter,
    world: WorldDep,
    response: Response,
    name: Name,
    document: FlowDocument,
    if_match: IfMatch = None,
) -> FlowOut:
    """Make a new draft version. Nothing is in force before it is published. A document that says
    what the newest version says makes none, so a repeated request does no harm."""
    with answered():
        row = await flows.put_flow(
            world,
            caller.merchant_id,
            name,
            document.root,
            read_version=int(if_match.strip('"')) if if_match else None,
            actor=caller.key_id,
        )
        file = await flows.show_flow(world, caller.merchant_id, name)
    _tagged(response, file)
    return FlowOut.shown(file, row.version)


@router.post("/v1/cancel-flows/{name}/publish", responses=REFUSED)
async def publish_flow(
    caller: FlowsWriter, world: WorldDep, name: Name, which: FlowVersionIn
) -> FlowOut:
    """Give new sessions this version; sessions under way keep theirs. A flow that breaks the law
    of a place it is shown in is refused: the error names the rule and its source."""
    with answered():
        told = {"actor": caller.key_id}
        await flows.publish(world, caller.merchant_id, name, which.version, **told)
    return await _shown(caller, world, name, which.version)


@router.post("/v1/cancel-flows/{name}/rollback", responses=REFUSED)
async def roll_back_flow(
    caller: FlowsWriter, world: WorldDep, name: Name, which: FlowVersionIn
) -> FlowOut:
    """Give new sessions a version again that was in force before."""
    with answered():
        told = {"actor": caller.key_id}
        await flows.roll_back(world, caller.merchant_id, name, which.version, **told)
    return await _shown(caller, world, name, which.version)


@router.post("/v1/cancel-flows/{name}/retire", responses=problems("not-found", "conflict"))
async def retire_flow(caller: FlowsWriter, world: WorldDep, name: Name) -> FlowOut:
    """Give no new session this flow. Without one of its name, `default` is the shipped one."""
    with answered():
        row = await flows.retire(world, caller.merchant_id, name, actor=caller.key_id)
    return await _shown(caller, world, name, row.version)


@router.post("/v1/cancel-flows/{name}/preview", responses=MISSING | OF_EVERY_BODY)
async def preview_flow(
    caller: FlowsReader, world: WorldDep, name: Name, somebody: LeavingIn
) -> FlowPreviewOut:
    """What a version would show somebody. Touches no billing."""
    with answered():
        file = await flows.show_flow(world, caller.merchant_id, name)
        flow = flow_of(file.version(somebody.version))
    seen = flow_previews.shown_to(world, flow, somebody.assumed())
    return FlowPreviewOut.of(seen, somebody.language)


def _tagged(response: Response, file: flows.FlowFile) -> None:
    response.headers["ETag"] = f'"{file.newest.version}"'


async def _shown(caller: Caller, world: WorldDep, name: str, version: int | None) -> FlowOut:
    with answered():
        file = await flows.show_flow(world, caller.merchant_id, name)
        return FlowOut.shown(file, version)
