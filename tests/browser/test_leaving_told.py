"""Everything a way out may have, in a real browser and with real offers: what one has, what is
asked, what an offer costs; an app whose handlers fail or never answer; withdrawing."""

from typing import Any

import pytest
from playwright.sync_api import Page, Route, expect

from tests.browser.conftest import _picture
from tests.browser.leavers import Town, press, shows, told

Json = dict[str, Any]
WIDTHS = (320, 768, 1280)
OFFER = "An offer, if you would rather stay"
DONE = "Your subscription is cancelled"
CONFIRM = "Confirm the cancellation"


def to_the_offer(page: Page) -> None:
    """Answers every question."""
    shows(page, "Why are you leaving?")
    page.get_by_label("It costs too much").check()
    press(page, "Continue")
    shows(page, "What you have here")
    press(page, "Continue")
    shows(page, "What should be better?")
    page.get_by_label("What do you use instead?").fill("Dulse")
    page.get_by_label("How satisfied were you, from 0 to 10?").fill("7")
    page.get_by_label("How likely are you to come back, from 0 to 10?").fill("10")
    press(page, "Continue")
    shows(page, OFFER)


@pytest.mark.parametrize("way", ["inline", "hosted"])
def test_one_is_reminded_asked_and_told_before_one_accepts(town: Town, way: str) -> None:
    leaver = town.leaver(way="whole")
    page: Page = getattr(town, way)(leaver)
    page.get_by_label("It costs too much").check()
    press(page, "Continue")
    shows(page, "What you have here")
    _picture(page, f"leaving-{way}-have", 768, "light")
    have = page.get_by_role("definition").all_inner_texts()
    press(page, "Continue")
    shows(page, "What should be better?")
    _picture(page, f"leaving-{way}-more", 768, "light")
    page.get_by_label("What do you use instead?").fill("Dulse")
    page.get_by_label("How satisfied were you, from 0 to 10?").fill("7")
    press(page, "Continue")
    shows(page, OFFER)
    _picture(page, f"leaving-{way}-told", 768, "light")
    said = page.locator("p").all_inner_texts()
    press(page, "Accept the offer")
    shows(page, "Thank you for staying")

    assert have == ["12", "340"]
    assert "Nothing is charged now." in said
    assert any(line.startswith("The next charge is $21.00, on ") for line in said)
    assert {"answered", "offer_shown", "offer_applied"} <= set(town.evidence(leaver))


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("way", ["inline", "hosted"])
def test_what_an_offer_costs_fits_every_width(town: Town, way: str, scheme: str) -> None:
    page: Page = getattr(town, way)(town.leaver(way="whole"), scheme=scheme)
    to_the_offer(page)

    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 800})
        _picture(page, f"leaving-{way}-offer-told", width, scheme)
        assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0


def test_a_double_click_accepts_one_offer(town: Town) -> None:
    leaver = town.leaver(way="whole")
    page = town.inline(leaver)
    to_the_offer(page)

    page.get_by_role("button", name="Accept the offer").dblclick()
    shows(page, "Thank you for staying")

    assert town.evidence(leaver).count("offer_accepted") == 1
    assert ["saved", ""] in told(page)


@pytest.mark.parametrize("after", [False, True], ids=["before it arrived", "after it arrived"])
def test_an_accept_lost_on_the_way_counts_once(town: Town, after: bool) -> None:
    leaver = town.leaver(way="whole")
    page = town.inline(leaver)
    to_the_offer(page)

    def lost(route: Route) -> None:
        if after:
            route.fetch()
        route.abort("connectionreset")

    page.route("**/accept", lost, times=1)
    press(page, "Accept the offer")
    shows(page, "That did not work")
    press(page, "Try again")
    shows(page, "Thank you for staying")

    assert town.evidence(leaver).count("offer_accepted") == 1


def test_an_app_whose_handlers_fail_changes_nothing(town: Town) -> None:
    leaver = town.leaver(way="whole")
    page = town.modal(leaver, {"throws": True})
    faults: list[str] = []
    page.on("pageerror", lambda fault: faults.append(str(fault)))

    to_the_offer(page)
    press(page, "Accept the offer")
    shows(page, "Thank you for staying")

    assert town.evidence(leaver).count("offer_accepted") == 1
    assert set(faults) == {"the app's own fault"}


def test_an_app_that_never_answers_keeps_nobody(town: Town) -> None:
    leaver = town.leaver()
    page = town.contexts().new_page()
    town.pages.append(page)
    page.clock.install()
    about = town.modal_address(leaver, {"hangs": True})
    page.goto(about)
    page.click("#open")

    press(page, "Cancel now")
    press(page, CONFIRM)
    page.wait_for_function("told.some(([what]) => what === 'asked')")
    waits = page.get_by_role("heading", name=DONE).count()
    page.clock.fast_forward(31_000)
    shows(page, DONE)

    assert waits == 0
    assert ["asked", "period_end"] in told(page)
    assert town.evidence(leaver).count("cancelled") == 1


@pytest.mark.parametrize("way", ["inline", "hosted"])
def test_whoever_may_withdraws_by_a_way_of_its_own(town: Town, way: str) -> None:
    leaver = town.leaver(way="whole")
    how: Json = {"java_script_enabled": False} if way == "hosted" else {}
    page: Page = getattr(town, way)(leaver, **how)
    page.get_by_role("link", name="Withdraw from contract here").click()
    shows(page, "Withdraw from contract")
    _picture(page, f"leaving-{way}-withdraw", 768, "light")
    said = page.get_by_role("listitem").all_inner_texts()

    press(page, "Confirm withdrawal")
    shows(page, "You have withdrawn from the contract")
    _picture(page, f"leaving-{way}-withdrawn", 768, "light")

    assert "$30.00 is paid back to you." in said
    expect(page.get_by_role("link", name="Withdraw from contract here")).to_have_count(0)
    assert town.evidence(leaver).count("cancelled") == 1
