"""axe-core finds nothing while somebody leaves. Collected only where `HOLDFAST_AXE` is set."""

import os
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.leavers import Town, press, shows
from tests.browser.test_accessibility import RULES

WIDTHS = (320, 768, 1280)


def found(page: Page) -> dict[str, list[str]]:
    """What axe finds at every width, light and dark."""
    page.evaluate(Path(os.environ["HOLDFAST_AXE"]).read_text(encoding="utf-8") + ";0")
    violations: dict[str, list[str]] = {}
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 800})
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
            for one in page.evaluate("tags => axe.run({runOnly: tags})", RULES)["violations"]:
                where = f"{one['id']} {width} {scheme}"
                violations[where] = [node["html"] for node in one["nodes"]]
    return violations


@pytest.mark.parametrize("way", ["inline", "modal", "hosted"])
def test_axe_finds_nothing_on_any_screen(town: Town, way: str) -> None:
    page: Page = getattr(town, way)(town.leaver(), bypass_csp=True)
    shows(page, "Why are you leaving?")
    page.get_by_label("Something I need is missing").check()
    survey = found(page)

    press(page, "Cancel now")
    shows(page, "Cancel your subscription")
    confirm = found(page)
    press(page, "Confirm the cancellation")
    shows(page, "Your subscription is cancelled")
    done = found(page)

    assert (survey, confirm, done) == ({}, {}, {})


@pytest.mark.parametrize("path", ["/look/offer", "/demo/shop", f"/c/{'A' * 43}"])
def test_axe_finds_nothing_beside_it(town: Town, path: str) -> None:
    town.leaver()
    page = town.window(town.url + path, bypass_csp=True)

    assert found(page) == {}


def test_axe_finds_nothing_where_the_network_is_lost(town: Town) -> None:
    page = town.inline(town.leaver(), bypass_csp=True)
    page.route("**/preview", lambda route: route.abort())
    press(page, "Cancel now")
    expect(page.get_by_role("button", name="Try again")).to_be_visible()

    assert found(page) == {}


@pytest.mark.parametrize("name", ["kuendigen", "resilier", "withdraw"])
def test_axe_finds_nothing_on_a_public_form(town: Town, name: str) -> None:
    leaver = town.leaver()
    page = town.window(f"{town.url}/f/{leaver['merchant']}/{name}", bypass_csp=True)
    blank = found(page)

    page.get_by_role("button").click()
    expect(page.get_by_role("alert")).to_be_visible()
    wrong = found(page)

    assert (blank, wrong) == ({}, {})


@pytest.mark.parametrize("way", ["inline", "hosted"])
def test_axe_finds_nothing_where_one_is_reminded_asked_and_offered(town: Town, way: str) -> None:
    page: Page = getattr(town, way)(town.leaver(way="whole"), bypass_csp=True)
    violations = []
    for heading in ("Why are you leaving?", "What you have here", "What should be better?"):
        shows(page, heading)
        violations.append(found(page))
        press(page, "Continue")
    shows(page, "An offer, if you would rather stay")
    violations.append(found(page))

    assert violations == [{}] * 4
