"""Why people left, and the deed of saying that a reason was put right."""

import re
from datetime import timedelta
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from app.domain.afterwards import AfterLetter
from app.domain.languages import LANGUAGES
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
# In which a note may be written, as the desk calls them.
SPOKEN = dict(
    zip(LANGUAGES, ("English", "German", "French", "Spanish", "Simplified Chinese"), strict=True)
)
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
    """The reasons of the last 90 days, the most frequent first, and what was put right. Whoever may
    not read sessions is told of no count, here as at the API."""
    world, merchant_id = visit.world, visit.merchant_id
    merchant = await overviews.merchant_of(world, merchant_id)
    counted = visit.may(Scope.SESSIONS_READ)
    settings = await after_settings.show(world, merchant_id)
    teller = visit.teller(merchant)
    return await visit.page(
        "reasons",
        here="reasons",
        status=409 if refused else 200,
        merchant=merchant,
        rows=await _counts(visit) if counted else [_uncounted(one) for one in LABELS],
        counted=counted,
        languages=SPOKEN,
        longest=LONGEST,
        mended=[
            {
                "reason": _label(row.reason),
                "notes": {name: teller.text(str(note)) for name, note in row.note.items()},
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
    wrote = {one: one_line(visit.form.get(f"note_{one}", ""), longest=LONGEST) for one in SPOKEN}
    note = {one: text for one, text in wrote.items() if text}
    if not NAME.fullmatch(reason):
        raise NOT_FOUND
    if not note:
        return await show_reasons(visit, refused="Say what was put right.")
    told: dict[str, Any] = {"actor": visit.caller.key_id}
    try:
        await after_settings.mend(visit.world, visit.merchant_id, reason, note, **told)
    except NotReady:
        return await show_reasons(visit, refused="The letter we_fixed_it is switched off.")
    except MendedAlready:
        why = "Those who left for this reason were told within the last 30 days."
        return await show_reasons(visit, refused=why)
    return visit.go("reasons")


async def _counts(visit: Visit) -> list[dict[str, Any]]:
    now = visit.world.clock.now()
    span = {"since": now - COUNTED, "until": now}
    return [
        _row(count)
        for count in await cancel_counts.by_reason(visit.world, visit.merchant_id, **span)
    ]


def _uncounted(reason: str) -> dict[str, Any]:
    return {"id": reason, "label": _label(reason), "left": True}


def _row(count: cancel_counts.ReasonCount) -> dict[str, Any]:
    return {
        "id": count.reason or "",
        "label": _label(count.reason) if count.reason else "No reason given",
        "sessions": count.sessions,
        "cancelled": count.cancelled,
        "left": count.cancelled > 0,
        "saved": count.saved,
    }


def _label(reason: str) -> str:
    return LABELS.get(reason) or words.plain(reason)
