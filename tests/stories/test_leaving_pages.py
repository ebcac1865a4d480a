"""Leaving without a script: the hosted page over HTTP, at the sandbox, by plain forms."""

import re
from html import unescape

import httpx
import pytest

from app.domain.cancellations import CancelRequest
from app.domain.evidence import Evidence, EvidenceKind
from app.domain.languages import LANGUAGES
from app.domain.paces import ASKS_A_MINUTE
from app.domain.sessions import CancelSession, SessionState
from app.domain.survey import SurveyAnswer
from tests.stories.cards import APPROVES, BROKE
from tests.stories.leaving import Door

pytestmark = pytest.mark.anyio


@pytest.fixture
async def door(door: Door) -> Door:
    door.client.follow_redirects = True
    return door


def heading(page: httpx.Response) -> str:
    found = re.search(r"<h1>(.*?)</h1>", page.text)
    assert found, page.text
    return unescape(found[1])


def seen(page: httpx.Response) -> str:
    body = page.text.split("<body>")[1]
    return re.sub(r"[ \n]+", " ", unescape(re.sub(r"<[^>]+>", " ", body)))


def hidden(page: httpx.Response) -> dict[str, str]:
    """What the first form of a page sends along unseen."""
    form = page.text.split("<form")[1].split("</form>")[0]
    return dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', form))


async def opened_page(door: Door, *, locale: str | None = None) -> str:
    """The path of a new customer's page, as the API names it."""
    leaver = await door.opens(await door.stage.subscriber(APPROVES, locale=locale))
    return str(leaver.seen["page"].removeprefix(door.stage.world.public_url))


async def test_two_clicks_lead_from_the_page_to_the_receipt(door: Door) -> None:
    stage, here = door.stage, await opened_page(door)
    first = await door.client.get(here)
    assert "Why are you leaving?" in heading(first)

    before = await door.client.get(f"{here}/leave")
    done = await door.client.post(f"{here}/confirm", data={"choice": "period_end"})

    (request,) = await stage.find(CancelRequest)
    assert "You can use it until Wednesday, October 21, 2026." in seen(before)
    assert "Nothing more is charged." in seen(before)
    assert heading(done) == "Your subscription is cancelled"
    assert request.request_id in seen(done)
    assert stage.there(f"subscriptions/{request.subscription_id}")["cancel_at_period_end"]


async def test_on_every_screen_one_may_leave_before_any_question(door: Door) -> None:
    here = await opened_page(door)

    survey = await door.client.get(here)
    more = await door.client.post(f"{here}/answer", data={"step": "why", "reason": "other"})
    last = await door.client.post(f"{here}/answer", data={"step": "more", "words": "Goodbye"})

    for page in (survey, more):
        assert page.text.index("Cancel now") < page.text.index("/answer")
    assert [heading(page) for page in (more, last)] == [
        "What should be better?",
        "Cancel your subscription",
    ]
    assert "Confirm the cancellation" in last.text
    kept = await door.stage.find(SurveyAnswer)
    assert {(row.reason, row.words) for row in kept} == {("other", None), (None, "Goodbye")}


async def test_the_question_of_the_chosen_reason_alone_is_kept(door: Door) -> None:
    here = await opened_page(door)
    told = {"follow_up_missing_feature": "Export", "follow_up_other": "not this"}

    await door.client.post(
        f"{here}/answer", data={"step": "why", "reason": "missing_feature"} | told
    )

    (kept,) = await door.stage.find(SurveyAnswer)
    assert (kept.reason, kept.follow_up, kept.words) == ("missing_feature", "Export", None)


async def test_looking_changes_nothing_but_the_evidence_that_it_was_shown(door: Door) -> None:
    stage, here = door.stage, await opened_page(door)
    before = await stage.find(CancelSession)

    for path in (here, f"{here}/leave", f"{here}/receipt", f"{here}/confirm", f"{here}/close"):
        await door.client.get(path)
    await door.client.head(here)

    assert await stage.find(CancelSession) == before
    assert await stage.find(CancelRequest) == []
    kinds = {line.kind for line in await stage.find(Evidence)}
    assert kinds == {EvidenceKind.STARTED, EvidenceKind.STEP_VIEWED, EvidenceKind.PREVIEWED}


async def test_pressed_twice_in_two_tabs_it_is_one_cancellation(door: Door) -> None:
    here = await opened_page(door)

    pages = [await door.client.post(f"{here}/confirm", data={}) for _ in range(2)]

    assert [heading(page) for page in pages] == ["Your subscription is cancelled"] * 2
    assert len(await door.stage.find(CancelRequest)) == 1


async def test_the_receipt_is_a_file_and_the_cancellation_can_be_taken_back(door: Door) -> None:
    here = await opened_page(door, locale="de")
    done = await door.client.post(f"{here}/confirm", data={})
    assert "Kündigung zurücknehmen" in done.text

    receipt = await door.client.get(f"{here}/receipt")
    back = await door.client.post(f"{here}/uncancel")
    again = await door.client.post(f"{here}/uncancel")

    (request,) = await door.stage.find(CancelRequest)
    assert f'filename="{request.request_id}.txt"' in receipt.headers["content-disposition"]
    assert request.request_id in receipt.text
    assert heading(back) == heading(again) == "Ihr Abonnement läuft weiter"
    assert not door.stage.there(f"subscriptions/{request.subscription_id}")["cancel_at_period_end"]


