"""Letters with made-up facts, to look at: in the demo, and by a link that `/v1` hands out."""

from urllib.parse import urlsplit

from fastapi import APIRouter
from starlette.responses import Response

from app.domain.languages import DEFAULT_LANGUAGE, LANGUAGES
from app.domain.messages import TEMPLATES, Rendered
from app.pages.headers import PREVIEW, page
from app.pages.views import fill, unknown_page
from app.ports.mailer import TemplateFault
from app.ports.world import World
from app.services import templates


def previews_router(world: World) -> APIRouter:
    """`/preview/{token}` and the letter itself in a frame of its own, as its reader gets it."""
    router = APIRouter(include_in_schema=False, prefix="/preview")
    root = urlsplit(world.public_url).path.rstrip("/")

    @router.get("/{token}")
    async def look(token: str) -> Response:
        found = await templates.shown(world, token)
        if found is None:
            return page(unknown_page(root=root).html, status=404)
        place, written = found
        return _page(place, written, frame=f"{root}/preview/{token}/letter", root=root)

    @router.get("/{token}/letter")
    async def letter(token: str) -> Response:
        found = await templates.shown(world, token)
        if found is None:
            return page(unknown_page(root=root).html, status=404)
        return page(found[1].html, csp=PREVIEW)

    return router


def letters_router(world: World) -> APIRouter:
    """`/demo/letters`: every letter in every language."""
    router = APIRouter(include_in_schema=False, prefix="/demo/letters")
    root = urlsplit(world.public_url).path.rstrip("/")

    @router.get("")
    async def overview() -> Response:
        facts = {"letters": list(TEMPLATES.items()), "languages": LANGUAGES}
        return page(fill("letters.html.j2", root=root, **facts))

    @router.get("/{template}/{language}")
    async def look(template: str, language: str) -> Response:
        written = _sample(world, template, language)
        if written is None:
            return page(unknown_page(root=root).html, status=404)
        frame = f"{root}/demo/letters/{template}/{language}/letter"
        return _page((template, language), written, frame=frame, root=root)

    @router.get("/{template}/{language}/letter")
    async def letter(template: str, language: str) -> Response:
        written = _sample(world, template, language)
        if written is None:
            return page(unknown_page(root=root).html, status=404)
        return page(written.html, csp=PREVIEW)

    return router


def _sample(world: World, template: str, language: str) -> Rendered | None:
    if template not in TEMPLATES or language not in LANGUAGES:
        return None
    try:
        return world.renderer.sample(template, language, None, templates.NO_LOOK)
    except TemplateFault:
        return None


def _page(place: templates.Place, written: Rendered, *, frame: str, root: str) -> Response:
    facts = {
        "letter": place[0],
        "spoken": place[1],
        "subject": written.subject,
        "text": written.text,
        "frame": frame,
        "language": DEFAULT_LANGUAGE,
    }
    return page(fill("preview.html.j2", root=root, **facts))
