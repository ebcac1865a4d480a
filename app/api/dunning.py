"""Cases: `GET /v1/cases` and `GET /v1/cases/{id}`."""

from typing import Annotated

from fastapi import APIRouter, Path, Query

from app.api import cursors
from app.api.auth import CasesReader
from app.api.case_schemas import CaseFileOut, CaseList, CaseOut, CaseParameters
from app.api.dependencies import WorldDep
from app.api.problems import Problem, problems
from app.domain.ids import SHAPE
from app.services import cases

router = APIRouter(prefix="/v1/cases", tags=["cases"])


@router.get("")
async def list_cases(
    caller: CasesReader, world: WorldDep, asked: Annotated[CaseParameters, Query()]
) -> CaseList:
    """Cases, the latest opened first. `next` is the cursor of the following page, null at the
    end."""
    filters = asked.model_dump_json(exclude={"cursor", "limit"})
    after = cursors.read(asked.cursor, of=filters) if asked.cursor else None
    found = await cases.find(
        world, caller.merchant_id, asked.query(), after=after, limit=asked.limit + 1
    )
    page = found[: asked.limit]
    more = len(found) > len(page)
    last = page[-1] if more else None
    return CaseList(
        cases=[CaseOut.of(case) for case in page],
        next=cursors.write(last.opened_at, last.case_id, of=filters) if last else None,
    )


@router.get("/{case_id}", responses=problems("not-found"))
async def show_case(
    caller: CasesReader,
    world: WorldDep,
    case_id: Annotated[str, Path(description="`case_…`", examples=["case_0198"])],
) -> CaseFileOut:
    """One case with its attempts, its messages, its timeline (every decision with its reason in
    words and what it was decided from) and what happens next."""
    file = None
    if SHAPE.fullmatch(case_id):
        file = await cases.show(world, caller.merchant_id, case_id)
    if file is None:
        raise Problem("not-found", "There is no such case.")
    return CaseFileOut.of_file(file)