async def test_somebody_who_owes_is_told_of_both_ends_and_chooses(door: Door) -> None:
    stage = door.stage
    person = await stage.subscriber(APPROVES)
    stage.program(person.method, BROKE)
    await stage.fails(person)
    leaver = await door.opens(person)
    here = f"/c/{leaver.seen['token']}"

    both = await door.client.get(f"{here}/leave")
    done = await door.client.post(f"{here}/confirm", data={"choice": "now"})

    assert "$30.00 that is open you need not pay any more." in seen(both)
    assert "$30.00 is still to be paid." in seen(both)
    assert both.text.index("Cancel at once") < both.text.index("Cancel on Saturday")
    assert "$30.00 that is open you need not pay any more." in seen(done)
    assert "Take the cancellation back" not in done.text


async def test_whoever_stays_after_all_has_changed_nothing(door: Door) -> None:
    here = await opened_page(door)

    page = await door.client.post(f"{here}/close")

    (session,) = await door.stage.find(CancelSession)
    assert heading(page) == "Nothing was changed"
    assert session.state is SessionState.ABANDONED


async def test_a_provider_without_an_answer_is_said_and_it_may_be_tried_again(door: Door) -> None:
    here = await opened_page(door)
    door.stage.fault("timeout_before", "/v1/subscriptions/*", times=9)

    page = await door.client.get(f"{here}/leave")
    door.stage.mended()
    again = await door.client.get(f"{here}/leave")

    assert (page.status_code, page.headers["retry-after"]) == (503, "30")
    assert heading(page) == "That did not work"
    assert "Confirm the cancellation" in again.text


@pytest.mark.parametrize(
    "token", ["x", "A" * 43, "A" * 4000, "%00", "..%2f..%2fx", "🎉", "A" * 42 + "'"]
)
async def test_a_token_that_is_none_shows_nothing(door: Door, token: str) -> None:
    for method, path in (("GET", ""), ("GET", "/leave"), ("POST", "/confirm"), ("POST", "/x")):
        page = await door.client.request(method, f"/c/{token}{path}")

        assert page.status_code == 404


async def test_a_form_with_anything_in_it_is_answered(door: Door) -> None:
    here = await opened_page(door)

    for deed, form in (
        ("answer", {"step": "nowhere"}),
        ("answer", {"step": "why", "reason": "x" * 5000, "follow_up_": "\0"}),
        ("answer", {"step": "confirm", "words": "\ud83c" * 3}),
        ("decline", {"step": "why"}),
        ("confirm", {"choice": "never"}),
        ("uncancel", {}),
    ):
        data = {k: v.encode("utf-8", "replace").decode() for k, v in form.items()}
        page = await door.client.post(f"{here}/{deed}", data=data)

        assert page.status_code == 200, (deed, form)


async def test_a_name_that_is_a_script_is_only_a_name(door: Door) -> None:
    await door.stage.has(name='<script>alert("1")</script>')
    here = await opened_page(door)

    pages = [await door.client.get(here), await door.client.get(f"{here}/leave")]

    assert all("<script" not in page.text for page in pages)
    policy = pages[0].headers["content-security-policy"]
    assert "script-src" not in policy
    assert "default-src 'none'" in policy


@pytest.mark.parametrize("language", LANGUAGES)
async def test_the_page_and_the_api_say_the_same_in_every_language(
    door: Door, language: str
) -> None:
    leaver = await door.opens(await door.stage.subscriber(APPROVES, locale=language))
    here = f"/c/{leaver.seen['token']}"

    page = await door.client.get(f"{here}/leave")
    (told,) = await leaver.outlook()
    await leaver.leaves()
    screen = (await leaver.looks())["screen"]
    done = await door.client.get(here)

    assert f'<html lang="{language}">' in page.text
    assert [line for line in (*told["says"], told["label"]) if line not in seen(page)] == []
    rows = [row["value"] for row in screen["rows"]]
    told_after = [screen["heading"], *screen["says"], *rows]
    assert [line for line in told_after if line not in seen(done)] == []


async def test_who_looks_more_often_than_anybody_needs_is_asked_to_wait(door: Door) -> None:
    # given a page that was opened over the API, which counts
    here = await opened_page(door)

    pages = [await door.client.get(here) for _ in range(ASKS_A_MINUTE)]
    pressed = await door.client.post(f"{here}/confirm", data={"choice": "period_end"})

    assert [page.status_code for page in pages] == [200] * (ASKS_A_MINUTE - 1) + [429]
    assert heading(pages[-1]) == "Too often at once"
    assert here in pages[-1].text
    assert 1 <= int(pages[-1].headers["retry-after"]) <= 60
    assert pressed.status_code == 429
    assert not await door.stage.find(CancelRequest)
