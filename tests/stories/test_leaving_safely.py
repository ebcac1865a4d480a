"""Nobody cancels for anybody else: foreign ids, tokens, pages; refused before anybody is asked."""

import pytest

from app.domain.cancellations import CancelRequest, RequestState, Source
from app.domain.sessions import CancelSession
from tests.stories.cards import APPROVES
from tests.stories.leaving import Door

pytestmark = pytest.mark.anyio


async def test_a_subscription_of_somebody_else_is_not_found_and_nobody_is_asked(
    door: Door,
) -> None:
    # given two customers of one merchant
    stage = door.stage
    mine, theirs = await stage.subscriber(APPROVES), await stage.subscriber(APPROVES)
    asked = len(stage.fuse.asked)

    # when one names the other's subscription, in whatever way
    named = {"subscription": theirs.subscription}
    by_body = await door.asks("POST", "/v1/cancel-sessions", door.token(mine), named)
    claimed = door.token(mine, subscription=mine.subscription)
    beyond = await door.asks("POST", "/v1/cancel-sessions", claimed, named)
    signed = door.token(mine, subscription=theirs.subscription)
    by_claim = await door.asks("POST", "/v1/cancel-sessions", signed, {})

    # then it is not found, and the provider never heard of it
    assert [answer.status_code for answer in (by_body, beyond, by_claim)] == [404, 404, 404]
    assert by_body.json()["detail"] == beyond.json()["detail"]
    assert len(stage.fuse.asked) == asked
    assert await stage.find(CancelSession) == []


@pytest.mark.parametrize(
    ("lasts", "issuer", "answer"),
    [
        pytest.param(900, "mine", 201, id="a quarter of an hour"),
        pytest.param(901, "mine", 401, id="longer than it takes to leave"),
        pytest.param(600, "another", 401, id="signed for another merchant"),
    ],
)
async def test_a_token_opens_a_session_for_its_merchant_and_not_for_long(
    door: Door, lasts: int, issuer: str, answer: int
) -> None:
    person, now = await door.stage.subscriber(APPROVES), int(door.stage.now.timestamp())
    whose = {"mine": door.stage.merchant.merchant_id, "another": "mer_" + "0" * 32}

    token = door.token(person, exp=now + lasts, iss=whose[issuer])
    opened = await door.asks("POST", "/v1/cancel-sessions", token, {})

    assert opened.status_code == answer


async def test_a_sessions_token_opens_no_other_session(door: Door) -> None:
    stage = door.stage
    first = await door.opens(await stage.subscriber(APPROVES))
    second_person = await stage.subscriber(APPROVES)
    second = await door.opens(second_person)
    asked = len(stage.fuse.asked)

    path = f"/v1/cancel-sessions/{second.seen['id']}"
    looked = await door.asks("GET", path, first.headers)
    said = await door.asks("POST", f"{path}/confirm", first.headers | {"Idempotency-Key": "k"}, {})
    undone = await door.asks(
        "POST", f"/v1/subscriptions/{second_person.subscription}/uncancel", first.headers
    )

    assert [answer.status_code for answer in (looked, said, undone)] == [401, 401, 404]
    assert len(stage.fuse.asked) == asked
    assert await stage.find(CancelRequest) == []


async def test_a_page_of_another_origin_gets_no_answer(door: Door) -> None:
    person = await door.stage.subscriber(APPROVES)
    leaver = await door.opens(person)

    elsewhere = leaver.headers | {"Origin": "https://evil.example"}
    path = f"/v1/cancel-sessions/{leaver.seen['id']}"
    refused = await door.asks("GET", path, elsewhere)
    own = await door.asks("GET", path, leaver.headers)
    problem = await door.asks("POST", f"{path}/decline", leaver.headers, {"step": "nothing"})

    assert (refused.status_code, "access-control-allow-origin" in refused.headers) == (403, False)
    assert own.headers["access-control-allow-origin"] == "https://app.kelp.example"
    assert (problem.status_code, problem.headers["access-control-allow-origin"]) == (
        409,
        "https://app.kelp.example",
    )


async def test_a_customer_says_nothing_of_themselves_that_nobody_signed(door: Door) -> None:
    stage = door.stage
    person = await stage.subscriber(APPROVES)
    body = {"place": "DE", "attributes": {"vip": "yes"}, "account": "acc_1"}

    await door.asks("POST", "/v1/cancel-sessions", door.token(person, place="FR"), body)

    (session,) = await stage.find(CancelSession)
    assert (session.place, session.attributes) == ("FR", None)


async def test_the_backend_opens_a_session_for_its_customer(door: Door) -> None:
    stage = door.stage
    person = await stage.subscriber(APPROVES)
    body = {"subscription": person.subscription, "attributes": {"vip": "yes"}, "place": "DE"}

    answer = await door.asks("POST", "/v1/cancel-sessions", door.backend(), body)
    resumed = await door.opens(person)

    assert answer.status_code == 201
    assert resumed.seen["id"] == answer.json()["id"]
    (session,) = await stage.find(CancelSession)
    assert (session.place, session.attributes) == ("DE", {"vip": "yes"})


async def test_after_a_cancellation_nothing_is_answered_or_kept_any_more(door: Door) -> None:
    stage = door.stage
    leaver = await door.opens(await stage.subscriber(APPROVES))
    await leaver.leaves(key="a")

    late = [
        await leaver.asks("answer", {"step": "why", "reason": "other"}),
        await leaver.asks("decline", {"step": "why"}),
        await leaver.says("now", key="b"),
    ]
    closed = await leaver.asks("close", {})

    assert [answer.status_code for answer in late] == [409, 409, 409]
    assert (closed.status_code, closed.json()["state"]) == (200, "cancelled")
    assert len(await stage.find(CancelRequest)) == 1


async def test_who_cancels_at_the_providers_portal_is_recorded_the_same(door: Door) -> None:
    # given one who cancels there, with a reason
    stage = door.stage
    person = await stage.subscriber(APPROVES)
    stage.call(
        f"subscriptions/{person.subscription}",
        cancel_at_period_end="true",
        **{"cancellation_details[feedback]": "unused"},
    )
    await stage.passes(hours=1)

    # when they open our page, and take it back by our api
    (request,) = await stage.find(CancelRequest)
    token = door.token(person)
    refused = await door.asks("POST", "/v1/cancel-sessions", token, {})
    path = f"/v1/subscriptions/{person.subscription}/uncancel"
    undone = await door.asks("POST", path, door.backend())

    # then it was a request like any other
    assert (request.source, request.state, request.feedback) == (
        Source.PROVIDER,
        RequestState.STANDING,
        "unused",
    )
    assert refused.status_code == 409
    assert undone.json()["state"] == "undone"
    assert stage.there(f"subscriptions/{person.subscription}")["cancel_at"] is None


async def test_an_end_by_cancel_at_alone_is_seen_and_taken_back_there(door: Door) -> None:
    stage = door.stage
    person = await stage.subscriber(APPROVES)
    end = stage.there(f"subscriptions/{person.subscription}")["items"]["data"][0]
    stage.call(f"subscriptions/{person.subscription}", cancel_at=end["current_period_end"])
    await stage.passes(hours=1)
    (asked,) = await stage.find(CancelRequest)

    stage.call(f"subscriptions/{person.subscription}", cancel_at="")
    await stage.passes(hours=1)

    (request,) = await stage.find(CancelRequest)
    assert (asked.state, request.state) == (RequestState.STANDING, RequestState.UNDONE)
