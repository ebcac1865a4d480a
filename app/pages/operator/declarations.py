"""What was declared on public forms: who waits for a person, and the person's deed."""

from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from app.domain.declarations import Declaration
from app.domain.dunning import IllegalMove
from app.domain.merchants import Scope
from app.pages.operator import words
from app.pages.operator.desk import NOT_FOUND, Desk, Visit
from app.pages.operator.telling import Teller
from app.services import declaration_desk
from app.services.declaration_desk import NoSuchContract, UnknownDeclaration
from app.words.plain import one_line

LONGEST = 500


def declarations_router(desk: Desk) -> APIRouter:
    """`/operator/declarations`, and what is done about one."""
    router = APIRouter(include_in_schema=False, prefix="/declarations")

    @router.get("")
    async def declarations(request: Request) -> Response:
        return await desk.show(request, Scope.SESSIONS_READ, show_declarations)

    @router.post("/{declaration}/{deed}")
    async def do(request: Request, declaration: str, deed: str) -> Response:
        async def done(visit: Visit) -> Response:
            return await _done(visit, declaration, deed)

        return await desk.do(request, Scope.SESSIONS_WRITE, done)

    return router


async def show_declarations(visit: Visit, *, refused: str = "") -> Response:
    """Those that wait, and the latest of the others; `refused` says why a deed was not done."""
    found = await declaration_desk.overview(visit.world, visit.merchant_id)
    teller = visit.teller(found.merchant)
    return await visit.page(
        "declarations",
        here="declarations",
        status=409 if refused else 200,
        merchant=found.merchant,
        waiting=[_line(row, teller) for row in found.waiting],
        through=[_line(row, teller) for row in found.through],
        refused=refused,
        may=visit.may(Scope.SESSIONS_WRITE),
        forms=f"{visit.world.public_url}/f/{visit.merchant_id}",
    )


async def _done(visit: Visit, declaration: str, deed: str) -> Response:
    about = (visit.world, visit.merchant_id, declaration)
    actor, text = visit.caller.key_id, one_line(visit.form.get("text", ""))[:LONGEST].strip()
    if deed not in {"carry-out", "put-away"}:
        raise NOT_FOUND
    if not text:
        return await show_declarations(visit, refused="Say which contract, or what was done.")
    try:
        if deed == "carry-out":
            await declaration_desk.carry_out(*about, text, actor=actor)
        else:
            await declaration_desk.put_away(*about, text, actor=actor)
    except UnknownDeclaration as unknown:
        raise NOT_FOUND from unknown
    except NoSuchContract:
        return await show_declarations(visit, refused=f"There is no subscription {text}.")
    except IllegalMove:
        return await show_declarations(visit, refused="It does not wait any more.")
    return visit.go("declarations")


def _line(row: Declaration, teller: Teller) -> dict[str, Any]:
    return {
        "id": row.declaration_id,
        "kind": words.plain(row.kind),
        "state": words.plain(row.state),
        "waits": row.state == "waiting",
        "at": teller.moment(row.received_at),
        "name": row.name,
        "email": row.email,
        "reference": row.reference,
        "reason": row.reason or "",
        "wished_for": row.wished_for or "",
        "note": row.note or "",
        "subscription": row.subscription_id or "",
    }
