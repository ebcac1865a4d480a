"""The guide for merchants does what it says: its snippets, as they stand, let a customer leave."""

import re
from types import FunctionType, SimpleNamespace
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest

from tests.browser.leavers import Town, press, shows
from tests.house.sources import ROOT

GUIDE = (ROOT / "docs" / "cancellation.md").read_text()
SNIPPETS = re.findall(r"<!-- executed by [^>]+ -->\n```(\w+)\n(.*?)```", GUIDE, re.S)
OPENS, SIGNS, EMBEDS = (text for _, text in SNIPPETS)


def function(snippet: str, name: str) -> FunctionType:
    named: dict[str, Any] = {}
    exec(compile(snippet, "docs/cancellation.md", "exec"), named)  # noqa: S102 - our own guide
    found: FunctionType = named[name]
    return found


def test_the_snippets_are_as_short_as_promised() -> None:
    lines = [len([line for line in text.splitlines() if line]) for _, text in SNIPPETS]

    assert [most >= count for most, count in zip((10, 10, 5), lines, strict=True)] == [True] * 3


@pytest.mark.parametrize("way", ["opened by the backend", "signed for the browser"])
def test_with_the_guides_lines_a_customer_leaves(
    town: Town, way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    leaver = town.leaver()
    keys = httpx.get(f"{town.url}/look/keys").json() | {"HOLDFAST_URL": town.url}
    for name, value in keys.items():
        monkeypatch.setenv(name, value)
    if way == "opened by the backend":
        session = function(OPENS, "leaving")(leaver["subscription"], "en")
    else:
        signs = function(SIGNS, "leaving_token")
        now = float(keys["NOW"])  # the service's clock is a stepped one
        signs.__globals__["time"] = SimpleNamespace(time=lambda: now)
        token = signs(leaver["customer"], leaver["subscription"])
        session = {"token": token, "page": ""}

    html = EMBEDS.replace("https://billing.example.com", town.url)
    for name in ("token", "page"):
        html = html.replace("{{ %s }}" % name, session[name])  # noqa: UP031 - braces
    page = town.window(f"{town.app}/guide?{urlencode({'html': html})}")
    press(page, "Cancel now")
    press(page, "Confirm the cancellation")
    shows(page, "Your subscription is cancelled")

    assert town.evidence(leaver).count("cancelled") == 1
