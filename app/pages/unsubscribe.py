"""The page behind `List-Unsubscribe`: looking changes nothing, pressing (or one click) does."""

from urllib.parse import urlsplit

from fastapi import APIRouter, Request
from starlette.responses import Response

from app.pages.headers import page
from app.pages.views import broken_page, unknown_page, unsubscribe_page
from app.ports.store import Conflict, StoreUnavailable
from app.ports.world import World
from app.services import suppressions


def unsubscribe_router(world: World) -> APIRouter:
    """`/u/{token}`: GET shows one button; POST unsubscribes, from the page or as RFC 8058 has it
    (a mail program's single POST, without a cookie and without a look before)."""
    router = APIRouter(include_in_schema=False)
    root = urlsplit(world.public_url).path.rstrip("/")

    @router.api_route("/u/{token}", methods=["GET", "HEAD"])
    async def look(token: str, request: Request) -> Response:
        return await _told(token, request, done=False)

    @router.post("/u/{token}")
    async def leave(token: str, request: Request) -> Response:
        return await _told(token, request, done=True)

    async def _told(token: str, request: Request, *, done: bool) -> Response:
        accepted = request.headers.get("accept-language", "")
        ask = suppressions.unsubscribe if done else suppressions.look
        try:
            view = await ask(world, token)
        except (StoreUnavailable, Conflict):
            told = broken_page(accepted, root=root)
        else:
            told = unknown_page(accepted, root=root)
            if view is not None:
                told = unsubscribe_page(view, token=token, root=root, done=done)
        return page(told.html, status=told.status)

    return router
