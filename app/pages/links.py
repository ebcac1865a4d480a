"""The page behind a letter's link. Looking changes nothing: scanners follow every link."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from urllib.parse import urlsplit

from fastapi import APIRouter, Request
from starlette.responses import RedirectResponse, Response

from app.domain.paces import Pace
from app.pages.assets import assets_router
from app.pages.headers import LINK, PRIVATE, page
from app.pages.pacing import later, wait_for
from app.pages.views import (
    Page,
    broken_page,
    busy_page,
    done_page,
    link_page,
    unavailable_page,
    unknown_page,
)
from app.ports.payments import AccountRefused, ProviderRefused, ProviderUnavailable
from app.ports.store import Conflict, StoreUnavailable
from app.ports.world import World
from app.services import payment_links
from app.words.links import UnsafeLink, safe_link

RETRY_AFTER_SECONDS = 60
NO_PROVIDER = (ProviderUnavailable, ProviderRefused, AccountRefused, UnsafeLink)
NO_STORE = (StoreUnavailable, Conflict)
Told = Callable[..., Page]


@dataclass(frozen=True, slots=True)
class Counter:
    """Where a customer asks: with the world behind it and the path it stands under."""

    world: World
    root: str
    pace: Pace

    def busy(self, token: str, request: Request) -> Response | None:
        """The page that asks to wait, for who opens a link more often than anybody needs."""
        wait = wait_for(self.pace, token)
        told = busy_page(request.headers.get("accept-language", ""), root=self.root)
        return later(told, wait, csp=LINK) if wait else None

    async def show(self, token: str, request: Request, told: Told) -> Response:
        """The page `told` makes of the link, or why there is none. Changes nothing."""
        accepted = request.headers.get("accept-language", "")
        try:
            view = await payment_links.look(self.world, token)
        except NO_STORE:
            return _answer(broken_page(accepted, root=self.root))
        if view is None:
            return _answer(unknown_page(accepted, root=self.root))
        return _answer(told(view, token=token, root=self.root))

    async def lead(self, token: str, request: Request) -> Response:
        """To a page of the provider made now; pressed twice it charges nothing twice."""
        try:
            url = safe_link(await payment_links.go(self.world, token))
        except payment_links.LinkDead:
            return await self.show(token, request, link_page)
        except (*NO_PROVIDER, *NO_STORE):
            return await self.show(token, request, unavailable_page)
        return RedirectResponse(url, status_code=303, headers=dict(PRIVATE))

    async def note_opened(self, token: str) -> Response:
        """A person has the page before them: noted once. Says nothing of whether the link is."""
        with suppress(*NO_STORE):
            await payment_links.opened(self.world, token)
        return Response(status_code=204, headers=dict(PRIVATE))


def links_router(world: World, pace: Pace) -> APIRouter:
    """`/p/{token}` (GET looks, POST goes to the provider's page), `/p/{token}/done`,
    `/p/{token}/opened`, `/assets`."""
    router = APIRouter(include_in_schema=False)
    router.include_router(assets_router())
    counter = Counter(world, urlsplit(world.public_url).path.rstrip("/"), pace)

    @router.api_route("/p/{token}", methods=["GET", "HEAD"])
    async def look(token: str, request: Request) -> Response:
        return counter.busy(token, request) or await counter.show(token, request, link_page)

    @router.api_route("/p/{token}/done", methods=["GET", "HEAD"])
    async def done(token: str, request: Request) -> Response:
        return counter.busy(token, request) or await counter.show(token, request, done_page)

    @router.post("/p/{token}/opened")
    async def opened(token: str, request: Request) -> Response:
        return counter.busy(token, request) or await counter.note_opened(token)

    @router.post("/p/{token}")
    async def go(token: str, request: Request) -> Response:
        return counter.busy(token, request) or await counter.lead(token, request)

    return router


def _answer(told: Page) -> Response:
    response = page(told.html, status=told.status, csp=LINK)
    if told.status == 503:
        response.headers["Retry-After"] = str(RETRY_AFTER_SECONDS)
    return response
