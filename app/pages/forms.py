"""`/f/{merchant}/…`: to leave or to withdraw without signing in, by a plain form.

Looking changes nothing; submitting counts, and is answered alike whoever declares.
"""

import re
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from ipaddress import ip_address, ip_network
from urllib.parse import urlsplit

from fastapi import APIRouter, Request
from starlette.responses import RedirectResponse, Response

from app.domain.declarations import Declaration, DeclarationKind, Given, NotFilledIn, filled_in
from app.domain.ids import SHAPE
from app.domain.paces import Pace
from app.pages.forms_views import (
    Form,
    Paper,
    busy_page,
    done_page,
    form_page,
    nowhere_page,
    sum_up_page,
    unavailable_page,
)
from app.pages.headers import DESK, PRIVATE, page
from app.pages.views import Page, preferred
from app.ports.store import Conflict, StoreUnavailable
from app.ports.world import World
from app.services import declaring
from app.services.declaring import Sheet, UnknownForm
from app.words.declaring import receipt_text

ONCE = re.compile(r"[A-Za-z0-9_-]{32}")
NO_STORE = (StoreUnavailable, Conflict)
# Of one sender, and of all who declare to one merchant, in a minute.
MOST_OF_ONE, MOST_OF_ALL = 30, 300
RETRY_AFTER_SECONDS = 30

# What stands at the end of the path. German law wants one page, the rest sums up first.
FORMS: Mapping[str, Form] = {
    "kuendigen": Form(name="kuendigen", language="de"),
    "resilier": Form(name="resilier", language="fr", sums_up=True),
    "cancel": Form(name="cancel"),
    "widerrufen": Form(name="widerrufen", language="de", withdraws=True, sums_up=True),
    "retracter": Form(name="retracter", language="fr", withdraws=True, sums_up=True),
    "withdraw": Form(name="withdraw", withdraws=True, sums_up=True),
}


@dataclass(frozen=True, slots=True)
class Counter:
    """Where forms are handed out and taken in."""

    world: World
    root: str
    of_one: Pace
    of_all: Pace
    seconds: Callable[[], float]

    async def blank(self, merchant: str, name: str, request: Request) -> Response:
        """The empty form."""
        return await self._answered(merchant, name, request, None)

    async def written(self, merchant: str, name: str, once: str, request: Request) -> Response:
        """What was declared on this sheet."""
        return await self._answered(merchant, name, request, once)

    async def file(self, merchant: str, name: str, once: str, request: Request) -> Response:
        """The same as a file to keep."""
        found = await self._sheet(merchant, name, once, request)
        if isinstance(found, Page):
            return _told(found)
        row, house = found.declaration, found.merchant
        if row is None:
            raise UnknownForm(once)
        named = f'attachment; filename="{row.declaration_id}.txt"'
        text = receipt_text(row, house.time_zone, house.name, letter=found.receipt)
        headers = {**PRIVATE, "Content-Disposition": named}
        return Response(text, media_type="text/plain", headers=headers)

    async def take(self, merchant: str, name: str, request: Request) -> Response:
        """Take a form in: shown again with what is missing, summed up, or declared."""
        found = await self._sheet(merchant, name, None, request)
        if isinstance(found, Page):
            return _told(found)
        form, at = self._form(name, request), f"{self.root}/f/{merchant}/{name}"
        sent = {k: v for k, v in (await request.form()).items() if isinstance(v, str)}
        once = sent.get("once", "") if ONCE.fullmatch(sent.get("once", "")) else _new_sheet()
        given = _given(form, sent)
        paper = self._paper(found, at, once, given)
        try:
            checked = filled_in(given)
        except NotFilledIn as wrong:
            return _told(form_page(form, paper, wrong.fields))
        if "back" in sent:
            return _told(form_page(form, paper))
        if form.sums_up and "sure" not in sent:
            return _told(sum_up_page(form, replace(paper, given=checked)))
        if wait := self._wait(merchant, request):
            return _told(busy_page(form, found.merchant, root=self.root), retry_after=wait)
        try:
            row: Declaration = await declaring.declare(self.world, merchant, given, once=once)
        except NO_STORE:
            return _told(unavailable_page(form, found.merchant, root=self.root))
        return RedirectResponse(f"{at}/{row.once}", status_code=303, headers=dict(PRIVATE))

    async def _answered(
        self, merchant: str, name: str, request: Request, once: str | None
    ) -> Response:
        found = await self._sheet(merchant, name, once, request)
        if isinstance(found, Page):
            return _told(found)
        form, at = self._form(name, request), f"{self.root}/f/{merchant}/{name}"
        if found.declaration is not None:
            told = done_page(found, found.declaration, at=at, root=self.root)
            return _told(told)
        empty = _given(form, {})
        return _told(form_page(form, self._paper(found, at, _new_sheet(), empty)))

    async def _sheet(
        self, merchant: str, name: str, once: str | None, request: Request
    ) -> Sheet | Page:
        """The sheet, or the page that says why there is none."""
        language = self._form(name, request).language or "en"
        known = SHAPE.fullmatch(merchant) and name in FORMS
        if not known or (once is not None and not ONCE.fullmatch(once)):
            return nowhere_page(language, root=self.root)
        try:
            return await declaring.sheet(self.world, merchant, once)
        except UnknownForm:
            return nowhere_page(language, root=self.root)
        except NO_STORE:
            return unavailable_page(FORMS[name], None, root=self.root)

    def _paper(self, found: Sheet, at: str, once: str, given: Given) -> Paper:
        return Paper(house=found.merchant, at=at, once=once, given=given, root=self.root)

    def _form(self, name: str, request: Request) -> Form:
        """The form of this name, in the language of its law or in the browser's."""
        form = FORMS.get(name, FORMS["cancel"])
        spoken = request.query_params.get("language") or request.headers.get("accept-language", "")
        return form.in_language(form.language or preferred(spoken))

    def _wait(self, merchant: str, request: Request) -> float:
        """How long to wait. Who is refused uses up nothing of what all may send."""
        at, who = self.seconds(), _sender(request)
        alone = self.of_one.wait_s((merchant, who), at=at)
        return alone or self.of_all.wait_s(merchant, at=at)


