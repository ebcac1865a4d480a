"""`/q/{token}`, one question after leaving, and `/b/{token}`, the way back. Looking changes
nothing: scanners follow every link."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from urllib.parse import urlsplit

from fastapi import APIRouter, Request
from starlette.responses import Response

from app.domain.dunning import IllegalMove
from app.domain.paces import Pace
from app.domain.survey import LONGEST_WORDS
from app.pages.headers import DESK, page
from app.pages.pacing import later, wait_for
from app.pages.views import PHRASES, Page, broken_page, busy_page, fill, unknown_page
from app.ports.payments import AccountRefused, ProviderRefused, ProviderUnavailable
from app.ports.store import Conflict, StoreUnavailable
from app.ports.world import World
from app.services import ways_back
from app.services.afterwards import BACK, FEEDBACK
from app.services.cancel_telling import UnknownRequest
from app.services.ways_back import AfterView, WayBack
from app.words.formats import show_day
from app.words.links import UnsafeLink, safe_link
from app.words.plain import one_line

RETRY_AFTER_SECONDS = 30
NO_ANSWER = (
    ProviderUnavailable, ProviderRefused, AccountRefused, StoreUnavailable, Conflict,
)  # fmt: skip
Asked = Callable[[], Awaitable[AfterView | None]]


@dataclass(frozen=True, slots=True)
class Threshold:
    """Where somebody who left comes by: with the world behind it and the path it stands under."""

    world: World
    root: str
    pace: Pace

    async def told(self, path: str, token: str, request: Request, asked: Asked) -> Response:
        """What came of what was asked, as a page; or why there is none."""
        accepted = request.headers.get("accept-language", "")
        if wait := wait_for(self.pace, token):
            return later(busy_page(accepted, root=self.root), wait, csp=DESK)
        try:
            found = self._page(await self._asked(token, asked), path, token, accepted)
        except NO_ANSWER:
            found = broken_page(accepted, root=self.root)
        response = page(found.html, status=found.status, csp=DESK)
        if found.status == 503:
            response.headers["Retry-After"] = str(RETRY_AFTER_SECONDS)
        return response

    async def _asked(self, token: str, asked: Asked) -> AfterView | None:
        try:
            return await asked()
        except (IllegalMove, UnknownRequest):  # it ended while the page was open
            return await ways_back.look(self.world, token, BACK)

    def _page(self, view: AfterView | None, path: str, token: str, accepted: str) -> Page:
        if view is None:
            return unknown_page(accepted, root=self.root)
        return after_page(view, path=path, token=token, root=self.root)


def after_router(world: World, pace: Pace) -> APIRouter:
    """The pages behind the links of letters after leaving; without a script, without a cookie."""
    router = APIRouter(include_in_schema=False)
    here = Threshold(world, urlsplit(world.public_url).path.rstrip("/"), pace)

    @router.api_route("/q/{token}", methods=["GET", "HEAD"])
    async def ask(token: str, request: Request) -> Response:
        return await here.told("q", token, request, lambda: ways_back.look(world, token, FEEDBACK))

    @router.post("/q/{token}")
    async def answer(token: str, request: Request) -> Response:
        given = (await request.form()).get("words")
        words = given.replace("\0", "")[:LONGEST_WORDS] if isinstance(given, str) else None
        return await here.told("q", token, request, lambda: ways_back.answer(world, token, words))

    @router.api_route("/b/{token}", methods=["GET", "HEAD"])
    async def look(token: str, request: Request) -> Response:
        return await here.told("b", token, request, lambda: ways_back.look(world, token, BACK))

    @router.post("/b/{token}")
    async def come(token: str, request: Request) -> Response:
        return await here.told("b", token, request, lambda: ways_back.come_back(world, token))

    return router


def after_page(view: AfterView, *, path: str, token: str, root: str = "") -> Page:
    """The question or the way back, in the customer's language."""
    locale = PHRASES.locale_of(view.language)
    kind = _kind(view, path)
    facts = {
        "language": PHRASES.language_of(view.language),
        "merchant": one_line(view.merchant_name),
        "plan": one_line(view.plan or ""),
        "ends_on": show_day(view.ends_at, view.time_zone, locale) if view.ends_at else "",
        "again": _safe(view.return_url) if kind == "way_ended" else "",
    }
    say = PHRASES.speaker(view.language, facts)
    here = f"{root}/{path}/{token}"
    longest = LONGEST_WORDS
    html = fill("after.html.j2", root=root, **facts, say=say, kind=kind, here=here, longest=longest)
    return Page(html=html)


def _kind(view: AfterView, path: str) -> str:
    if path == "q":
        return "answered" if view.answered else "feedback"
    return {
        WayBack.OPEN: "way_back",
        WayBack.KEPT: "way_kept",
        WayBack.ENDED: "way_ended",
    }[view.way]


def _safe(url: str | None) -> str:
    try:
        return safe_link(url) if url else ""
    except UnsafeLink:
        return ""
