"""The page behind a letter's link. Looking changes nothing: scanners follow every link."""

from urllib.parse import urlsplit

from fastapi import APIRouter, Request
from starlette.responses import RedirectResponse, Response

from app.pages.assets import assets_router
from app.pages.headers import PRIVATE, page
from app.pages.views import Page, done_page, link_page, unavailable_page, unknown_page
from app.ports.payments import AccountRefused, ProviderRefused, ProviderUnavailable
from app.ports.world import World
from app.services import payment_links
from app.words.links import UnsafeLink, safe_link

RETRY_AFTER_SECONDS = 60
NO_PROVIDER = (ProviderUnavailable, ProviderRefused, AccountRefused, UnsafeLink)


def links_router(world: World) -> APIRouter:
    """`/p/{token}` (GET looks, POST goes to the provider's page), `/p/{token}/done`, `/assets`."""
    router = APIRouter(include_in_schema=False)
    router.include_router(assets_router())
    root = urlsplit(world.public_url).path.rstrip("/")

    @router.api_route("/p/{token}", methods=["GET", "HEAD"])
    async def look(token: str, request: Request) -> Response:
        view = await payment_links.look(world, token)
        return _answer(link_page(view, token=token, root=root) if view else _nobody(request, root))

    @router.api_route("/p/{token}/done", methods=["GET", "HEAD"])
    async def done(token: str, request: Request) -> Response:
        view = await payment_links.look(world, token)
        return _answer(done_page(view, token=token, root=root) if view else _nobody(request, root))

    @router.post("/p/{token}")
    async def go(token: str, request: Request) -> Response:
        try:
            url = safe_link(await payment_links.go(world, token))
        except payment_links.LinkDead:
            return await look(token, request)
        except NO_PROVIDER:
            view = await payment_links.look(world, token)
            if view is None:
                return _answer(_nobody(request, root))
            return _answer(unavailable_page(view, token=token, root=root))
        return RedirectResponse(url, status_code=303, headers=dict(PRIVATE))

    return router


def _nobody(request: Request, root: str) -> Page:
    return unknown_page(request.headers.get("accept-language", ""), root=root)


def _answer(told: Page) -> Response:
    response = page(told.html, status=told.status)
    if told.status == 503:
        response.headers["Retry-After"] = str(RETRY_AFTER_SECONDS)
    return response
