"""What every page of the desk shares: who asks, what they may see, how an answer looks."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlsplit

from fastapi import Request
from starlette.datastructures import FormData
from starlette.responses import RedirectResponse, Response

from app.domain.merchants import Merchant, Scope
from app.pages.headers import DESK, PRIVATE, page
from app.pages.operator.sessions import Session, Sessions
from app.pages.operator.telling import Teller
from app.pages.views import fill
from app.ports.store import Conflict, StoreUnavailable
from app.ports.world import World
from app.services import api_keys, overviews
from app.services.api_keys import Caller

RETRY_AFTER_SECONDS = 5
NO_STORE = (StoreUnavailable, Conflict)
OWN = frozenset({"same-origin", "none"})  # what browsers say of requests from our own pages


class Refused(Exception):
    """This visitor gets a page that says why, and what to do next."""

    def __init__(self, status: int, heading: str, text: str) -> None:
        super().__init__(heading)
        self.status, self.heading, self.text = status, heading, text


@dataclass(frozen=True, slots=True)
class Place:
    """A page of the navigation and the scope it needs."""

    path: str
    label: str
    scope: Scope


PLACES = (
    Place("cases", "Cases", Scope.CASES_READ),
    Place("attention", "Attention", Scope.OPERATIONS_READ),
    Place("declarations", "Declarations", Scope.SESSIONS_READ),
    Place("policies", "Policies", Scope.POLICIES_READ),
    Place("reasons", "Reasons", Scope.MESSAGES_READ),
    Place("finance", "Finance", Scope.FINANCE_READ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """One request of somebody who is signed in. `form` is empty but for commands."""

    desk: "Desk"
    request: Request
    caller: Caller
    session: Session
    form: Mapping[str, str]

    @property
    def world(self) -> World:
        """The world behind the desk."""
        return self.desk.world

    @property
    def merchant_id(self) -> str:
        """Whose rows may be seen."""
        return self.caller.merchant_id

    def may(self, scope: Scope) -> bool:
        """Whether the key has a scope."""
        return scope in self.caller.scopes

    def teller(self, merchant: Merchant) -> Teller:
        """Tells in the merchant's time zone."""
        return Teller(merchant.time_zone, self.world.clock.now())

    async def page(self, template: str, *, here: str, status: int = 200, **facts: Any) -> Response:
        """A page with the way around it."""
        waits = 0
        if self.may(Scope.OPERATIONS_READ):
            waits = await overviews.how_many_wait(self.world, self.merchant_id)
        around = {
            "here": here,
            "places": [place for place in PLACES if self.may(place.scope)],
            "waits": waits,
            "token": self.session.token,
            "signed_in": True,
        }
        return self.desk.answer(template, status=status, **around, **facts)

    def go(self, path: str) -> Response:
        """To another page of the desk, after a command."""
        return self.desk.go(path)


Told = Callable[[Visit], Awaitable[Response]]


class Desk:
    """The world and the path it stands under; opens the door to who may come in."""

    def __init__(self, world: World, *, mailbox: bool = False) -> None:
        self.world = world
        self.root = urlsplit(world.public_url).path.rstrip("/")
        self.mailbox = mailbox
        self.sessions = Sessions(world, "desk")
        self.doors = Sessions(world, "door")

    async def show(self, request: Request, scope: Scope, told: Told) -> Response:
        """The page that `told` makes, for a key with `scope`."""
        return await self._answered(request, scope, told, FormData())

    async def do(self, request: Request, scope: Scope, told: Told) -> Response:
        """What `told` does with the form of one of our own pages, for a key with `scope`."""
        return await self._answered(request, scope, told, await request.form())

    async def _answered(
        self, request: Request, scope: Scope, told: Told, form: FormData
    ) -> Response:
        session = self.sessions.of(request)
        try:
            caller = await self._caller(session)
            if session is None or caller is None:
                return self.to_the_door(request)
            if request.method == "POST" and not is_ours(request, session, form):
                raise STRANGE_FORM
            if scope not in caller.scopes:
                raise _lacks(scope)
            words = {name: value for name, value in form.items() if isinstance(value, str)}
            visit = Visit(desk=self, request=request, caller=caller, session=session, form=words)
            return await told(visit)
        except Refused as refused:
            return self.refusal(refused, session)
        except NO_STORE:
            return self.refusal(BROKEN, session)

    async def _caller(self, session: Session | None) -> Caller | None:
        if session is None or session.key_id is None:
            return None
        return await api_keys.recognise(self.world, session.key_id)

    def to_the_door(self, request: Request) -> Response:
        """To the sign-in page; a look is taken up again after it."""
        if request.method != "GET":
            return self.go("sign-in")
        asked = request.url.path + (f"?{request.url.query}" if request.url.query else "")
        return self.go(f"sign-in?next={quote(asked)}")

    def go(self, path: str) -> Response:
        """To a page of the desk."""
        return RedirectResponse(f"{self.root}/operator/{path}", 303, dict(PRIVATE))

    def answer(self, template: str, *, status: int = 200, **facts: Any) -> Response:
        """A page, with the headers of the desk."""
        around = {
            "base": f"{self.root}/operator",
            "mailbox": self.mailbox,
            "signed_in": False,
            "here": "",
        }
        html = fill(f"operator/{template}.html.j2", root=self.root, **(around | facts))
        return page(html, status=status, csp=DESK)

    def refusal(self, refused: Refused, session: Session | None) -> Response:
        """A page that says why not, and what to do next."""
        facts = {"heading": refused.heading, "text": refused.text, "waits": 0, "places": PLACES}
        if session is not None:
            facts |= {"signed_in": True, "token": session.token}
        response = self.answer("refused", status=refused.status, **facts)
        if refused.status == BROKEN.status:
            response.headers["Retry-After"] = str(RETRY_AFTER_SECONDS)
        return response


def is_ours(request: Request, session: Session, form: FormData) -> bool:
    """Whether a form was sent from one of our pages of this very session: it carries the
    session's token, and no browser says that it came from elsewhere."""
    token = form.get("token", "")
    from_here = request.headers.get("sec-fetch-site", "none") in OWN
    return from_here and isinstance(token, str) and session.wrote(token)


BROKEN = Refused(
    503,
    "The database does not answer",
    "Nothing was changed by what you just did, unless the page said so. Wait a few seconds and "
    "load the page again. If it goes on, tell whoever runs the service.",
)
STRANGE_FORM = Refused(
    403,
    "This form is too old",
    "It belongs to an earlier sign-in, so nothing was done. Go back, load the page again, and "
    "press the button there.",
)
NOT_FOUND = Refused(
    404,
    "There is no such page",
    "It may have been typed wrong, or it belongs to another merchant. Go to the cases and look "
    "for it there.",
)


def _lacks(scope: Scope) -> Refused:
    return Refused(
        403,
        "Your key does not open this",
        f"This page needs an API key with the scope {scope.value}. Whoever runs the service makes "
        f"one with: holdfast keys create --scope {scope.value}. Then sign in with it.",
    )
