"""Windows in which somebody leaves: the app with the widget in it, and the page without."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import httpx
from playwright.sync_api import BrowserContext, Locator, Page, expect

Json = dict[str, Any]
PATIENCE = 30.0


@dataclass
class Town:
    """A service at `url`, a merchant's app at `app`, and windows to look at them."""

    url: str
    app: str
    contexts: Callable[..., BrowserContext]
    pages: list[Page]

    def leaver(self, language: str = "en", **how: Any) -> Json:
        """Somebody new with a session open."""
        answer = httpx.get(f"{self.url}/look/leaver/{language}", params=how, timeout=PATIENCE)
        assert answer.status_code == 200, answer.text
        made: Json = answer.json()
        return made

    def evidence(self, leaver: Json) -> list[str]:
        answer = httpx.get(f"{self.url}/look/evidence/{leaver['id']}")
        assert answer.status_code == 200, answer.text
        kinds: list[str] = answer.json()
        return kinds

    def window(self, url: str, *, width: int = 768, scheme: str = "light", **how: Any) -> Page:
        page = self.contexts(**how).new_page()
        self.pages.append(page)
        page.set_viewport_size({"width": width, "height": 800})
        page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
        page.goto(url)
        return page

    def inline(self, leaver: Json, *, language: str = "en", **how: Any) -> Page:
        """The app with the widget in its page."""
        about = urlencode({"token": leaver["token"], "language": language})
        return self.window(f"{self.app}/app?{about}", **how)

    def modal(self, leaver: Json, options: Json | None = None, **how: Any) -> Page:
        """The app after its button was pressed."""
        page = self.window(self.modal_address(leaver, options), **how)
        page.click("#open")
        return page

    def modal_address(self, leaver: Json, options: Json | None = None) -> str:
        """Where the app opens the widget in a window."""
        told = {"token": leaver["token"], "options": json.dumps(options or {})}
        return f"{self.app}/app?{urlencode(told)}"

    def hosted(self, leaver: Json, path: str = "", **how: Any) -> Page:
        return self.window(f"{self.url}/c/{leaver['token']}{path}", **how)


def press(page: Page, label: str) -> None:
    page.get_by_role("button", name=label, exact=True).click()


def shows(page: Page, heading: str) -> Locator:
    found = page.get_by_role("heading", name=heading, exact=True)
    expect(found).to_be_visible()
    return found


def told(page: Page) -> list[list[str]]:
    found: list[list[str]] = page.evaluate("told")
    return found


LOOK = """node => {
  const { color, backgroundColor, fontSize, fontWeight, borderColor } = getComputedStyle(node);
  return [color, backgroundColor, fontSize, fontWeight, borderColor];
}"""


def box_of(button: Locator) -> dict[str, float]:
    box = button.bounding_box()
    assert box is not None
    return {name: box[name] for name in ("x", "y", "width", "height")}


def look_of(button: Locator) -> list[str]:
    found: list[str] = button.evaluate(LOOK)
    return found
