"""Each offer there is, accepted in a real browser and for real: in the widget and on the page."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from playwright.sync_api import Browser, BrowserContext, Page
from starlette.responses import Response

from tests.browser.conftest import _picture, served_at
from tests.browser.leavers import PATIENCE, Town, box_of, look_of, press, shows
from tests.browser.leaving import an_app
from tests.browser.staying import KINDS, LESS, MORE, YEAR, staying_at
from tests.sandbox.stand import Served, serve

Json = dict[str, Any]
WIDTHS = (320, 768, 1280)
WIDTH_OF = {kind: WIDTHS[n % 3] for n, kind in enumerate(KINDS)}
# What is kept elsewhere changes nothing at the provider.
ELSEWHERE = frozenset({"contact", "redirect", "custom"})
WAYS_ON = {"contact": "Get in touch", "redirect": "Open the page"}


@dataclass
class Kept:
    """The town, and the sandbox that knows what became of a subscription."""

    town: Town
    sandbox: Served

    @classmethod
    def at(
        cls, sandbox: Served, url: str, app: str, contexts: Callable[..., BrowserContext]
    ) -> "Kept":
        """The town of a service at `url` and an app elsewhere."""
        return cls(Town(url, app, contexts, []), sandbox)

    def stayer(self, kind: str) -> Json:
        answer = httpx.get(f"{self.town.url}/look/stayer/{kind}", timeout=PATIENCE)
        assert answer.status_code == 200, answer.text
        made: Json = answer.json()
        return made

    def evidence(self, stayer: Json) -> list[str]:
        kinds: list[str] = httpx.get(f"{self.town.url}/look/kept/{stayer['id']}").json()
        return kinds

    def refuses(self, stayer: Json) -> None:
        """From now on this customer's card is short of money."""
        customer = self.sandbox.raw("GET", f"/v1/customers/{self.there(stayer)['customer']}").json()
        method = customer["invoice_settings"]["default_payment_method"]
        short = {"kind": "decline", "code": "insufficient_funds"}
        self.sandbox.control("cards", {"payment_method": method, "behaviour": short})

    def there(self, stayer: Json) -> Json:
        """The subscription as the provider has it."""
        path = f"/v1/subscriptions/{stayer['subscription']}"
        found: Json = self.sandbox.raw("GET", path).json()
        return found


@pytest.fixture(scope="module")
def grounds() -> Iterator[tuple[Served, str, str]]:
    with ExitStack() as closing, ExitStack() as apps:
        sandbox = closing.enter_context(serve())
        elsewhere = FastAPI()
        there = served_at(lambda _: elsewhere)
        app = next(there)
        service = staying_at(sandbox, served_at, app)
        url = next(service)

        @elsewhere.get("/app")
        async def shows_it(token: str, language: str = "en") -> Response:
            return an_app(url, token, language=language)

        apps.callback(next, there, None)
        apps.callback(next, service, None)
        yield sandbox, url, app
        httpx.post(f"{url}/look/over")


@pytest.fixture
def kept(
    grounds: tuple[Served, str, str],
    contexts: Callable[..., BrowserContext],
    chromium: Browser,
) -> Iterator[Kept]:
    sandbox, url, app = grounds
    found = Kept.at(sandbox, url, app, contexts)
    yield found
    for each in found.town.pages:
        each.close()


def what_became(kind: str, there: Json) -> bool:
    """Whether the provider shows what the offer promised."""
    item = there["items"]["data"][0]
    shown: dict[str, Callable[[], bool]] = {
        "discount": lambda: len(there["discounts"]) == 1,
        "pause": lambda: there["status"] in {"active", "paused"},
        "downgrade": lambda: there["schedule"] is not None or _price(item) == LESS,
        "annual": lambda: _price(item) == YEAR,
        "trial_extension": lambda: there["trial_end"] - there["trial_start"] == 21 * 86_400,
        "credit": lambda: _price(item) == 3000,
        "upgrade": lambda: _price(item) == MORE,
        "seats": lambda: there["schedule"] is not None or item["quantity"] == 2,
    }
    return shown.get(kind, lambda: _price(item) == 3000)()


def _price(item: Json) -> int:
    return int(item["price"]["unit_amount"])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("way", ["inline", "hosted"])
def test_who_accepts_an_offer_gets_it_and_stays(kept: Kept, way: str, kind: str) -> None:
    stayer, width = kept.stayer(kind), WIDTH_OF[kind]
    how: Json = {"java_script_enabled": False} if way == "hosted" else {}
    page: Page = getattr(kept.town, way)(stayer, width=width, **how)
    press(page, "Continue")
    accept = page.get_by_role("button", name="Accept the offer")
    accept.wait_for()
    _picture(page, f"leaving-{way}-offer-{kind}", width, "light")

    accept.click()
    shows(page, "Thank you" if kind in ELSEWHERE else "Thank you for staying")
    if kind in WAYS_ON:
        onward = page.get_by_role("link", name=WAYS_ON[kind])
        assert onward.get_attribute("href") == f"https://kelp.example/{kind}"
        assert onward.get_attribute("rel") == "noopener noreferrer"
    _picture(page, f"leaving-{way}-kept-{kind}", width, "light")

    there = kept.there(stayer)
    assert there["cancel_at_period_end"] is False
    assert what_became(kind, there)
    assert kept.evidence(stayer).count("offer_accepted") == 1
    assert "cancelled" not in kept.evidence(stayer)


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("way", ["inline", "hosted"])
def test_who_cannot_pay_for_a_year_may_pay_there_or_leave_in_two_clicks(
    kept: Kept, way: str, width: int
) -> None:
    # given a year that was accepted with a card that refuses it
    stayer = kept.stayer("annual")
    kept.refuses(stayer)
    how: Json = {"java_script_enabled": False} if way == "hosted" else {}
    page: Page = getattr(kept.town, way)(stayer, width=width, **how)
    press(page, "Continue")
    press(page, "Accept the offer")
    shows(page, "One step is left: the payment")
    _picture(page, f"leaving-{way}-waiting", width, "light")
    cancel = page.get_by_role("button", name="Cancel now")
    pay = page.get_by_role("link", name="Go to the payment")
    sizes = [(box["width"], box["height"]) for box in (box_of(cancel), box_of(pay))]
    looks = [look_of(one) for one in (cancel, pay)]
    address = pay.get_attribute("href")

    # when they leave all the same
    cancel.click()
    press(page, "Confirm the cancellation")
    shows(page, "Your subscription is cancelled")

    # then it was as easy as to pay, and nobody can pay for the year any more
    there = kept.there(stayer)
    assert sizes[0] == sizes[1]
    assert looks[0] == looks[1]
    assert address is not None
    assert address.endswith(f"/c/{stayer['token']}/pay")
    assert (there["pending_update"], there["cancel_at_period_end"]) == (None, True)


def test_who_declines_it_may_still_leave_in_two_clicks(kept: Kept) -> None:
    stayer = kept.stayer("credit")
    page = kept.town.inline(stayer)
    press(page, "Continue")

    press(page, "No, thank you")
    press(page, "Confirm the cancellation")
    shows(page, "Your subscription is cancelled")

    assert kept.there(stayer)["cancel_at_period_end"] is True
