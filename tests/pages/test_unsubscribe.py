"""The pages behind `List-Unsubscribe` and behind a link that asks for a card ahead of time."""

import re
from dataclasses import replace
from typing import Any

import pytest

from app.domain.correspondence import Suppression
from app.domain.languages import LANGUAGES
from app.domain.messages import Message
from app.pages.views import done_page, link_page, unsubscribe_page
from app.services.suppressions import Courtesy, UnsubscribeView
from tests.mail.letters import HOSTILE
from tests.pages.town import NOW, TOKEN, WHOSE, Town, a_town, a_view

pytestmark = pytest.mark.anyio
LINK: dict[str, Any] = {"purpose": "unsubscribe", "case_id": None, "message_id": "msg_1"}


async def a_reminded_town(template: str = "card_expiring", **link: Any) -> Town:
    """A town in which the link stands in a courtesy letter."""
    town = await a_town(link=LINK | link, customer={"email": "Ada@Example.com"})
    message = Message(
        **WHOSE,
        message_id="msg_1",
        customer_id="cus_1",
        subscription_id="sub_1",
        step="card-30:2026-12",
        template=template,
        recipient="Ada@Example.com",
        due_at=NOW,
    )
    async with town.store.transaction("mer_1") as tx:
        await tx.insert([message])
    return town


async def suppressed(town: Town) -> list[tuple[str, str]]:
    async with town.store.transaction("mer_1") as tx:
        rows = await tx.find(Suppression, where={"merchant_id": "mer_1"})
    return [(row.recipient, row.reason) for row in rows]


@pytest.mark.parametrize("method", ["get", "head"])
async def test_looking_changes_nothing(method: str) -> None:
    town = await a_reminded_town()

    answer = await getattr(town.browser, method)(f"/u/{TOKEN}")

    assert answer.status_code == 200
    assert await suppressed(town) == []


@pytest.mark.parametrize(
    ("template", "says"),
    [
        pytest.param("renewal_reminder", "No more reminders?", id="a reminder"),
        pytest.param("win_back", "about the subscription you cancelled?", id="after leaving"),
        pytest.param("exit_feedback", "about the subscription you cancelled?", id="the question"),
    ],
)
async def test_the_page_says_what_it_was_and_that_both_kinds_end(template: str, says: str) -> None:
    town = await a_reminded_town(template)

    asked = await town.browser.get(f"/u/{TOKEN}")
    done = await town.browser.post(f"/u/{TOKEN}")

    assert says in asked.text
    for page in (asked, done):
        assert "no reminders that no law requires" in page.text
        assert "nothing more about a subscription that you cancelled" in page.text


@pytest.mark.parametrize("body", [b"List-Unsubscribe=One-Click", b"", b"\xff" * 50])
async def test_one_click_unsubscribes_once(body: bytes) -> None:
    town = await a_reminded_town()

    answers = [await town.browser.post(f"/u/{TOKEN}", content=body) for _ in range(2)]

    assert {answer.status_code for answer in answers} == {200}
    assert "You are unsubscribed" in answers[0].text
    assert await suppressed(town) == [("ada@example.com", "unsubscribed")]


async def test_a_link_that_is_old_still_unsubscribes() -> None:
    town = await a_reminded_town(expires_at=NOW)

    await town.browser.post(f"/u/{TOKEN}")

    assert await suppressed(town) == [("ada@example.com", "unsubscribed")]


@pytest.mark.parametrize("token", ["nothing", "x" * 5000, "%00", "%F0%9F%98%80", "' or 1=1"])
async def test_a_token_that_never_was_is_not_found(token: str) -> None:
    town = await a_reminded_town()

    answer = await town.browser.post(f"/u/{token}")

    assert answer.status_code == 404
    assert await suppressed(town) == []


async def test_a_payment_link_does_not_unsubscribe_and_the_other_way_round() -> None:
    paying, leaving = await a_town(), await a_reminded_town()

    assert (await paying.browser.post(f"/u/{TOKEN}")).status_code == 404
    assert (await leaving.browser.get(f"/p/{TOKEN}")).status_code == 404


async def test_a_card_asked_for_ahead_of_time_is_entered_at_the_provider() -> None:
    town = await a_town(link={"purpose": "card", "case_id": None, "currency": "eur"})

    shown = await town.browser.get(f"/p/{TOKEN}")
    went = await town.browser.post(f"/p/{TOKEN}")
    done = await town.browser.get(f"/p/{TOKEN}/done")

    assert "nothing is charged now" in shown.text
    assert (went.status_code, town.provider.asked) == (303, 1)
    assert "your new card is used" in done.text
    assert [event.kind for event in await town.links_followed()] == ["went_to_provider"]


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ({"customer": {"deleted": True}}, "no longer collected"),
        ({"account": {"paused_reason": "key refused"}}, "not possible at the moment"),
    ],
)
async def test_a_card_is_asked_of_nobody_in_vain(more: dict[str, Any], says: str) -> None:
    town = await a_town(link={"purpose": "card", "case_id": None}, **more)

    shown = await town.browser.get(f"/p/{TOKEN}")
    await town.browser.post(f"/p/{TOKEN}")

    assert says in shown.text
    assert town.provider.asked == 0


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("name", ["Kelpworks", *HOSTILE.values()], ids=["golden", *HOSTILE])
def test_every_page_in_every_language_holds_any_name(language: str, name: str) -> None:
    who = UnsubscribeView(merchant_name=name, language=language)
    left = replace(who, about=Courtesy.AFTER_LEAVING)
    card = a_view(status="card", language=language, merchant_name=name)

    pages = [
        unsubscribe_page(who, token="t"),
        unsubscribe_page(left, token="t"),
        unsubscribe_page(who, token="t", done=True),
        link_page(card, token="t"),
        done_page(card, token="t"),
    ]

    for page in pages:
        assert page.status == 200
        assert f'<html lang="{language}">' in page.html
        assert not re.search(r"<script(?! src=./assets/opened)|<img|None", page.html)
        page.html.encode()
