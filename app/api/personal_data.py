"""One customer's personal data: handed out as one document, or erased."""

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends
from pydantic import BaseModel, Field

from app.api.afterwards import AccountQuery, CustomerPath
from app.api.auth import Caller, require
from app.api.dependencies import WorldDep
from app.api.problems import Problem, problems
from app.domain.merchants import Scope
from app.services import erasing, personal_data
from app.services.access import AmbiguousCustomer
from app.services.personal_data import UnknownCustomer

router = APIRouter(prefix="/v1/customers/{customer}", tags=["customers"])
Reader = Annotated[Caller, Depends(require(Scope.PERSONAL_READ))]
Eraser = Annotated[Caller, Depends(require(Scope.PERSONAL_ERASE))]
WRONG = problems("not-found", "conflict")


class PersonalDataOut(BaseModel):
    """All that is held of one customer."""

    account: str
    customer: str = Field(description="The customer's id at the provider.")
    as_of: datetime
    erased: bool = Field(description="Whether who they are was overwritten before.")
    held: dict[str, list[dict[str, Any]]] = Field(
        description="The rows as they are stored, by what they are: `customer`, `invoices`, "
        "`cases`, `messages`, `survey_answers` and so on."
    )


class ErasureOut(BaseModel):
    """What was overwritten, and what was stopped."""

    account: str
    customer: str
    at: datetime
    stopped_cases: list[str] = Field(description="Cases that were open, by id.")
    overwritten: dict[str, int] = Field(description="How many rows of each kind changed.")


@router.get("/personal-data", responses=WRONG)
async def export_personal_data(
    caller: Reader, world: WorldDep, customer: CustomerPath, account: AccountQuery = None
) -> PersonalDataOut:
    """All that is held of a customer, as one document, for whoever asks what you know of them. It
    leaves a line in the audit log."""
    try:
        found = await personal_data.export(
            world,
            caller.merchant_id,
            customer,
            account_id=account,
            actor=f"key:{caller.key_id}",
        )
    except (UnknownCustomer, AmbiguousCustomer) as wrong:
        raise _whose(wrong) from wrong
    return PersonalDataOut.model_validate(found)


@router.post("/erase", responses=WRONG)
async def erase_customer(
    caller: Eraser, world: WorldDep, customer: CustomerPath, account: AccountQuery = None
) -> ErasureOut:
    """Overwrite what tells who a customer is, and what they said. There is no way back. Open cases
    stop, nobody is written to, and a later webhook brings nothing back; amounts, instants and the
    provider's ids stay. Repeated it is the same. What the provider holds must be erased there."""
    try:
        done = await erasing.erase(
            world,
            caller.merchant_id,
            customer,
            account_id=account,
            actor=f"key:{caller.key_id}",
        )
    except (UnknownCustomer, AmbiguousCustomer) as wrong:
        raise _whose(wrong) from wrong
    return ErasureOut(
        account=done.account_id,
        customer=done.customer_id,
        at=done.at,
        stopped_cases=list(done.stopped),
        overwritten=done.overwritten,
    )


def _whose(wrong: Exception) -> Problem:
    if isinstance(wrong, AmbiguousCustomer):
        told = "Several of your accounts know this customer; name one with `account`."
        return Problem("conflict", told)
    return Problem("not-found", "There is no such customer.")
