"""Somebody leaves in a real browser: the widget in a merchant's app, and the page without it."""

import re
from typing import Any
from urllib.parse import urlencode

import pytest
from playwright.sync_api import Page, Route, expect

from tests.browser.conftest import _picture
from tests.browser.leavers import Town, box_of, look_of, press, shows, told
from tests.browser.test_pages import TARGET

Json = dict[str, Any]
WIDTHS = (320, 768, 1280)
MOST_TABS = 10


DONE = "Your subscription is cancelled"
CONFIRM = "Confirm the cancellation"


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("way", ["inline", "modal", "hosted"])
def test_two_clicks_cancel_and_one_takes_it_back(town: Town, way: str, width: int) -> None:
    leaver = town.leaver()
    how: Json = {"java_script_enabled": False} if way == "hosted" else {}
    page: Page = getattr(town, way)(leaver, width=width, **how)
    shows(page, "Why are you leaving?")
    _picture(page, f"leaving-{way}-survey", width, "light")

    press(page, "Cancel now")
    shows(page, "Cancel your subscription")
    _picture(page, f"leaving-{way}-confirm", width, "light")
    press(page, CONFIRM)
    shows(page, DONE)
    _picture(page, f"leaving-{way}-done", width, "light")
    press(page, "Take the cancellation back")
    shows(page, "Your subscription goes on")

    assert town.evidence(leaver).count("cancelled") == 1
    assert "uncancelled" in town.evidence(leaver)


@pytest.mark.parametrize("way", ["inline", "hosted"])
def test_who_answers_comes_to_the_same_end(town: Town, way: str) -> None:
    leaver = town.leaver()
    page: Page = getattr(town, way)(leaver)

    page.get_by_label("Something I need is missing").check()
    page.get_by_label("What is missing?").fill("An export")
    press(page, "Continue")
    shows(page, "What should be better?")
    page.get_by_label("In your own words").fill("Everything")
    press(page, "Continue")
    press(page, CONFIRM)
    shows(page, DONE)

    assert {"reason_selected", "answered", "cancelled"} <= set(town.evidence(leaver))


@pytest.mark.parametrize("way", ["inline", "modal", "hosted"])
def test_who_keeps_it_has_changed_nothing(town: Town, way: str) -> None:
    leaver = town.leaver()
    page: Page = getattr(town, way)(leaver)

    press(page, "Keep the subscription")
    shows(page, "Nothing was changed")

    assert "abandoned" in town.evidence(leaver)
    assert "cancelled" not in town.evidence(leaver)


def test_who_owes_chooses_between_two_ends(town: Town) -> None:
    page = town.inline(town.leaver(owes=True))

    press(page, "Cancel now")
    shows(page, "Cancel your subscription")
    said = page.get_by_role("list").all_inner_texts()
    press(page, "Cancel at once")
    shows(page, DONE)

    assert [("$30.00" in text, "It ends at once" in text) for text in said] == [
        (True, True),
        (True, False),
    ]


def test_the_receipt_is_a_file_from_both(town: Town) -> None:
    leaver = town.leaver()
    page = town.inline(leaver)
    press(page, "Cancel now")
    press(page, CONFIRM)
    shows(page, DONE)

    with page.expect_download() as file:
        page.get_by_role("link", name="Download the receipt").click()

    assert re.fullmatch(r"cxr_\w+\.txt|\w+\.txt", file.value.suggested_filename)


def test_a_double_click_is_one_cancellation(town: Town) -> None:
    leaver = town.leaver()
    page = town.inline(leaver)
    sent: list[str] = []
    page.on("request", lambda r: sent.append(r.url) if r.url.endswith("/confirm") else None)

    press(page, "Cancel now")
    page.get_by_role("button", name=CONFIRM).dblclick()
    shows(page, DONE)

    assert len(sent) == 1
    assert town.evidence(leaver).count("cancelled") == 1


