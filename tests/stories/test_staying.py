"""An offer that is accepted on the way out: applied for real, once, and never after the word."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from app.domain.evidence import Evidence, EvidenceKind
from app.domain.redemptions import Redemption
from app.domain.sessions import CancelSession, SessionState
from app.services.alarms import pause_account
from tests.stories.cards import APPROVES
from tests.stories.leaving import Door, Leaver, open_door
from tests.stories.stage import PRICE, Stage

pytestmark = pytest.mark.anyio
FLOW: dict[str, Any] = {
    "place": "DE",
    "steps": [
        {"id": "why", "kind": "survey"},
        {
            "id": "half",
            "kind": "offer",
            "when": {"reasons": ["too_expensive"]},
            "offer": {"kind": "discount", "percent": 50, "months": 3},
        },
        {"id": "confirm", "kind": "confirm"},
        {"id": "done", "kind": "success"},
    ],
}


@pytest.fixture
async def door(stage: Stage) -> AsyncIterator[Door]:
    opened = await open_door(stage)
    async with opened.client:
        put = await opened.asks("PUT", "/v1/cancel-flows/default", opened.backend(), FLOW)
        assert put.status_code == 200, put.text
        path = "/v1/cancel-flows/default/publish"
        done = await opened.asks("POST", path, opened.backend(), {"version": 1})
        assert done.status_code == 200, done.text
        yield opened


async def asked(door: Door, reason: str = "too_expensive", **told: Any) -> Leaver:
    """Somebody who has said why."""
    leaver = await door.opens(await door.stage.subscriber(APPROVES, **told))
    await leaver.does("answer", step="why", reason=reason)
    return leaver


async def accepts(leaver: Leaver, key: str = "k") -> tuple[int, Any]:
    answer = await leaver.asks("accept", {"step": "half"}, **{"Idempotency-Key": key})
    return answer.status_code, answer.json()


async def test_a_reason_leads_to_its_offer_and_who_accepts_it_stays(door: Door) -> None:
    stage = door.stage
    leaver = await asked(door)
    assert (leaver.step, leaver.seen["may"][:4]) == (
        "half",
        ["confirm", "accept", "decline", "close"],
    )

    status, shown = await accepts(leaver)
    await stage.passes(days=31)

    (session,) = await stage.find(CancelSession)
    charges = stage.there("charges", customer=session.customer_id)["data"]
    assert (status, shown["state"]) == (200, "saved")
    assert charges[0]["amount"] == PRICE // 2


async def test_nothing_is_offered_or_applied_while_the_account_is_paused(door: Door) -> None:
    # given an offer that is shown when its account is paused, and somebody who comes later
    stage = door.stage
    leaver = await asked(door)
    await pause_account(
        stage.world, stage.merchant.merchant_id, stage.account.account_id, "the operator"
    )

    status, _ = await accepts(leaver)
    later = await asked(door)

    # then nothing is applied, and to leave is possible
    assert (status, later.step) == (409, "confirm")
    assert await stage.find(Redemption) == []
    assert (await leaver.leaves())["state"] == "standing"


async def test_two_tabs_and_a_double_click_give_one_coupon(door: Door) -> None:
    stage = door.stage
    leaver = await asked(door)

    first, second = await accepts(leaver, "a"), await accepts(leaver, "b")

    (session,) = await stage.find(CancelSession)
    there = stage.there(f"subscriptions/{session.subscription_id}")
    assert first[1] == second[1]
    assert len(await stage.find(Redemption)) == 1
    assert len(there["discounts"]) == 1


async def test_nothing_is_accepted_after_the_word_and_no_word_after_an_offer(door: Door) -> None:
    stage = door.stage
    gone, kept = await asked(door), await asked(door)
    await gone.leaves()
    await accepts(kept)

    late, word = await accepts(gone), await kept.says()

    assert (late[0], word.status_code) == (409, 409)
    assert len(await stage.find(Redemption)) == 1


async def test_who_declines_goes_on_and_is_not_asked_again(door: Door) -> None:
    leaver = await asked(door)

    await leaver.does("decline", step="half")
    await leaver.does("answer", step="why", reason="too_expensive")

    assert leaver.step == "confirm"
    assert (await leaver.leaves())["state"] == "standing"


async def test_what_was_turned_down_is_not_offered_again_for_half_a_year(door: Door) -> None:
    # given somebody who turned an offer down and stayed all the same
    person = await door.stage.subscriber(APPROVES)

    async def comes() -> str:
        leaver = await door.opens(person)
        shown = (await leaver.does("answer", step="why", reason="too_expensive"))["step"]["id"]
        if shown == "half":
            await leaver.does("decline", step="half")
        await leaver.does("close")
        return str(shown)

    # when they come again the next day, after five months, and after six
    seen = [await comes()]
    for days in (1, 150, 30):
        await door.stage.passes(days=days)
        seen.append(await comes())

    # then they are not asked a second time before half a year is over
    assert seen == ["half", "confirm", "confirm", "half"]


async def test_a_reason_without_an_offer_leads_to_the_end(door: Door) -> None:
    assert (await asked(door, "not_using")).step == "confirm"


async def test_an_offer_while_the_provider_is_away_is_applied_later(door: Door) -> None:
    # given a provider that goes away between the claim and its part of it
    stage = door.stage
    leaver = await asked(door)

    async def goes() -> None:
        stage.fuse.away = True

    stage.fuse.arm(10, goes)
    status, shown = await accepts(leaver)
    stage.fuse.away = False

    # when it is back
    await stage.passes(hours=1)

    # then the offer was applied once, and told of as it was, though nobody looked
    (session,) = await stage.find(CancelSession)
    assert (status, shown["state"]) == (202, "applying")
    assert session.state is SessionState.SAVED
    told = [line.kind for line in await stage.find(Evidence)]
    assert told.count(EvidenceKind.OFFER_APPLIED) == 1
    assert (await leaver.looks())["state"] == "saved"
    there = stage.there(f"subscriptions/{session.subscription_id}")
    assert len(there["discounts"]) == 1


async def test_the_page_without_a_script_accepts_the_same_and_once(door: Door) -> None:
    leaver = await asked(door)
    door.client.follow_redirects = True
    here = f"/c/{leaver.seen['token']}"
    offer = await door.client.get(here)

    first = await door.client.post(f"{here}/accept", data={"step": "half"})
    again = await door.client.post(f"{here}/accept", data={"step": "half"})
    late = await door.client.post(f"{here}/confirm", data={})

    assert offer.text.index("Cancel now") < offer.text.index("Accept the offer")
    assert "Thank you for staying" in first.text
    assert first.text == again.text == late.text
    assert len(await door.stage.find(Redemption)) == 1


@pytest.mark.parametrize(
    ("offer", "link", "says"),
    [
        pytest.param(
            {"kind": "contact", "url": "https://kelp.example/talk?a=1"},
            {"label": "Get in touch", "url": "https://kelp.example/talk?a=1"},
            "Kelp is glad to talk about it.",
            id="a person at an address",
        ),
        pytest.param(
            {"kind": "contact"}, None, "Somebody at Kelp gets in touch", id="a person who calls"
        ),
        pytest.param(
            {"kind": "redirect", "url": "https://kelp.example/help"},
            {"label": "Open the page", "url": "https://kelp.example/help"},
            "Kelp has something for you.",
            id="a page",
        ),
        pytest.param(
            {"kind": "redirect", "url": 'https://kelp.example/über/"onclick="x'},
            {
                "label": "Open the page",
                "url": "https://kelp.example/%C3%BCber/%22onclick=%22x",
            },
            "Kelp has something for you.",
            id="a page beyond ASCII that would break out",
        ),
        pytest.param({"kind": "custom", "name": "call"}, None, "takes care of it", id="their own"),
    ],
)
async def test_what_is_kept_elsewhere_leads_there_on_screen_and_page(
    door: Door, offer: dict[str, Any], link: dict[str, str] | None, says: str
) -> None:
    step = {"id": "half", "kind": "offer", "offer": offer}
    await publishes(door, 1, steps=[step if one["id"] == "half" else one for one in FLOW["steps"]])
    leaver = await asked(door)

    _, shown = await accepts(leaver)
    page = await door.client.get(f"/c/{leaver.seen['token']}")

    assert (shown["state"], shown["screen"]["link"]) == ("saved", link)
    assert says in " ".join(shown["screen"]["says"])
    assert says in page.text
    assert "The offer is applied" not in page.text
    href = f'href="{link["url"]}" target="_blank" rel="noopener noreferrer"' if link else "onclick"
    assert (href in page.text) is (link is not None)


async def publishes(door: Door, before: int, **flow: Any) -> None:
    """The merchant's next version."""
    path, newest = "/v1/cancel-flows/default", {"If-Match": f'"{before}"'}
    put = await door.asks("PUT", path, door.backend() | newest, FLOW | flow)
    assert put.status_code == 200, put.text
    version = {"version": before + 1}
    done = await door.asks("POST", f"{path}/publish", door.backend(), version)
    assert done.status_code == 200, done.text


