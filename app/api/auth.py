"""Who is asking: `Authorization: Bearer hf_…`, and what that key may do."""

import re
from collections.abc import Awaitable, Callable
from typing import Annotated

from fastapi import Depends, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from app.api.dependencies import WorldDep
from app.api.problems import Problem
from app.domain.merchants import Scope
from app.ports.world import World
from app.services import api_keys
from app.services.api_keys import Caller

__all__ = [
    "BEARER",
    "Caller",
    "CasesReader",
    "CasesWriter",
    "FlowsReader",
    "FlowsWriter",
    "PoliciesReader",
    "PoliciesWriter",
    "SessionsReader",
    "SessionsWriter",
    "caller_of",
    "require",
]

SHAPE = re.compile(r"hf_(live|test)_[0-9A-Za-z]{43}")
BEARER = HTTPBearer(
    scheme_name="ApiKey",
    auto_error=False,
    description="An API key made with `holdfast keys create`; each route names the scope it needs.",
)


async def caller_of(world: World, secret: str, scope: Scope) -> Caller:
    """The caller of a key that has `scope`. Ends in 401 without a valid key and in 403 with one
    that lacks the scope."""
    known = await api_keys.authenticate(world, secret) if SHAPE.fullmatch(secret) else None
    if known is None:
        raise Problem(
            "unauthenticated",
            "No API key was sent, or it is unknown, expired or revoked.",
            headers={"WWW-Authenticate": "Bearer"},
        )
    if scope not in known.scopes:
        raise Problem("forbidden", f"The API key lacks the scope {scope.value}.")
    return known


def require(scope: Scope) -> Callable[..., Awaitable[Caller]]:
    """A dependency that gives the caller, whose key has `scope`:

    `caller: Annotated[Caller, Depends(require(Scope.CASES_READ))]`

    Ends in 401 without a valid key and in 403 with one that lacks the scope.
    """

    async def caller(
        world: WorldDep,
        credentials: Annotated[
            HTTPAuthorizationCredentials | None, Security(BEARER, scopes=[scope.value])
        ],
    ) -> Caller:
        secret = credentials.credentials if credentials else ""
        return await caller_of(world, secret, scope)

    return caller


CasesReader = Annotated[Caller, Depends(require(Scope.CASES_READ))]
CasesWriter = Annotated[Caller, Depends(require(Scope.CASES_WRITE))]
PoliciesReader = Annotated[Caller, Depends(require(Scope.POLICIES_READ))]
FlowsReader = Annotated[Caller, Depends(require(Scope.FLOWS_READ))]
FlowsWriter = Annotated[Caller, Depends(require(Scope.FLOWS_WRITE))]
SessionsReader = Annotated[Caller, Depends(require(Scope.SESSIONS_READ))]
SessionsWriter = Annotated[Caller, Depends(require(Scope.SESSIONS_WRITE))]
PoliciesWriter = Annotated[Caller, Depends(require(Scope.POLICIES_WRITE))]
