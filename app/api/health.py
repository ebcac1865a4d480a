"""Whether the process lives, whether it can work, and what a problem's name means."""

import asyncio

from fastapi import APIRouter
from pydantic import BaseModel

from app.api.dependencies import WorldDep
from app.api.problems import KINDS, Problem, problems, unavailable
from app.domain.merchants import ProviderAccount

PATIENCE_S = 2.0

router = APIRouter(tags=["operations"])


class HealthOut(BaseModel):
    """All is well."""

    ok: bool = True


class ProblemKindOut(BaseModel):
    """What a problem's `type` stands for."""

    name: str
    status: int
    title: str
    meaning: str


@router.get("/healthz")
async def healthz() -> HealthOut:
    """The process lives. Asks nobody."""
    return HealthOut()


@router.get("/readyz", responses=problems("unavailable"))
async def readyz(world: WorldDep) -> HealthOut:
    """The process can work: the database answers within two seconds, and says the same time as
    this machine. Redis and the payment provider may be down; webhooks are taken without them."""
    try:
        async with asyncio.timeout(PATIENCE_S), world.store.system() as tx:
            await tx.agree_on(world.clock.now())
            await tx.find(ProviderAccount, where={}, limit=1)
    except TimeoutError as slow:
        raise unavailable("The database does not answer in time.") from slow
    return HealthOut()


@router.get("/problems/{name}", responses=problems("not-found"))
async def explain_problem(name: str) -> ProblemKindOut:
    """What a problem's name means, and what to do about it."""
    kind = KINDS.get(name)
    if kind is None:
        raise Problem("not-found", "There is no such problem.")
    return ProblemKindOut(
        name=kind.name, status=kind.status, title=kind.title, meaning=kind.meaning
    )