async def test_nobody_is_offered_more_than_the_flow_lets_one_customer_have(door: Door) -> None:
    # given an offer that costs half of three months, and flows that allow a little less or that
    await publishes(door, 1, lifetime_budget_minor={"usd": PRICE * 3 // 2 - 1})
    over = await asked(door)
    await publishes(door, 2, lifetime_budget_minor={"usd": PRICE * 3 // 2, "eur": 1})
    within = await asked(door)

    assert (over.step, within.step) == ("confirm", "half")


async def test_what_came_of_a_talk_is_reported_once_by_the_merchants_backend(door: Door) -> None:
    # given two who accepted a talk, and one who accepted a discount
    stage = door.stage
    kept_here = await asked(door)
    await accepts(kept_here)
    talk = {"id": "half", "kind": "offer", "offer": {"kind": "contact"}}
    steps = [step if step["id"] != "half" else talk for step in FLOW["steps"]]
    await publishes(door, 1, steps=steps)
    stays, goes = await asked(door), await asked(door)
    for leaver in (stays, goes):
        assert (await accepts(leaver))[1]["state"] == "saved"

    async def reports(leaver: Leaver, kept: object, **headers: str) -> tuple[int, Any]:
        path = f"/v1/cancel-sessions/{leaver.seen['id']}/outcome"
        who = headers or door.backend()
        answer = await door.asks("POST", path, who, {"kept": kept})
        return answer.status_code, answer.json()

    # when the backend reports what came of each, and others try
    first, again = await reports(stays, True), await reports(stays, True)
    failed = await reports(goes, False)
    refused = [
        await reports(stays, False),
        await reports(kept_here, True),
        await reports(goes, "maybe"),
        await reports(goes, False, **goes.headers),
        await reports(Leaver(door, {"id": "cxs_" + "0" * 32}), True),
    ]

    # then each counts once, and is told of
    assert first == again == (200, first[1])
    assert (first[1]["state"], failed[1]["state"]) == ("applied", "failed")
    assert [status for status, _ in refused] == [409, 409, 422, 401, 404]
    told = [(line.session_id, line.kind) for line in await stage.find(Evidence)]
    for leaver, kind in (
        (kept_here, EvidenceKind.OFFER_APPLIED),
        (stays, EvidenceKind.OFFER_APPLIED),
        (goes, EvidenceKind.OFFER_FAILED),
    ):
        assert told.count((leaver.seen["id"], kind)) == 1
