"""Every screen of leaving, at a phone's width and a desk's, as docs/cancellation.md shows them.

With `HOLDFAST_SCREENSHOTS=docs/screens` the pictures of the page are taken anew.
"""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Route

from tests.browser.leavers import press, shows
from tests.browser.test_leaving_kept import Kept, grounds
from tests.house.sources import ROOT

Json = dict[str, Any]
PLACES = {"phone": 360, "desk": 960}
NARROWEST = 200
PAGE = ROOT / "docs" / "cancellation.md"

__all__ = ["grounds"]


@pytest.fixture
def seen(
    grounds: Any, contexts: Callable[..., BrowserContext], chromium: Browser
) -> Iterator[Kept]:
    sandbox, url, app = grounds
    found = Kept.at(sandbox, url, app, contexts)
    yield found
    for each in found.town.pages:
        each.close()


def take(page: Page, name: str, place: str, scheme: str = "light") -> None:
    """A picture as high as the page is, where somebody wants it."""
    assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
    page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    high = page.evaluate("""() => {
      const dialog = document.querySelector("holdfast-cancel")?.shadowRoot?.querySelector("dialog");
      const end = (node) => node.getBoundingClientRect().bottom;
      return Math.ceil(Math.max(end(dialog || document.querySelector("main")), 0)) + 40;
    }""")
    page.set_viewport_size({"width": PLACES[place], "height": max(high, NARROWEST)})
    if folder := os.environ.get("HOLDFAST_SCREENSHOTS"):
        ending = "-dark" if scheme == "dark" else ""
        page.screenshot(path=str(Path(folder) / f"leaving-{name}-{place}{ending}.png"))


@pytest.mark.parametrize("place", PLACES)
def test_the_way_out_is_pictured(seen: Kept, place: str) -> None:
    page = seen.town.hosted(seen.stayer("discount"), width=PLACES[place])
    shows(page, "Why are you leaving?")
    take(page, "survey", place)

    press(page, "Cancel now")
    shows(page, "Cancel your subscription")
    take(page, "confirm", place)
    take(page, "confirm", place, "dark")
    press(page, "Confirm the cancellation")
    shows(page, "Your subscription is cancelled")
    take(page, "done", place)
    press(page, "Take the cancellation back")
    shows(page, "Your subscription goes on")
    take(page, "undone", place)


@pytest.mark.parametrize("place", PLACES)
def test_an_offer_is_pictured(seen: Kept, place: str) -> None:
    page = seen.town.hosted(seen.stayer("discount"), width=PLACES[place])
    press(page, "Continue")
    page.get_by_role("button", name="Accept the offer").wait_for()
    take(page, "offer", place)
    take(page, "offer", place, "dark")

    press(page, "Accept the offer")
    shows(page, "Thank you for staying")
    take(page, "saved", place)


@pytest.mark.parametrize("place", PLACES)
def test_a_payment_that_is_left_is_pictured(seen: Kept, place: str) -> None:
    stayer = seen.stayer("annual")
    seen.refuses(stayer)
    page = seen.town.hosted(stayer, width=PLACES[place])
    press(page, "Continue")
    press(page, "Accept the offer")
    shows(page, "One step is left: the payment")
    take(page, "waiting", place)


@pytest.mark.parametrize("place", PLACES)
def test_the_widget_is_pictured(seen: Kept, place: str) -> None:
    page = seen.town.inline(seen.stayer("discount"), width=PLACES[place])
    shows(page, "Why are you leaving?")
    take(page, "widget", place)

    page.route("**/preview", _lost, times=1)
    press(page, "Cancel now")
    page.get_by_role("button", name="Try again").wait_for()
    take(page, "lost", place)


def _lost(route: Route) -> None:
    route.abort("connectionreset")


def test_the_page_shows_each_picture_there_is() -> None:
    there = {path.name for path in (ROOT / "docs" / "screens").glob("leaving-*.png")}
    told = PAGE.read_text()

    assert there
    assert [name for name in sorted(there) if f"screens/{name}" not in told] == []