def forms_router(
    world: World,
    *,
    most_of_one: int = MOST_OF_ONE,
    seconds: Callable[[], float] = time.monotonic,
) -> APIRouter:
    """The public forms of every merchant, with their receipts. `seconds` are monotonic."""
    router = APIRouter(include_in_schema=False, prefix="/f/{merchant}/{name}")
    root = urlsplit(world.public_url).path.rstrip("/")
    counter = Counter(world, root, Pace(most_of_one), Pace(MOST_OF_ALL), seconds)

    @router.api_route("", methods=["GET", "HEAD"])
    async def blank(merchant: str, name: str, request: Request) -> Response:
        return await counter.blank(merchant, name, request)

    @router.post("")
    async def take(merchant: str, name: str, request: Request) -> Response:
        return await counter.take(merchant, name, request)

    @router.get("/{once}")
    async def written(merchant: str, name: str, once: str, request: Request) -> Response:
        return await counter.written(merchant, name, once, request)

    @router.get("/{once}/file")
    async def file(merchant: str, name: str, once: str, request: Request) -> Response:
        return await counter.file(merchant, name, once, request)

    return router


def _given(form: Form, sent: Mapping[str, str]) -> Given:
    """What was sent, bounded by the form: a form to withdraw declares nothing else."""
    kind = DeclarationKind.WITHDRAWAL
    if not form.withdraws:
        extra = sent.get("kind") == DeclarationKind.EXTRAORDINARY
        kind = DeclarationKind.EXTRAORDINARY if extra else DeclarationKind.ORDINARY
    return Given(
        kind=kind,
        name=sent.get("name", ""),
        email=sent.get("email", ""),
        reference=sent.get("reference", ""),
        reason=sent.get("reason") or None,
        wished_for=(sent.get("wished_for") or None) if not form.withdraws else None,
        language=form.language or "en",
    )


def _sender(request: Request) -> str:
    """Where a form comes from. Of IPv6 the network: one household has as many addresses as it
    likes."""
    host = request.client.host if request.client else ""
    try:
        address = ip_address(host)
    except ValueError:
        return host
    if address.version == 4 or address.ipv4_mapped:
        return host
    return str(ip_network((address.packed[:8] + bytes(8), 64)))


def _new_sheet() -> str:
    return secrets.token_urlsafe(24)


def _told(told: Page, *, retry_after: float = 0) -> Response:
    response = page(told.html, status=told.status, csp=DESK)
    if told.status in {429, 503}:
        response.headers["Retry-After"] = str(max(round(retry_after), RETRY_AFTER_SECONDS))
    return response
