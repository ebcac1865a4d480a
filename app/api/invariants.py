"""Whether all holds that must: `GET /v1/ops/invariants`."""

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends
from pydantic import BaseModel, Field

from app.api.auth import require
from app.api.dependencies import WorldDep
from app.domain.invariants import MOST, NAMED, Breach, Finding, Level
from app.domain.merchants import Scope
from app.services import invariants
from app.services.api_keys import Caller

router = APIRouter(prefix="/v1/ops", tags=["operations"])
OperationsReader = Annotated[Caller, Depends(require(Scope.OPERATIONS_READ))]


class BreachOut(BaseModel):
    """A row that breaks an invariant."""

    subject: str = Field(description="Its id.")
    said: str = Field(description="What is wrong with it. Words for a person, not for a program.")

    @classmethod
    def of(cls, breach: Breach) -> "BreachOut":
        return cls(subject=breach.subject, said=breach.said)


class FindingOut(BaseModel):
    """One invariant, and whether it holds."""

    name: str
    proves: str = Field(description="The promise or the invariant of the simulation it stands for.")
    meaning: str = Field(description="What is so where it is broken.")
    level: Level = Field(description="`note` is counted and alarms nobody.")
    violations: int | None = Field(
        description=f"Rows that break it, up to {MOST}; null where the database did not answer."
    )
    broken_by: list[BreachOut] = Field(description=f"At most {NAMED} of them.")

    @classmethod
    def of(cls, finding: Finding) -> "FindingOut":
        asked = finding.invariant
        return cls(
            name=asked.name,
            proves=asked.proves,
            meaning=asked.meaning,
            level=asked.level,
            violations=finding.count,
            broken_by=[BreachOut.of(breach) for breach in finding.broken_by],
        )


class InvariantsOut(BaseModel):
    """All invariants, asked now."""

    holds: bool = Field(description="Every alarm was asked, and no row breaks one.")
    asked_at: datetime
    last_round_at: datetime | None = Field(
        description="When the workers asked last; they do every five minutes."
    )
    invariants: list[FindingOut]


@router.get("/invariants")
async def show_invariants(caller: OperationsReader, world: WorldDep) -> InvariantsOut:
    """What must hold of your rows at any moment, asked now. The workers ask the same every five
    minutes and raise an alert where it does not hold."""
    now = world.clock.now()
    found = await invariants.findings(world, caller.merchant_id, now=now)
    alarms = [one for one in found if one.invariant.level is Level.ALARM]
    return InvariantsOut(
        holds=all(one.count == 0 for one in alarms),
        asked_at=now,
        last_round_at=await invariants.last_round(world, caller.merchant_id),
        invariants=[FindingOut.of(one) for one in found],
    )
