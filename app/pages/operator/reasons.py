"""Why people left, and the deed of saying that a reason was put right."""

import re
from datetime import timedelta
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from app.domain.afterwards import AfterLetter
from app.domain.merchants import Scope
from app.domain.reasons import REASONS
from app.pages.operator import words
from app.pages.operator.desk import NOT_FOUND, Desk, Visit
from app.services import after_settings, cancel_counts, overviews
from app.services.after_settings import MendedAlready, NotReady
from app.words.plain import one_line

COUNTED = timedelta(days=90)
LONGEST = 500
NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,39}", re.ASCII)
LABELS = {reason.id: reason.label("en") for reason in REASONS}


def reasons_router(desk: Desk) -> APIRouter:
    """`/operator/reasons`, and what is done about one."""
    router = APIRouter(include_in_schema=False, prefix="/reasons")

    @router.get("")
    async def reasons(request: Request) -> Response:
        return await desk.show(request, Scope.MESSAGES_READ, show_reasons)

    @router.post("/{reason}/mended")
    async def mended(request: Request, reason: str) -> Response:
        return await desk.do(request, Scope.MESSAGES_WRITE, lambda v: mend(v, reason))

    return router


async def show_reasons(visit: Visit, *, refused: str = "") -> Response:
    """The reasons of the last 90 days, the most frequent first, and what was put right."""
    world, merchant_id = visit.world, visit.merchant_id
    merchant = await overviews.merchant_of(world, merchant_id)
    now = world.clock.now()
    counts = await cancel_counts.by_reason(world, merchant_id, since=now - COUNTED, until=now)
    settings = await after_settings.show(world, merchant_id)
    teller = visit.teller(merchant)
    return await visit.page(
        "reasons",
        here="reasons",
        status=409 if refused else 200,
        merchant=merchant,
        rows=[_row(count) for count in counts],
        mended=[
            {
                "reason": _label(row.reason),
                "note": teller.text(str(row.note.get("en") or next(iter(row.note.values()), ""))),
                "at": teller.moment(row.at),
            }
            for row in await after_settings.list_mended(world, merchant_id)
        ],
        refused=refused,
        tells=settings.since_of(AfterLetter.WE_FIXED_IT) is not None,
        may=visit.may(Scope.MESSAGES_WRITE),
    )


async def mend(visit: Visit, reason: str) -> Response:
    """Tell those who left for a reason that it was put right."""
    note = one_line(visit.form.get("note", ""), longest=LONGEST)
    if not NAME.fullmatch(reason):
        raise NOT_FOUND
    if not note:
        return await show_reasons(visit, refused="Say what was put right.")
    told: dict[str, Any] = {"actor": visit.caller.key_id}
    try:
        await after_settings.mend(visit.world, visit.merchant_id, reason, {"en": note}, **told)
    except NotReady:
        return await show_reasons(visit, refused="The letter we_fixed_it is switched off.")
    except MendedAlready:
        why = "Those who left for this reason were told within the last 30 days."
        return await show_reasons(visit, refused=why)
    return visit.go("reasons")


def _row(count: cancel_counts.ReasonCount) -> dict[str, Any]:
    return {
        "id": count.reason or "",
        "label": _label(count.reason) if count.reason else "No reason given",
        "sessions": count.sessions,
        "cancelled": count.cancelled,
        "saved": count.saved,
    }


def _label(reason: str) -> str:
    return LABELS.get(reason) or words.plain(reason)