def test_what_has_changed_since_it_was_shown_is_shown_anew(town: Town) -> None:
    leaver = town.leaver()
    page = town.inline(leaver)

    def another(route: Route) -> None:
        told = route.fetch().json()
        told["choices"][0]["told"] = "0" * 16
        route.fulfill(json=told)

    page.route("**/preview", another, times=1)
    press(page, "Cancel now")
    press(page, CONFIRM)
    expect(page.get_by_text("Something has changed since you looked.")).to_be_visible()
    press(page, CONFIRM)
    shows(page, DONE)

    assert town.evidence(leaver).count("cancelled") == 1


def test_a_listener_that_throws_changes_nothing(town: Town) -> None:
    leaver = town.leaver()
    page = town.modal(leaver, {"throws": True})
    faults: list[str] = []
    page.on("pageerror", lambda fault: faults.append(str(fault)))

    press(page, "Cancel now")
    press(page, CONFIRM)
    shows(page, DONE)

    assert town.evidence(leaver).count("cancelled") == 1
    assert set(faults) == {"the app's own fault"}


def test_the_app_may_do_it_itself(town: Town) -> None:
    leaver = town.leaver()
    page = town.modal(leaver, {"replaces": True})

    press(page, "Cancel now")
    press(page, CONFIRM)
    shows(page, "Why are you leaving?")

    assert ["mine", "period_end"] in told(page)
    assert "cancelled" not in town.evidence(leaver)


def test_the_app_is_told_what_happens(town: Town) -> None:
    page = town.modal(town.leaver())

    press(page, "Cancel now")
    press(page, CONFIRM)
    shows(page, DONE)
    page.keyboard.press("Escape")
    expect(page.locator("holdfast-cancel")).to_have_count(0)

    assert told(page) == [
        ["step", "survey"],
        ["step", "confirm"],
        ["step", "done"],
        ["cancelled", ""],
        ["close", ""],
    ]
    assert page.evaluate("document.activeElement.id") == "open"


@pytest.mark.parametrize("after", [False, True], ids=["before it arrived", "after it arrived"])
def test_the_network_lost_in_the_middle_is_said_and_trying_again_counts_once(
    town: Town, after: bool
) -> None:
    leaver = town.leaver()
    page = town.inline(leaver)
    press(page, "Cancel now")
    shows(page, "Cancel your subscription")

    def lost(route: Route) -> None:
        if after:
            route.fetch()
        route.abort("connectionreset")

    page.route("**/confirm", lost, times=1)
    press(page, CONFIRM)
    shows(page, "That did not work")
    leads = page.get_by_role("link", name="Go on on a page of its own").get_attribute("href")
    _picture(page, f"leaving-lost-{after}", 768, "light")
    press(page, "Try again")
    shows(page, DONE)

    assert leads == f"{town.url}/c/{leaver['token']}"
    assert town.evidence(leaver).count("cancelled") == 1
    assert [what for what, _ in told(page)].count("error") == 1


@pytest.mark.parametrize("language", ["en", "de", "fr", "es", "zh-Hans", "ar"])
def test_without_the_service_it_says_so_and_tries_again(town: Town, language: str) -> None:
    leaver = town.leaver()
    page = town.contexts().new_page()
    town.pages.append(page)
    page.route("**/v1/cancel-sessions/**", lambda route: route.abort())
    about = urlencode({"token": leaver["token"], "language": language})
    page.goto(f"{town.app}/app?{about}")
    retry = page.locator("holdfast-cancel button")
    expect(retry).to_be_visible()

    page.unroute_all()
    retry.click()
    shows(page, "Why are you leaving?")

    assert "cancelled" not in town.evidence(leaver)


def test_without_the_script_the_link_inside_leads_to_the_page(town: Town) -> None:
    leaver = town.leaver()
    page = town.contexts().new_page()
    town.pages.append(page)
    page.route("**/holdfast.js", lambda route: route.abort())
    page.goto(f"{town.app}/app?token={leaver['token']}")

    page.get_by_role("link", name="Cancel").click()

    shows(page, "Why are you leaving?")
    assert page.url == f"{town.url}/c/{leaver['token']}"


def test_a_session_that_is_over_says_so(town: Town) -> None:
    page = town.inline({"token": "A" * 43})
    shows(page, "This page is over")

    assert page.get_by_role("button", name="Cancel now").count() == 0


