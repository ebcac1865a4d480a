"""Somebody is made an offer in a real browser: accepted, declined, no louder than leaving."""

from typing import Any

import pytest
from playwright.sync_api import Locator, Page, Route

from tests.browser.conftest import _picture
from tests.browser.leavers import Town, box_of, look_of, press, shows, told
from tests.browser.leaving import QUOTE
from tests.browser.test_pages import LUMINANCE

Json = dict[str, Any]
WIDTHS = (320, 768, 1280)


def with_an_offer(page: Page, *, state: str = "offer") -> list[Json]:
    """The session shows an offer; what is accepted or declined is answered and kept."""
    kept: list[Json] = []

    def answers(route: Route) -> None:
        request = route.request
        if request.url.endswith(("/accept", "/decline")) and request.method == "POST":
            sent = {"url": request.url, "body": request.post_data_json}
            kept.append(sent | {"key": request.headers.get("idempotency-key")})
            route.fulfill(json={}, headers={"Access-Control-Allow-Origin": "*"})
            return
        answer = route.fetch()
        seen = answer.json()
        taken = any(one["url"].endswith("/accept") for one in kept)
        if request.method == "GET" and "screen" in seen and not (kept and not taken):
            name = "saved" if taken else "offer"
            seen["may"] = [] if taken else ["confirm", "accept", "decline", "close"]
            seen["step"] |= {"id": "offer", "kind": "offer", "offer": QUOTE, "reasons": []}
            says = ["30 % off for three months.", "The next charge is $21.00."]
            seen["screen"] = {"name": name, "heading": name.title(), "says": says, "rows": []}
        route.fulfill(response=answer, json=seen)

    page.route("**/v1/cancel-sessions/**", answers)
    return kept


def offered(town: Town, **how: Any) -> tuple[Page, list[Json]]:
    leaver = town.leaver()
    page = town.contexts().new_page()
    town.pages.append(page)
    page.set_viewport_size({"width": how.get("width", 768), "height": 800})
    page.emulate_media(color_scheme=how.get("scheme", "light"))
    kept = with_an_offer(page)
    page.goto(f"{town.app}/app?token={leaver['token']}")
    shows(page, "Offer")
    return page, kept


def test_an_offer_is_accepted_once(town: Town) -> None:
    page, kept = offered(town)

    page.get_by_role("button", name="Accept the offer").dblclick()
    shows(page, "Saved")

    assert [(one["body"], bool(one["key"])) for one in kept] == [({"step": "offer"}, True)]
    assert ["saved", ""] in told(page)


def test_an_offer_is_declined_and_the_way_goes_on(town: Town) -> None:
    page, kept = offered(town)

    press(page, "No, thank you")
    shows(page, "Why are you leaving?")

    assert [one["body"] for one in kept] == [{"step": "offer"}]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("way", ["widget", "hosted"])
def test_to_cancel_is_as_large_clear_and_near_as_to_accept(
    town: Town, way: str, width: int, scheme: str
) -> None:
    if way == "widget":
        page, _ = offered(town, width=width, scheme=scheme)
    else:
        page = town.window(f"{town.url}/look/offer", width=width, scheme=scheme)
    _picture(page, f"leaving-{way}-offer", width, scheme)
    cancel = page.get_by_role("button", name="Cancel now")
    accept = page.get_by_role("button", name="Accept the offer")

    sizes = [(box["width"], box["height"]) for box in map(box_of, (cancel, accept))]
    looks = [look_of(button) for button in (cancel, accept)]
    order = page.evaluate(TAB_ORDER)
    assert sizes[0] == sizes[1]
    assert looks[0] == looks[1]
    assert contrast(cancel) >= 4.5
    assert all(box["y"] + box["height"] <= 800 for box in map(box_of, (cancel, accept)))
    assert order.index("Cancel now") == order.index("Accept the offer") - 1


TAB_ORDER = """() => {
  const root = document.querySelector("holdfast-cancel")?.shadowRoot || document;
  return [...root.querySelectorAll("button")].map((one) => one.textContent.trim());
}"""


def contrast(button: Locator) -> float:
    ink, ground = look_of(button)[:2]
    dim, bright = sorted(button.page.evaluate(f"({LUMINANCE})('{c}')") for c in (ink, ground))
    return float((bright + 0.05) / (dim + 0.05))
