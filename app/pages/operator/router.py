"""All pages of the desk under `/operator`."""

from collections.abc import Sequence

from fastapi import APIRouter, Request
from starlette.responses import Response

from app.pages.operator.attention import attention_router
from app.pages.operator.cases import cases_router, letters_router
from app.pages.operator.commands import COMMANDS, Command
from app.pages.operator.declarations import declarations_router
from app.pages.operator.desk import NOT_FOUND, Desk
from app.pages.operator.door import door_router
from app.pages.operator.finance import finance_router
from app.pages.operator.policies import policies_router
from app.pages.operator.reasons import reasons_router
from app.ports.world import World


def operator_router(
    world: World, *, commands: Sequence[Command] = COMMANDS, mailbox: bool = False
) -> APIRouter:
    """The pages of the desk. `mailbox`: whether there is one to lead to."""
    desk = Desk(world, mailbox=mailbox)
    router = APIRouter(include_in_schema=False, prefix="/operator")
    router.include_router(door_router(desk))
    router.include_router(cases_router(desk, commands))
    router.include_router(letters_router(desk))
    router.include_router(attention_router(desk))
    router.include_router(declarations_router(desk))
    router.include_router(policies_router(desk))
    router.include_router(reasons_router(desk))
    router.include_router(finance_router(desk))

    @router.get("")
    async def start() -> Response:
        return desk.go("cases")

    @router.get("/{anything:path}")
    async def nothing(request: Request, anything: str) -> Response:
        return desk.refusal(NOT_FOUND, desk.sessions.of(request))

    return router