# By keyboard, at every width, in every language


def tabs_to(page: Page, label: str) -> int:
    """How many tabs lead to a button; presses it."""
    for count in range(1, MOST_TABS + 1):
        page.keyboard.press("Tab")
        focused = page.evaluate(
            "(document.activeElement.shadowRoot?.activeElement ?? document.activeElement)"
            ".textContent.trim()"
        )
        if focused == label:
            page.keyboard.press("Enter")
            return count
    raise AssertionError(f"{label} is not reached")


@pytest.mark.parametrize("way", ["inline", "modal", "hosted"])
def test_by_keyboard_it_takes_at_most_ten_tabs(town: Town, way: str) -> None:
    leaver = town.leaver()
    page: Page = getattr(town, way)(leaver)
    shows(page, "Why are you leaving?")

    tabs = tabs_to(page, "Cancel now")
    heading = shows(page, "Cancel your subscription")
    focused = heading.evaluate("node => node.getRootNode().activeElement === node")
    tabs += tabs_to(page, CONFIRM)
    shows(page, DONE)

    assert tabs <= MOST_TABS
    assert focused or way == "hosted"  # a new page begins at its top by itself
    assert town.evidence(leaver).count("cancelled") == 1


def test_what_came_of_it_is_announced(town: Town) -> None:
    page = town.inline(town.leaver())

    press(page, "Cancel now")
    press(page, CONFIRM)
    shows(page, DONE)
    status = page.get_by_role("status")
    expect(status).to_have_text(DONE)

    assert status.get_attribute("aria-live") != "off"


@pytest.mark.parametrize("language", ["en", "de", "fr", "es", "zh-Hans", "ar"])
@pytest.mark.parametrize("way", ["inline", "hosted"])
def test_it_fits_every_width_in_every_language(town: Town, way: str, language: str) -> None:
    leaver = town.leaver(language)
    how: Json = {"language": language} if way == "inline" else {}
    page: Page = getattr(town, way)(leaver, **how)
    leave = page.get_by_role("button").first
    expect(leave).to_be_visible()

    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 800})
        _picture(page, f"leaving-{way}-{language}", width, "light")

        assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
        assert min(box_of(leave)["width"], box_of(leave)["height"]) >= TARGET


def test_in_an_app_elsewhere_it_asks_nobody_but_its_service(town: Town) -> None:
    page = town.inline(town.leaver())
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))

    page.reload()
    press(page, "Cancel now")
    press(page, CONFIRM)
    shows(page, DONE)

    assert [url for url in asked if not url.startswith((town.url, town.app))] == []


def test_it_takes_the_looks_of_the_app(town: Town) -> None:
    looks = {"appearance": {"button": "rgb(1, 2, 3)", "scheme": "dark"}}
    page = town.modal(town.leaver(), looks)
    leave = page.get_by_role("button", name="Cancel now")
    expect(leave).to_be_visible()

    assert look_of(leave)[1] == "rgb(1, 2, 3)"
    assert (
        page.locator("holdfast-cancel").evaluate(
            "node => getComputedStyle(node.shadowRoot.querySelector('dialog')).color"
        )
        == "rgb(230, 234, 237)"
    )


def test_the_demos_shop_embeds_it_as_a_merchant_would(town: Town) -> None:
    leaver = town.leaver()
    page = town.window(f"{town.url}/demo/shop")
    told_lines = page.locator("#told li")
    _picture(page, "shop", 768, "light")

    # the shop shows some of its people, who may have left already
    theirs = page.get_by_role("button", name="Cancel the subscription of").first
    theirs.evaluate("(button, id) => { button.value = id; }", leaver["subscription"])
    theirs.click()
    expect(page.locator("section > holdfast-cancel h2")).to_be_visible()
    _picture(page, "shop-leaving", 768, "light")
    press(page, "The same in a window")
    page.locator("dialog .pair button").first.click()
    page.locator("dialog .end button").first.click()
    expect(page.locator("dialog dl")).to_be_visible()
    expect(told_lines.last).to_contain_text("cancelled")

    assert sum("cancelled" in line for line in told_lines.all_inner_texts()) == 1
