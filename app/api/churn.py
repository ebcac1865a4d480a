"""Who left: `GET /v1/churn-records`."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query

from app.api import cursors
from app.api.auth import require
from app.api.churn_schemas import ChurnParameters, ChurnRecordList, ChurnRecordOut
from app.api.dependencies import WorldDep
from app.domain.merchants import Scope
from app.services import churn
from app.services.api_keys import Caller

router = APIRouter(prefix="/v1/churn-records", tags=["finance"])
FinanceReader = Annotated[Caller, Depends(require(Scope.FINANCE_READ))]


@router.get("")
async def list_churn_records(
    caller: FinanceReader, world: WorldDep, asked: Annotated[ChurnParameters, Query()]
) -> ChurnRecordList:
    """The lines of churn, what happened last first. `next` is the cursor of the following page,
    null at the end."""
    filters = asked.model_dump_json(exclude={"cursor", "limit"})
    after = cursors.read(asked.cursor, of=filters) if asked.cursor else None
    found = await churn.find(
        world, caller.merchant_id, asked.query(), after=after, limit=asked.limit + 1
    )
    page = found[: asked.limit]
    last = page[-1] if len(found) > len(page) else None
    return ChurnRecordList(
        churn_records=[ChurnRecordOut.of(record) for record in page],
        next=cursors.write(last.occurred_at, last.record_id, of=filters) if last else None,
    )
