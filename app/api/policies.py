"""Policies: `/v1/policies`, their previews, and the commands that move cases."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any

from fastapi import APIRouter, Header, Path, Query, Response

from app.api import cursors
from app.api.auth import CasesWriter, PoliciesReader, PoliciesWriter
from app.api.case_schemas import CaseOut
from app.api.dependencies import WorldDep
from app.api.policy_schemas import (
    CaseMoveIn,
    LineOut,
    MovedOut,
    MoveIn,
    Number,
    PolicyDocument,
    PolicyHead,
    PolicyList,
    PolicyOut,
    PreviewIn,
    PreviewOfIn,
    PreviewOut,
    RefusalOut,
    TouchedOut,
    VersionIn,
)
from app.api.problems import OF_EVERY_BODY, Problem, problems
from app.domain.dunning import IllegalMove
from app.domain.ids import SHAPE
from app.domain.policies import Policy
from app.domain.policy_documents import InvalidPolicy, policy_of
from app.domain.policy_fields import json_schema
from app.services import policies, policy_moves, policy_previews
from app.services.api_keys import Caller
from app.services.cases import UnknownCase

router = APIRouter(tags=["policies"])
Name = Annotated[
    str, Path(pattern="^[a-z][a-z0-9_-]*$", max_length=40, description="The policy's name.")
]
IfMatch = Annotated[
    str | None,
    Header(
        alias="If-Match",
        pattern='^"[1-9][0-9]{0,6}"$',
        description="The newest version you have read, quoted; left out for a new policy.",
    ),
]
MISSING = problems("not-found")
UNNAMED = "unnamed"  # a document for some failures only, tried before it has a name
REFUSED = problems("not-found", "conflict") | OF_EVERY_BODY


@contextmanager
def answered() -> Iterator[None]:
    """Let what a service refuses end as a problem document."""
    try:
        yield
    except InvalidPolicy as wrong:
        errors = [(f"body.{fault.path}".rstrip("."), fault.reason) for fault in wrong.faults]
        raise Problem("invalid-parameters", "The policy is not valid.", errors=errors) from wrong
    except policies.UnknownPolicy as unknown:
        raise Problem("not-found", "There is no such policy, or no such version.") from unknown
    except UnknownCase as unknown:
        raise Problem("not-found", "There is no such case.") from unknown
    except (policies.PolicyRefused, IllegalMove) as refused:
        raise Problem("conflict", f"{refused}.") from refused


def tagged(response: Response, file: policies.PolicyFile) -> None:
    """The newest version as `ETag`: what `If-Match` of the next change names."""
    response.headers["ETag"] = f'"{file.newest.version}"'


@router.get("/v1/policies")
async def list_policies(caller: PoliciesReader, world: WorldDep) -> PolicyList:
    """All policies. The one named like the deployment's policy file is for every failure that no
    other policy is for; until a version of your own is published, it is the file."""
    found = await policies.list_policies(world, caller.merchant_id)
    return PolicyList(policies=[PolicyHead.of(file) for file in found])


@router.get("/v1/policies/schema", response_model=dict[str, Any])
async def policy_schema(caller: PoliciesReader) -> dict[str, Any]:
    """The JSON Schema of a policy document. What fields may not say together, it cannot tell:
    such faults are named when a document is put or previewed."""
    return json_schema()


@router.post("/v1/policies/preview", responses=OF_EVERY_BODY)
async def preview_document(caller: PoliciesReader, world: WorldDep, asked: PreviewIn) -> PreviewOut:
    """What a document would do, before it is stored: the timeline of a failure, and the cases of
    today that it would touch. Changes nothing."""
    with answered():
        document = asked.document.root
        unnamed = UNNAMED if "applies_to" in document else world.policy.name
        name = document.get("name", unnamed)
        policy = policies.policy_of_name(name, document, world.policy)
    return await _preview(caller, world, policy, asked)


@router.get("/v1/policies/{name}", responses=MISSING)
async def show_policy(
    caller: PoliciesReader,
    world: WorldDep,
    response: Response,
    name: Name,
    version: Annotated[Number | None, Query(description="The newest, where left out.")] = None,
) -> PolicyOut:
    """One policy: a document, and the life of each version. `ETag` is the newest version."""
    with answered():
        file = await policies.show_policy(world, caller.merchant_id, name)
        shown = PolicyOut.shown(file, version)
    tagged(response, file)
    return shown


@router.put("/v1/policies/{name}", responses=problems("conflict") | OF_EVERY_BODY)
async def put_policy(
    caller: PoliciesWriter,
    world: WorldDep,
    response: Response,
    name: Name,
    document: PolicyDocument,
    if_match: IfMatch = None,
) -> PolicyOut:
    """Make a new draft version. Nothing is in force before it is published. A document that says
    what the newest version says makes none, so a repeated request does no harm."""
    with answered():
        row = await policies.put_policy(
            world,
            caller.merchant_id,
            name,
            document.root,
            read_version=int(if_match.strip('"')) if if_match else None,
            actor=caller.key_id,
        )
        file = await policies.show_policy(world, caller.merchant_id, name)
    tagged(response, file)
    return PolicyOut.shown(file, row.version)


@router.post("/v1/policies/{name}/publish", responses=REFUSED)
async def publish_policy(
    caller: PoliciesWriter, world: WorldDep, name: Name, which: VersionIn
) -> PolicyOut:
    """Give new cases this version. Cases in flight keep theirs. Repeated it does nothing more."""
    with answered():
        told = {"actor": caller.key_id}
        await policies.publish(world, caller.merchant_id, name, which.version, **told)
    return await _shown(caller, world, name, which.version)


@router.post("/v1/policies/{name}/rollback", responses=REFUSED)
async def roll_back_policy(
    caller: PoliciesWriter, world: WorldDep, name: Name, which: VersionIn
) -> PolicyOut:
    """Give new cases a version again that was in force before. Repeated it does nothing more."""
    with answered():
        told = {"actor": caller.key_id}
        await policies.roll_back(world, caller.merchant_id, name, which.version, **told)
    return await _shown(caller, world, name, which.version)


@router.post("/v1/policies/{name}/retire", responses=problems("not-found", "conflict"))
async def retire_policy(caller: PoliciesWriter, world: WorldDep, name: Name) -> PolicyOut:
    """Give no new case this policy. Not for the one that all others rest on."""
    with answered():
        await policies.retire(world, caller.merchant_id, name, actor=caller.key_id)
    return await _shown(caller, world, name, None)


@router.post("/v1/policies/{name}/preview", responses=MISSING | OF_EVERY_BODY)
async def preview_policy(
    caller: PoliciesReader, world: WorldDep, name: Name, asked: PreviewOfIn
) -> PreviewOut:
    """What a stored version would do. Changes nothing."""
    with answered():
        file = await policies.show_policy(world, caller.merchant_id, name)
        policy = policy_of(file.version(asked.version))
    return await _preview(caller, world, policy, asked)


@router.post("/v1/policies/{name}/move", responses=REFUSED)
async def move_cases(caller: CasesWriter, world: WorldDep, name: Name, asked: MoveIn) -> MovedOut:
    """Move the active cases that the version in force touches, a page at a time. Each is moved by
    itself and noted in its timeline; asking again moves only what is left."""
    after = cursors.read(asked.cursor, of=f"move {name}") if asked.cursor else None
    with answered():
        done = await policy_moves.move_touched(
            world, caller.merchant_id, name, actor=caller.key_id, after=after, limit=asked.limit
        )
    return MovedOut(
        policy=done.policy,
        moved=list(done.moved),
        refused=[RefusalOut(case=case, why=why) for case, why in done.refused],
        next=cursors.write(*done.next, of=f"move {name}") if done.next else None,
    )


@router.post("/v1/cases/{case_id}/policy", tags=["cases"], responses=REFUSED)
async def move_case(
    caller: CasesWriter,
    world: WorldDep,
    case_id: Annotated[str, Path(description="`case_…`", examples=["case_0198"])],
    to: CaseMoveIn,
) -> CaseOut:
    """Let an active case go on under another version: its window is measured anew, its next
    attempt decided anew, its letters follow the new table. Repeated it does nothing more."""
    if not SHAPE.fullmatch(case_id):
        raise Problem("not-found", "There is no such case.")
    with answered():
        case = await policy_moves.move(
            world, caller.merchant_id, case_id, to.policy, actor=caller.key_id
        )
    return CaseOut.of(case)


async def _shown(caller: Caller, world: WorldDep, name: str, version: int | None) -> PolicyOut:
    with answered():
        file = await policies.show_policy(world, caller.merchant_id, name)
        return PolicyOut.shown(file, version)


async def _preview(
    caller: Caller, world: WorldDep, policy: Policy, asked: PreviewOfIn
) -> PreviewOut:
    of = f"preview {policy.label}"
    after = cursors.read(asked.cursor, of=of) if asked.cursor else None
    failure = asked.failure.assumed(world.clock.now())
    seen = await policy_previews.preview(
        world, caller.merchant_id, policy, failure, mode=asked.collection_mode
    )
    page = await policy_moves.touched(
        world, caller.merchant_id, policy, after=after, limit=asked.limit
    )
    return PreviewOut(
        applies=seen.applies,
        timeline=[LineOut.of(line) for line in seen.timeline],
        touched=TouchedOut(
            cases=[CaseOut.of(case) for case in page.cases],
            scanned=page.scanned,
            next=cursors.write(*page.next, of=of) if page.next else None,
        ),
    )
