"""Signing in with an API key, and out again."""

import re

from fastapi import APIRouter, Request
from starlette.responses import Response

from app.pages.operator.desk import BROKEN, NO_STORE, Desk, is_ours
from app.services import api_keys

KEY = re.compile(r"hf_(live|test)_[0-9A-Za-z]{43}")
WRONG = "No key like this opens the desk: it is unknown, has expired or was revoked."
STALE = "The page was open for too long, or cookies are off. Try once more."


def door_router(desk: Desk) -> APIRouter:
    """`/operator/sign-in` and `/operator/sign-out`."""
    router = APIRouter(include_in_schema=False)

    @router.get("/sign-in")
    async def door(request: Request) -> Response:
        return _door(desk, request, request.query_params.get("next", ""))

    @router.post("/sign-in")
    async def sign_in(request: Request) -> Response:
        form = await request.form()
        there = str(form.get("next", ""))
        waiting = desk.doors.of(request)
        if waiting is None or not is_ours(request, waiting, form):
            return _door(desk, request, there, fault=STALE, status=403)
        secret = str(form.get("key", "")).strip()
        try:
            known = KEY.fullmatch(secret) and await api_keys.authenticate(desk.world, secret)
        except NO_STORE:
            return desk.refusal(BROKEN, None)
        if not known:
            return _door(desk, request, there, fault=WRONG, status=401)
        response = desk.go(_within(desk, there))
        desk.sessions.keep(response, desk.sessions.new(known.key_id))
        desk.doors.forget(response)
        return response

    @router.post("/sign-out")
    async def sign_out(request: Request) -> Response:
        session = desk.sessions.of(request)
        response = desk.go("sign-in?out=1")
        if session is not None and is_ours(request, session, await request.form()):
            desk.sessions.forget(response)
        return response

    return router


def _door(
    desk: Desk, request: Request, there: str, *, fault: str = "", status: int = 200
) -> Response:
    """The form. A link in a mail brings no cookie along (SameSite=Strict), so somebody who is
    signed in may land here; one click on our own page brings them through."""
    waiting = desk.doors.of(request) or desk.doors.new()
    facts = {
        "fault": fault,
        "next": f"{desk.root}/operator/{_within(desk, there)}",
        "came": bool(there),
        "out": "out" in request.query_params,
        "token": waiting.token,
    }
    response = desk.answer("sign-in", status=status, **facts)
    desk.doors.keep(response, waiting)
    return response


def _within(desk: Desk, there: str) -> str:
    """The part of an address below the desk's own; the cases where it is not below it."""
    inside = there.removeprefix(f"{desk.root}/operator/")
    plain = re.fullmatch(r"[A-Za-z0-9_\-/.~?=&%+:]*", inside)
    return inside if inside != there and plain and ".." not in inside else "cases"
