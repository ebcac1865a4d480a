"""Pages in a real browser: Debian's Chromium, and axe-core where `HOLDFAST_AXE` names its file.

`HOLDFAST_SCREENSHOTS` names a folder for pictures of what was looked at.
"""

import asyncio
import json
import os
import re
import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn
from fastapi import FastAPI, HTTPException, Request
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright
from starlette.responses import HTMLResponse, Response

from app.api.access import mine
from app.api.customer_auth import customer
from app.api.dependencies import world_of
from app.domain.languages import LANGUAGES
from app.mail.mailbox import FolderMailbox, MailboxMailer
from app.pages.afterwards import after_page
from app.pages.embed import embed_router
from app.pages.headers import LINK, page
from app.pages.mailbox import mailbox_router
from app.pages.views import Page as Told
from app.pages.views import (
    broken_page,
    done_page,
    link_page,
    unavailable_page,
    unknown_page,
)
from app.ports.world import World
from app.services.me import Asker
from app.services.payment_links import Owed
from app.services.ways_back import AfterView, WayBack
from tests.browser.leavers import Town
from tests.browser.leaving import a_service, an_app
from tests.mail.letters import HOSTILE, MESSAGES, RENDERER, a_full_letter, a_mail
from tests.pages.desk import a_desk, everything
from tests.pages.said import sayings
from tests.pages.town import NOW, At, Provider, a_town, a_view
from tests.sandbox.stand import serve

CHROMIUM = os.environ.get("HOLDFAST_CHROMIUM", "/usr/bin/chromium")
NEEDS_AXE = ("test_accessibility.py", "test_leaving_accessibility.py")
EXPECTED = re.compile(r"/favicon\.ico|status of 4\d\d .*/operator/")
LONG = "Donaudampfschifffahrtselektrizitätenhauptbetriebswerkbauunterbeamtengesellschaft"


def pytest_ignore_collect(collection_path: Path) -> bool | None:
    without_axe = not os.environ.get("HOLDFAST_AXE")
    return True if collection_path.name in NEEDS_AXE and without_axe else None


def all_pages() -> dict[str, Told]:
    """Every page there is, by a name that says which."""
    told = {"unknown": unknown_page("de"), "broken": broken_page("en")}
    for language in LANGUAGES:
        for status in ("open", "paid", "late", "ended", "expired", "paused"):
            paid_at = NOW if status == "paid" else None
            view = a_view(status=status, language=language, paid_at=paid_at)
            told[f"{status}-{language}"] = link_page(view, token="t")
        view = a_view(language=language)
        told[f"done-{language}"] = done_page(view, token="t")
        told[f"unavailable-{language}"] = unavailable_page(view, token="t")
        told |= _of_several(language) | _after_leaving(language)
    hostile = a_view(
        language="de",
        merchant_name=HOSTILE["script"] + LONG,
        plan=LONG + "x" * 120,
        amount_minor=1234567891,
        currency="kwd",
        needs="authenticate",
        reason_key="authentication",
    )
    return told | {"hostile": link_page(hostile, token="t")}


def _of_several(language: str) -> dict[str, Told]:
    """Several invoices at once, and what is said after our end."""
    owed = tuple(
        Owed(invoice_number=f"KW-014{n}", plan="Team", amount_minor=2900, currency="eur")
        for n in range(3)
    )
    ended = {"language": language, "after_end": True, "restart_to": "billing@example.com"}
    views = {
        "open-several": a_view(language=language, owed=owed, amount_minor=8700),
        "confirm-several": a_view(language=language, owed=owed, needs="authenticate"),
        "late-several": a_view(status="late", needs="pay", owed=owed, **ended),
        "paid-after-end": a_view(status="paid", paid_at=NOW, **ended),
    }
    return {f"{name}-{language}": link_page(view, token="t") for name, view in views.items()}


