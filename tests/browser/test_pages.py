"""Pages and letters as people meet them: narrow, dark, enlarged, by keyboard, without a script."""

import pytest

from tests.browser.conftest import all_letters, all_pages
from tests.pages.town import TOKEN

LOOKS = [f"/look/page/{name}" for name in all_pages()] + [
    f"/look/letter/{name}" for name in all_letters()
]
PAY = f"/p/{TOKEN}"
TARGET = 24  # CSS pixels: WCAG 2.2, 2.5.8
LUMINANCE = """(color) => {
  const [r, g, b] = color.match(/[0-9.]+/g).slice(0, 3).map(v => {
    const c = v / 255; return c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4; });
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}"""


@pytest.mark.parametrize("path", [*LOOKS, "/demo/mailbox"])
def test_nothing_reaches_beyond_the_window(opened, path):
    page = opened(path)

    for width in (320, 768, 1280):
        page.set_viewport_size({"width": width, "height": 800})

        beyond = page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
        assert beyond <= 0, width


@pytest.mark.parametrize("path", LOOKS)
def test_in_the_dark_it_is_dark(opened, path):
    page = opened(path, scheme="dark")

    colors = page.evaluate(
        "[getComputedStyle(document.body).backgroundColor,"
        " getComputedStyle(document.querySelector('h1')).color]"
    )
    ground, ink = (page.evaluate(f"({LUMINANCE})('{color}')") for color in colors)
    assert ground < 0.05
    assert (ink + 0.05) / (ground + 0.05) >= 7


@pytest.mark.parametrize("path", [f"/look/page/{name}" for name in all_pages()])
def test_what_is_pressed_is_large_enough_for_a_thumb(opened, path):
    page = opened(path, width=320)

    for target in page.locator("a, button").all():
        box = target.bounding_box()
        assert box
        assert min(box["width"], box["height"]) >= TARGET


def test_the_page_can_be_used_by_keyboard_alone(opened, site):
    page = opened(PAY)

    page.keyboard.press("Tab")
    focused = page.evaluate("document.activeElement.textContent.trim()")
    ring = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    page.keyboard.press("Enter")
    page.wait_for_url(f"{site.provider}/c/1")

    assert focused == "Enter a card"
    assert ring == "solid"
    assert page.title() == "Provider"


def test_the_page_works_without_javascript(opened, site):
    page = opened(PAY, width=320, java_script_enabled=False)

    page.get_by_role("button", name="Enter a card").click()
    page.wait_for_url(f"{site.provider}/c/1")

    assert page.title() == "Provider"


def test_a_page_asks_nobody_else_for_anything(opened, site):
    page = opened("/demo/mailbox")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))

    page.goto(site.url + PAY)

    assert asked
    assert all(url.startswith(site.url) for url in asked)


def test_text_twice_as_large_still_fits(opened):
    page = opened(PAY, width=640)

    page.evaluate("document.documentElement.style.fontSize = '200%'")

    assert page.evaluate("document.documentElement.scrollWidth - window.innerWidth") <= 0


def test_a_mail_of_the_mailbox_shows_its_letter(opened):
    page = opened("/demo/mailbox")

    page.locator(".mails a").first.click()
    letter = page.frame_locator("iframe.letter")

    assert letter.locator("h1").inner_text()
    assert page.locator("iframe.letter").get_attribute("sandbox") == (
        "allow-popups allow-popups-to-escape-sandbox"
    )
