"""Attributes, by which figures are told apart: `/v1/attributes`."""

from typing import Annotated, Self

from fastapi import APIRouter, Depends
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from app.api.auth import Caller, require
from app.api.dependencies import WorldDep
from app.api.problems import OF_EVERY_BODY
from app.domain.attributes import MOST_ATTRIBUTES, NAME
from app.domain.merchants import Merchant, Scope
from app.services import attributes

router = APIRouter(prefix="/v1/attributes", tags=["finance"])
Reader = Annotated[Caller, Depends(require(Scope.FINANCE_READ))]
Writer = Annotated[Caller, Depends(require(Scope.CONFIG_WRITE))]
Name = Annotated[str, Field(pattern=f"^{NAME.pattern}$", examples=["channel"])]


def _once(names: list[str]) -> list[str]:
    if len(set(names)) < len(names):
        raise ValueError("has a name more than once")
    return names


class AttributesIn(BaseModel):
    """All names to be kept from now on."""

    model_config = ConfigDict(extra="forbid")
    names: Annotated[list[Name], Field(max_length=MOST_ATTRIBUTES), AfterValidator(_once)] = Field(
        description="Keys of a subscription's or else its customer's metadata."
    )


class AttributesOut(BaseModel):
    """What figures of MRR and churn may be grouped by, as `attribute.` and a name."""

    names: list[str] = Field(description="Kept in what is recorded now.")
    past_names: list[str] = Field(description="Kept in what was recorded before.")

    @classmethod
    def of(cls, merchant: Merchant) -> Self:
        """As the API shows them."""
        return cls(names=list(merchant.attributes), past_names=list(merchant.past_attributes))


@router.get("")
async def show_attributes(caller: Reader, world: WorldDep) -> AttributesOut:
    """The attributes that you named."""
    return AttributesOut.of(await attributes.attributes_of(world, caller.merchant_id))


@router.put("", responses=OF_EVERY_BODY)
async def name_attributes(caller: Writer, world: WorldDep, asked: AttributesIn) -> AttributesOut:
    """Name the attributes that the ledgers keep from now on, in place of those of before. What was
    recorded stays as it is: a subscription has a new attribute from its next notice on, mostly its
    next renewal. A value is cut after 40 characters. Name nothing that tells who somebody is, or of
    which each customer has their own: what stands in a ledger is not erased."""
    named = await attributes.name_attributes(
        world, caller.merchant_id, asked.names, actor=caller.key_id
    )
    return AttributesOut.of(named)