def _after_leaving(language: str) -> dict[str, Told]:
    """The question after leaving, and the way back, as they stand before and after."""
    asked = AfterView(
        merchant_name="Kelpworks",
        language=language,
        time_zone="Europe/Berlin",
        plan="Team",
        way=WayBack.OPEN,
        ends_at=NOW + timedelta(days=9),
        return_url="https://kelp.example/plans",
    )
    views = {
        "question": (asked, "q"),
        "answered": (replace(asked, answered=True), "q"),
        "back": (asked, "b"),
        "back-kept": (replace(asked, way=WayBack.KEPT), "b"),
        "back-ended": (replace(asked, way=WayBack.ENDED, ends_at=None), "b"),
    }
    return {
        f"{name}-{language}": after_page(view, path=path, token="t")
        for name, (view, path) in views.items()
    }


def all_letters() -> dict[str, str]:
    """Every letter there is as HTML, in all languages, and a hostile one."""
    letters = {
        f"{message}-{language}": a_full_letter(template=message, language=language)
        for message in MESSAGES
        for language in LANGUAGES
    }
    letters["hostile"] = a_full_letter(
        language="de", merchant_name=HOSTILE["script"], plan=LONG + "x" * 120
    )
    return {name: RENDERER.render(letter).html for name, letter in letters.items()}


@dataclass(frozen=True)
class Site:
    """Where the pages are served; `key` opens the desk, `case` is one with a long story."""

    url: str
    provider: str
    desk: str
    key: str
    case: str


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """The real routers on a real port, with a provider's page on another, as in life."""
    elsewhere = FastAPI()

    @elsewhere.get("/c/1")
    async def checkout() -> Response:
        return HTMLResponse("<title>Provider</title><h1>The provider's page</h1>")

    @elsewhere.get("/app")
    async def an_app(site: str, who: str = "cus_1") -> Response:
        return an_app_with_a_banner("en", at=site, who=who)

    mailbox = tmp_path_factory.mktemp("mailbox")
    with_provider = _served(elsewhere)
    provider = next(with_provider)
    with ThreadPoolExecutor() as aside:  # playwright's own loop runs in this thread
        app = aside.submit(lambda: asyncio.run(_site(mailbox, f"{provider}/c/1"))).result()
        desk = aside.submit(lambda: asyncio.run(a_desk(*everything(), *sayings()))).result()
    served, at_desk = _served(app), _served(desk.app)
    yield Site(next(served), provider, next(at_desk), desk.secret, desk.case.case_id)
    next(at_desk, None)
    next(served, None)
    next(with_provider, None)


async def _site(mailbox: Path, checkout: str) -> FastAPI:
    town = await a_town(
        provider=Provider(page=checkout),
        case={"subscription_id": "sub_1", "opened_at": NOW - timedelta(days=9)},
    )
    app = town.app
    _with_banner(app, town.world)
    pages, letters = all_pages(), all_letters()
    mailer = MailboxMailer(mailbox, clock=At())
    for number, language in enumerate(("en", "de") * 3):
        body = RENDERER.render(a_full_letter(template=MESSAGES[number % 5], language=language))
        await mailer.send(a_mail(message_id=f"msg_{number}", body=body, language=language))
    app.include_router(mailbox_router(FolderMailbox(mailbox)))

    @app.get("/look/page/{name}")
    async def a_page(name: str) -> Response:
        return page(pages[name].html, csp=LINK)

    @app.get("/look/letter/{name}")
    async def a_whole_letter(name: str) -> Response:
        return HTMLResponse(letters[name])

    return app


def _with_banner(app: FastAPI, world: World) -> None:
    """The banner and what it asks, for whoever brings the token `cus_1`, from any page."""

    async def anybody(request: Request, response: Response) -> Asker:
        response.headers["Access-Control-Allow-Origin"] = "*"
        if request.headers["authorization"] != "Bearer cus_1":
            raise HTTPException(401)
        return Asker(merchant_id="mer_1", account_id="acc_1", customer_id="cus_1")

    app.include_router(embed_router())
    app.include_router(mine)
    app.dependency_overrides |= {customer: anybody, world_of: lambda: world}

    @app.get("/look/banner/{language}")
    async def an_app(language: str) -> Response:
        return an_app_with_a_banner(language)


