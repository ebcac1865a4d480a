"""`/c/{token}`: to leave without a script. Looking changes nothing, pressing counts once."""

import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from fastapi import APIRouter, Request
from starlette.responses import RedirectResponse, Response

from app.domain.cancellations import Changed, Choice
from app.domain.dunning import IllegalMove
from app.domain.flows import StepKind
from app.domain.paces import Pace
from app.domain.sessions import CancelSession, SessionState
from app.domain.survey import LONGEST_WORDS
from app.pages.headers import DESK, PRIVATE, page
from app.pages.leaving_views import (
    busy_page,
    confirm_page,
    over_page,
    step_page,
    trouble_page,
    withdraw_page,
)
from app.pages.pacing import later, wait_of
from app.pages.views import Page
from app.ports.payments import AccountRefused, ProviderRefused, ProviderUnavailable
from app.ports.store import Conflict, StoreUnavailable
from app.ports.world import World
from app.services import (
    accepting,
    cancel_letters,
    cancel_sessions,
    cancel_telling,
    cancelling,
    withdrawing,
)
from app.services.cancel_sessions import NotAsked, Said
from app.services.exits import UnknownSession, session_of
from app.services.redemptions import OfferRefused
from app.words.links import UnsafeLink, safe_link

RETRY_AFTER_SECONDS = 30
NO_ANSWER = (
    ProviderUnavailable, ProviderRefused, AccountRefused, StoreUnavailable, Conflict, UnsafeLink,
)  # fmt: skip
OVER = (UnknownSession, cancel_telling.UnknownRequest, cancel_letters.UnknownReceipt)
REFUSED = (IllegalMove, NotAsked, OfferRefused)
Form = Mapping[str, str]
OF_TEN = re.compile(r"10|[0-9]", re.ASCII)
TOKEN = re.compile(r"[0-9A-Za-z_-]{43}")
Shown = Callable[[World, CancelSession], Awaitable[Page | Response]]
Done = Callable[[World, CancelSession, Form], Awaitable[object]]


async def _answer(world: World, session: CancelSession, form: Form) -> object:
    reason = form.get("reason") or None
    said = Said(
        reason=reason,
        follow_up=_words(form, f"follow_up_{reason}"),
        words=_words(form, "words"),
        competitor=_words(form, "competitor"),
        rating=_of_ten(form, "rating"),
        likely=_of_ten(form, "likely"),
    )
    return await cancel_sessions.answer(world, session, form.get("step", ""), said)


def _words(form: Form, name: str) -> str | None:
    return form.get(name, "").replace("\0", "").strip()[:LONGEST_WORDS] or None


def _of_ten(form: Form, name: str) -> int | None:
    """A whole number from 0 to 10; nothing else was answered."""
    said = form.get(name, "").strip()
    return int(said) if OF_TEN.fullmatch(said) else None


async def _decline(world: World, session: CancelSession, form: Form) -> object:
    return await cancel_sessions.decline(world, session, form.get("step", ""))


async def _accept(world: World, session: CancelSession, form: Form) -> object:
    key = f"page:{session.session_id}"
    return await accepting.accept(world, session, form.get("step", ""), key=key)


async def _confirm(world: World, session: CancelSession, form: Form) -> object:
    asked = form.get("choice")
    choice = Choice(asked) if asked in set(Choice) else None
    key, told = f"page:{session.session_id}", form.get("told") or None
    return await cancelling.confirm(world, session, choice, key=key, told=told)


async def _close(world: World, session: CancelSession, form: Form) -> object:
    return await cancel_sessions.close(world, session)


async def _uncancel(world: World, session: CancelSession, form: Form) -> object:
    whose = (session.merchant_id, session.account_id, session.subscription_id)
    return await cancel_telling.uncancel(world, *whose, actor="customer")


async def _withdraw(world: World, session: CancelSession, form: Form) -> object:
    key, told = f"page:{session.session_id}", form.get("told") or None
    return await withdrawing.withdraw(world, session, key=key, told=told)


# What may be pressed. Each leads back to the page, which then shows what came of it.
DEEDS: Mapping[str, Done] = {
    "answer": _answer,
    "accept": _accept,
    "decline": _decline,
    "confirm": _confirm,
    "close": _close,
    "uncancel": _uncancel,
    "withdraw": _withdraw,
}
ANEW = {"withdraw": "/withdraw"}  # where each tells anew what it would do by now


