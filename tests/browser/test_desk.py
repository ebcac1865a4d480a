"""The operator's pages as people meet them: narrow, dark, enlarged, by keyboard, on paper."""

import pytest

from tests.browser.test_pages import LUMINANCE, TARGET

CASE = "/operator/cases/{case}"
DESK = [
    "/operator/sign-in",
    "/operator/cases",
    "/operator/cases?state=all&least=x&find=x",
    "/operator/cases?state=stopped&find=in_none",
    CASE,
    "/operator/attention",
    "/operator/declarations",
    "/operator/reasons",
    "/operator/policies",
    "/operator/policies/default/1",
    "/operator/finance?from=2025-10-01&to=2026-01-31",
    "/operator/nothing",
]


@pytest.mark.parametrize("path", DESK)
def test_nothing_reaches_beyond_the_window(opened, path):
    page = opened(path)

    for width in (320, 768, 1280):
        page.set_viewport_size({"width": width, "height": 800})

        assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0, width


@pytest.mark.parametrize("path", DESK)
def test_in_the_dark_it_is_dark(opened, path):
    page = opened(path, scheme="dark")

    colors = page.evaluate(
        "[getComputedStyle(document.body).backgroundColor,"
        " getComputedStyle(document.querySelector('h1')).color]"
    )
    ground, ink = (page.evaluate(f"({LUMINANCE})('{color}')") for color in colors)
    assert ground < 0.05
    assert (ink + 0.05) / (ground + 0.05) >= 7


@pytest.mark.parametrize("path", DESK)
def test_what_is_pressed_is_large_enough_for_a_thumb(opened, path):
    page = opened(path, width=320)

    for target in page.locator("a:visible, button:visible, summary:visible").all():
        box = target.bounding_box()
        assert box
        small = min(box["width"], box["height"]) < TARGET
        assert not small or "To the content" in target.inner_text(), target.inner_text()


def test_the_desk_can_be_used_by_keyboard_alone(opened, site):
    page = opened("/operator/cases")

    page.keyboard.press("Tab")
    first = page.evaluate("document.activeElement.textContent.trim()")
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    inside = page.evaluate("document.activeElement.closest('main') !== null")
    ring = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")

    assert first == "To the content"
    assert inside
    assert ring == "solid"


def test_the_desk_works_without_javascript(opened, site):
    page = opened("/operator/cases", java_script_enabled=False)

    page.get_by_role("link", name="Ada Brandt").click()
    page.get_by_text("Move to another policy").first.click()
    page.get_by_label("Policy version").fill("nothing@7")
    page.get_by_role("button", name="Move to another policy").click()

    assert "Nothing was changed." in page.get_by_role("alert").inner_text()


def by_keyboard(page, command):
    """Opens a command and presses its button, with no mouse; what it said before."""
    page.locator("summary", has_text=command).focus()
    page.keyboard.press("Enter")
    told = page.locator("details[open] form").inner_text()
    for _ in range(20):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.matches('details[open] button')"):
            break
    page.keyboard.press("Enter")
    page.wait_for_selector("[role=status]")
    return told


def test_a_case_is_held_and_released_with_the_keyboard_alone(opened, site):
    page = opened(CASE)

    told = by_keyboard(page, "Put on hold")
    held = page.get_by_role("status").inner_text()
    by_keyboard(page, "Release")
    released = page.get_by_role("status").inner_text()

    assert "Nothing is charged, nobody is written to and nothing ends" in told
    assert held == "The case is on hold."
    assert released == "The case goes on."


def test_a_letter_is_seen_in_its_frame(opened, site):
    page = opened(CASE)

    page.locator("[aria-labelledby=letters] a").first.click()
    letter = page.frame_locator("iframe.letter")

    assert "49" in letter.locator("body").inner_text()


def test_who_comes_by_a_link_of_another_site_is_one_click_away(opened, site):
    page = opened("/operator/cases")

    page.set_content(f"<a href='{site.desk}/operator/attention'>from elsewhere</a>")
    page.goto("data:text/html,<a href='" + site.desk + "/operator/attention'>from elsewhere</a>")
    page.click("a")
    page.get_by_role("link", name="Go on to the page").click()

    assert page.get_by_role("heading", level=1).inner_text() == "Attention"


def test_text_twice_as_large_still_fits(opened):
    page = opened(CASE, width=640)

    page.evaluate("document.documentElement.style.fontSize = '200%'")

    assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0


def test_on_paper_there_is_the_case_and_nothing_to_press(opened):
    page = opened(CASE)

    page.emulate_media(media="print")

    assert page.get_by_role("heading", level=1).is_visible()
    assert page.locator("nav:visible, button:visible").count() == 0


def test_on_paper_the_dashboard_opens_its_tables_and_says_what_its_words_mean(opened):
    page = opened("/operator/finance?from=2025-10-01&to=2026-01-31", width=700)
    kept = page.locator("table.figures, dl.meanings")
    folded = [one.is_visible() for one in kept.all()]

    page.emulate_media(media="print")

    assert len(folded) > 10
    assert not any(folded)
    assert all(one.is_visible() for one in kept.all())
    assert page.locator("form:visible, button:visible").count() == 0
    assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