def an_app_with_a_banner(language: str, *, at: str = "", who: str = "cus_1") -> Response:
    """A page of a merchant's app, with the strictest policy under which the banner works."""
    allowed = at or "'self'"
    way = "rtl" if language == "ar" else "ltr"
    html = (
        f'<!doctype html><html lang="{language}" dir="{way}"><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width"><meta name="color-scheme"'
        f' content="light dark"><title>App</title><script type="module" src="{at}/embed/banner.js">'
        f'</script><main><h1>App</h1><holdfast-banner token="{who}"></holdfast-banner></main>'
    )
    policy = f"default-src 'none'; script-src {allowed}; connect-src {allowed}"
    return HTMLResponse(html, headers={"Content-Security-Policy": policy})


def _served(app: FastAPI) -> Iterator[str]:
    return served_at(lambda _: app)


def served_at(make: Callable[[str], FastAPI]) -> Iterator[str]:
    """Serve the app that `make` builds for its URL, until the iterator goes on."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        app = make(f"http://127.0.0.1:{listening.getsockname()[1]}")
        server = uvicorn.Server(uvicorn.Config(app, log_level="error", lifespan="off"))
        thread = threading.Thread(target=server.run, args=([listening],), daemon=True)
        listening.listen()
        thread.start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        server.should_exit = True
        thread.join(timeout=10)


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """Ends with its file: playwright's own loop runs in this thread for as long as it is open,
    and no other test could run its loop beside it."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def contexts(chromium: Browser) -> Callable[..., BrowserContext]:
    """A window's settings, made once for each kind: making one costs more than a page."""

    @cache
    def context(**options: Any) -> BrowserContext:
        return chromium.new_context(**options)

    return context


@pytest.fixture
def opened(contexts: Callable[..., BrowserContext], site: Site) -> Iterator[Callable[..., Page]]:
    """Open a path at a width, light or dark; nothing may be written to the console."""
    pages: list[Page] = []
    said: list[str] = []

    def open_it(path: str, *, width: int = 768, scheme: str = "light", **options: Any) -> Page:
        page = contexts(**options).new_page()
        pages.append(page)
        page.set_viewport_size({"width": width, "height": 800})
        page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
        page.on("console", lambda message: said.append(f"{message.text} {message.location}"))
        _goes(page, site, path)
        _picture(page, path, width, scheme)
        return page

    yield open_it
    for each in pages:
        each.close()
    # a letter names no icon, and the browser looks for one; the desk refuses with a status
    assert [words for words in said if not EXPECTED.search(words)] == []


@pytest.fixture(scope="module")
def places() -> Iterator[tuple[str, str]]:
    """The service and the app, each on a port of its own, before a sandbox."""
    with ExitStack() as closing, ExitStack() as apps:
        sandbox = closing.enter_context(serve())
        elsewhere = FastAPI()
        there = served_at(lambda _: elsewhere)
        app = next(there)
        service = served_at(lambda url: a_service(sandbox, url, app))
        url = next(service)

        @elsewhere.get("/app")
        async def shows(token: str, language: str = "en", options: str = "") -> Response:
            told = json.loads(options) if options else None
            return an_app(url, token, language=language, options=told)

        @elsewhere.get("/guide")
        async def says(html: str) -> Response:
            return HTMLResponse(html)

        apps.callback(next, there, None)
        apps.callback(next, service, None)
        yield url, app
        httpx.post(f"{url}/look/over")


@pytest.fixture
def town(
    places: tuple[str, str], contexts: Callable[..., BrowserContext], chromium: Browser
) -> Iterator[Town]:
    found = Town(*places, contexts, [])
    yield found
    for each in found.pages:
        each.close()


def _goes(page: Page, site: Site, path: str) -> None:
    """To a page; at the desk through its door, once for each window."""
    if not path.startswith("/operator"):
        page.goto(site.url + path)
        return
    page.goto(site.desk + path.replace("{case}", site.case))
    if "?next=" in page.url:
        page.fill("input[name=key]", site.key)
        page.keyboard.press("Enter")
        page.wait_for_selector("nav.places")


def _picture(page: Page, path: str, width: int, scheme: str) -> None:
    folder = os.environ.get("HOLDFAST_SCREENSHOTS")
    if folder:
        name = f"{path.strip('/').replace('/', '-')}-{width}-{scheme}.png"
        page.screenshot(path=str(Path(folder) / name), full_page=True)