@dataclass(frozen=True, slots=True)
class Exit:
    """Where a customer leaves: with the world behind it and the path it stands under."""

    world: World
    root: str
    pace: Pace

    async def show(
        self, token: str, request: Request, shown: Shown, *, anew: str = "/leave"
    ) -> Response:
        """What `shown` makes of the session of a token, or why there is nothing to show. `anew` is
        where what was told otherwise is told anew."""
        accepted = request.headers.get("accept-language", "")
        try:
            known = TOKEN.fullmatch(token) is not None
            session = await session_of(self.world, token, None) if known else None
            if session is None:
                return _told(over_page(accepted, root=self.root))
            answer = self._later(session, token, accepted) or await shown(self.world, session)
        except OVER:
            answer = over_page(accepted, root=self.root)
        except Changed:
            return self.back(token, f"{anew}?changed")
        except REFUSED:
            return self.back(token)
        except NO_ANSWER:
            answer = trouble_page(accepted, token=token, root=self.root)
        return _told(answer) if isinstance(answer, Page) else answer

    def _later(self, session: CancelSession, token: str, accepted: str) -> Response | None:
        """The page that asks to wait: each look asks the provider several times."""
        wait = wait_of(self.pace, (session.account_id, session.customer_id))
        told = busy_page(accepted, token=token, root=self.root)
        return later(told, wait, csp=DESK) if wait else None

    async def step(self, token: str, request: Request) -> Response:
        """The screen the session is at."""
        accepted = request.headers.get("accept-language", "")

        async def shown(world: World, session: CancelSession) -> Page:
            view = await cancel_sessions.show(world, session)
            if view.overtaken:
                return over_page(accepted, root=self.root)
            if view.session.state is SessionState.OPEN and view.step.kind is StepKind.CONFIRM:
                seen = await cancelling.outlook(world, session)
                return confirm_page(view, seen, token=token, root=self.root)
            return step_page(view, token=token, root=self.root)

        return await self.show(token, request, shown)

    async def leave(self, token: str, request: Request) -> Response:
        """What leaving would do, and the button. Notes as evidence that it was shown."""

        async def shown(world: World, session: CancelSession) -> Page:
            seen = await cancelling.outlook(world, session)
            view = await cancel_sessions.show(world, session)
            changed = "changed" in request.query_params
            return confirm_page(view, seen, token=token, root=self.root, changed=changed)

        return await self.show(token, request, shown)

    async def withdraw(self, token: str, request: Request) -> Response:
        """What withdrawing from the contract would do, and the button."""

        async def shown(world: World, session: CancelSession) -> Page:
            told = await withdrawing.look(world, session)
            view = await cancel_sessions.show(world, session)
            changed = "changed" in request.query_params
            return withdraw_page(view, told, token=token, root=self.root, changed=changed)

        return await self.show(token, request, shown)

    async def pay(self, token: str, request: Request) -> Response:
        """To the provider's page where an accepted offer is paid for. Changes nothing."""

        async def shown(world: World, session: CancelSession) -> Response:
            url = await accepting.pay_page(world, session)
            if url is None:
                return self.back(token)
            return RedirectResponse(safe_link(url), status_code=303, headers=dict(PRIVATE))

        return await self.show(token, request, shown)

    async def receipt(self, token: str, request: Request) -> Response:
        """The receipt as a file."""

        async def shown(world: World, session: CancelSession) -> Response:
            told, written = await cancel_letters.receipt(world, session)
            name = f'attachment; filename="{told.request_id}.txt"'
            headers = {**PRIVATE, "Content-Disposition": name}
            return Response(written.text, media_type="text/plain", headers=headers)

        return await self.show(token, request, shown)

    async def do(self, token: str, request: Request, deed: str) -> Response:
        """Do what was pressed and show the page anew. What cannot be done any more shows why: the
        page says how things stand."""
        form = {k: v for k, v in (await request.form()).items() if isinstance(v, str)}

        async def shown(world: World, session: CancelSession) -> Response:
            await DEEDS[deed](world, session, form)
            return self.back(token)

        return await self.show(token, request, shown, anew=ANEW.get(deed, "/leave"))

    def back(self, token: str, where: str = "") -> Response:
        """To the screen the session is at now, or to what leaving would do."""
        path = f"{self.root}/c/{token}{where}"
        return RedirectResponse(path, status_code=303, headers=dict(PRIVATE))


def leaving_router(world: World, pace: Pace) -> APIRouter:
    """`/c/{token}` and what is below it. GET changes nothing: scanners follow every link. `pace`
    is that of the customers at the API, whom these pages are another way for."""
    router = APIRouter(include_in_schema=False, prefix="/c/{token}")
    here = Exit(world, urlsplit(world.public_url).path.rstrip("/"), pace)

    @router.api_route("", methods=["GET", "HEAD"])
    async def look(token: str, request: Request) -> Response:
        return await here.step(token, request)

    @router.get("/leave")
    async def leave(token: str, request: Request) -> Response:
        return await here.leave(token, request)

    @router.get("/withdraw")
    async def withdraw(token: str, request: Request) -> Response:
        return await here.withdraw(token, request)

    @router.get("/pay")
    async def pay(token: str, request: Request) -> Response:
        return await here.pay(token, request)

    @router.get("/receipt")
    async def receipt(token: str, request: Request) -> Response:
        return await here.receipt(token, request)

    @router.post("/{deed}")
    async def do(token: str, deed: str, request: Request) -> Response:
        if deed not in DEEDS:
            return _told(over_page(request.headers.get("accept-language", ""), root=here.root))
        return await here.do(token, request, deed)

    return router


def _told(told: Page) -> Response:
    response = page(told.html, status=told.status, csp=DESK)
    if told.status == 503:
        response.headers["Retry-After"] = str(RETRY_AFTER_SECONDS)
    return response
