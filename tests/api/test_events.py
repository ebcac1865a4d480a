"""Endpoints and events over the API: made, changed, read, tested, replayed, and by nobody else."""

import json
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import httpx
import pytest

from app.domain.events import EventEndpoint
from app.domain.merchants import Merchant, Scope
from app.domain.operations import AuditEntry
from app.services import event_endpoints, merchants
from tests.api.stage import NOW, Stage, open_stage, where_it_is_wrong
from tests.outgoing.receiver import Receiver, answer, open_receiver

pytestmark = pytest.mark.anyio
ENDPOINTS, EVENTS = "/v1/event-endpoints", "/v1/events"
URL = "https://hooks.example.com/holdfast"
NEVER = "end_" + "0" * 32


@pytest.fixture(scope="module")
async def running(
    migrated_database_url: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Stage]:
    """An app that may also deliver to this machine."""
    folder = tmp_path_factory.mktemp("api")
    async with open_stage(migrated_database_url, folder, events_to_localhost=True) as stage:
        yield stage


class Caller:
    """A merchant's software with a key."""

    def __init__(self, stage: Stage, merchant: Merchant, headers: dict[str, str]) -> None:
        self.stage, self.merchant, self.headers = stage, merchant, headers

    async def asks(self, method: str, path: str, body: Any = None) -> httpx.Response:
        return await self.stage.client.request(method, path, json=body, headers=self.headers)

    async def makes(self, url: str = URL, **more: Any) -> dict[str, Any]:
        response = await self.asks("POST", ENDPOINTS, {"url": url, **more})
        assert response.status_code == 201, response.text
        made: dict[str, Any] = response.json()
        return made

    async def pauses(self) -> None:
        """Something that is told: an account is paused."""
        account = await self.stage.account(self.merchant)
        await merchants.pause_account(self.stage.world, account, reason="a test", actor="test")

    async def events(self, **asked: Any) -> dict[str, Any]:
        response = await self.stage.client.get(EVENTS, params=asked, headers=self.headers)
        assert response.status_code == 200, response.text
        found: dict[str, Any] = response.json()
        return found


@pytest.fixture
async def caller(stage: Stage) -> Caller:
    merchant = await stage.merchant()
    return Caller(stage, merchant, await stage.key(merchant))


@pytest.fixture
async def stranger(stage: Stage) -> Caller:
    merchant = await stage.merchant()
    return Caller(stage, merchant, await stage.key(merchant))


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with open_receiver() as opened:
        yield opened


async def test_an_endpoint_shows_its_secret_once(caller: Caller) -> None:
    made = await caller.makes(description="billing", types=["access.changed"])

    shown = (await caller.asks("GET", f"{ENDPOINTS}/{made['id']}")).json()
    listed = (await caller.asks("GET", ENDPOINTS)).json()["endpoints"]
    assert made.pop("secret").startswith("whsec_")
    assert shown == made == listed[0]
    assert (shown["url"], shown["enabled"], shown["types"]) == (URL, True, ["access.changed"])


async def test_a_secret_is_stored_sealed_and_is_in_no_audit_line(caller: Caller) -> None:
    made = await caller.makes()
    rotated = (await caller.asks("POST", f"{ENDPOINTS}/{made['id']}/rotate-secret")).json()

    whose = {"merchant_id": caller.merchant.merchant_id}
    async with caller.stage.world.store.transaction(*whose.values()) as tx:
        lines = await tx.find(AuditEntry, where=whose, order=("at", "audit_id"))
        (endpoint,) = await tx.find(EventEndpoint, where=whose)
    kept = repr(lines) + repr(endpoint)
    assert made["secret"] != rotated["secret"]
    assert made["secret"] not in kept
    assert rotated["secret"] not in kept
    assert "secrets_sealed" not in repr(lines)
    assert {"event_endpoint.created", "event_endpoint.secret_rotated"} <= {x.action for x in lines}


async def test_an_endpoint_is_changed_and_what_is_left_out_stays(caller: Caller) -> None:
    made = await caller.makes(description="one")
    path = f"{ENDPOINTS}/{made['id']}"

    disabled = (await caller.asks("PATCH", path, {"enabled": False})).json()
    moved = (await caller.asks("PATCH", path, {"enabled": True, "url": URL + "/2"})).json()

    assert (disabled["enabled"], disabled["disabled_reason"]) == (False, "disabled by the merchant")
    assert (moved["enabled"], moved["disabled_reason"]) == (True, None)
    assert (moved["url"], moved["description"]) == (URL + "/2", "one")


async def test_a_deleted_endpoint_is_gone_with_its_secrets(caller: Caller) -> None:
    made = await caller.makes()
    path = f"{ENDPOINTS}/{made['id']}"

    deleted = await caller.asks("DELETE", path)

    after = [
        (await caller.asks(method, path + more, body)).status_code
        for method, more, body in (
            ("GET", "", None),
            ("PATCH", "", {"enabled": True}),
            ("DELETE", "", None),
            ("POST", "/test", None),
            ("POST", "/rotate-secret", None),
        )
    ]
    whose = {"merchant_id": caller.merchant.merchant_id}
    async with caller.stage.world.store.transaction(*whose.values()) as tx:
        (row,) = await tx.find(EventEndpoint, where=whose)
    assert (deleted.status_code, deleted.content) == (204, b"")
    assert after == [404] * 5
    assert row.secrets_sealed == ()


async def test_a_merchant_has_twenty_endpoints_at_most(caller: Caller) -> None:
    for _ in range(event_endpoints.MOST_ENDPOINTS):
        await caller.makes()

    response = await caller.asks("POST", ENDPOINTS, {"url": URL})

    assert (response.status_code, response.json()["type"]) == (409, "/problems/conflict")


@pytest.mark.parametrize(
    "url",
    [
        "http://hooks.example.com/",
        "https://169.254.169.254/latest/meta-data",
        "https://[fd00::1]/",
        "https://metadata.google.internal/",
        "https://user:secret@hooks.example.com/",
        "https://hooks.example.com/\r\nX: y",
        "gopher://hooks.example.com/",
        "https://hooks.example.com/" + "x" * 3000,
        "",
        "\ud800",
        7,
        None,
    ],
)
async def test_an_endpoint_is_on_the_public_internet(caller: Caller, url: Any) -> None:
    made = await caller.makes()
    response = await _raw(caller, "POST", ENDPOINTS, {"url": url})
    changed = await _raw(caller, "PATCH", f"{ENDPOINTS}/{made['id']}", {"url": url})

    assert (response.status_code, where_it_is_wrong(response)) == (422, ["body.url"])
    assert "secret@" not in response.text
    assert changed.status_code == (200 if url is None else 422)


@pytest.mark.parametrize(
    ("body", "where"),
    [
        ({}, "body.url"),
        ({"url": URL, "types": ["no.such"]}, "body.types.0"),
        ({"url": URL, "types": "access.changed"}, "body.types"),
        ({"url": URL, "types": ["access.changed"] * 100}, "body.types"),
        ({"url": URL, "description": "a\x00b"}, "body.description"),
        ({"url": URL, "description": "x" * 201}, "body.description"),
        ({"url": URL, "secret": "whsec_mine"}, "body.secret"),
        ({"url": URL, "merchant_id": "mer_x"}, "body.merchant_id"),
        ([], "body"),
    ],
)
async def test_an_endpoint_is_made_of_what_it_is_made_of(
    caller: Caller, body: Any, where: str
) -> None:
    response = await caller.asks("POST", ENDPOINTS, body)

    assert (response.status_code, where_it_is_wrong(response)) == (422, [where])


@pytest.mark.parametrize("endpoint", [NEVER, "end_1", "case_" + "0" * 32, "..", "%00", "x" * 5000])
async def test_an_endpoint_that_never_was_is_not_found(caller: Caller, endpoint: str) -> None:
    response = await caller.asks("GET", f"{ENDPOINTS}/{endpoint}")

    assert response.status_code == 404


async def test_endpoints_and_events_of_another_merchant_are_not_found_by_any_way(
    caller: Caller, stranger: Caller
) -> None:
    made = await caller.makes()
    await caller.pauses()
    (event,) = (await caller.events())["events"]
    path = f"{ENDPOINTS}/{made['id']}"

    answers = [
        await stranger.asks("GET", path),
        await stranger.asks("PATCH", path, {"url": URL}),
        await stranger.asks("DELETE", path),
        await stranger.asks("POST", f"{path}/rotate-secret"),
        await stranger.asks("POST", f"{path}/test"),
        await stranger.asks("GET", f"{EVENTS}/{event['id']}"),
        await stranger.asks("POST", f"{EVENTS}/{event['id']}/replay"),
    ]

    assert [response.status_code for response in answers] == [404] * 7
    assert (await stranger.events())["events"] == []
    assert (await stranger.asks("GET", ENDPOINTS)).json()["endpoints"] == []


async def test_a_test_says_how_it_went_and_is_kept(caller: Caller, receiver: Receiver) -> None:
    made = await caller.makes(receiver.url, types=["access.changed"])
    receiver.answers = [answer(500, "not today")]

    failed = (await caller.asks("POST", f"{ENDPOINTS}/{made['id']}/test")).json()
    taken = (await caller.asks("POST", f"{ENDPOINTS}/{made['id']}/test")).json()

    events = (await caller.events(type="endpoint.tested"))["events"]
    shown = (await caller.asks("GET", f"{EVENTS}/{events[1]['id']}")).json()
    assert (failed["state"], failed["tries"][0]["status"]) == ("given_up", 500)
    assert failed["tries"][0]["text"] == "not today"
    assert (taken["state"], taken["tries"][0]["status"]) == ("delivered", 200)
    assert {event["sequence"] for event in events} == {1, 2}
    assert shown["deliveries"][0]["endpoint"] == made["id"]
    assert [got.event["type"] for got in receiver.got] == ["endpoint.tested"] * 2


async def test_a_test_of_a_name_that_leads_nowhere_says_so(caller: Caller) -> None:
    made = await caller.makes("https://hooks.nowhere.example/")

    tested = (await caller.asks("POST", f"{ENDPOINTS}/{made['id']}/test")).json()

    assert tested["tries"][0]["status"] is None
    assert tested["tries"][0]["text"].startswith("refused: the name")


async def test_events_are_listed_page_by_page_the_latest_first(caller: Caller) -> None:
    await caller.makes()
    for hour in range(5):
        caller.stage.moves_to(NOW + timedelta(hours=hour))
        await caller.pauses()

    first = await caller.events(limit=2)
    second = await caller.events(limit=2, cursor=first["next"])
    third = await caller.events(limit=2, cursor=second["next"])

    told_at = [e["told_at"] for page in (first, second, third) for e in page["events"]]
    assert told_at == sorted(told_at, reverse=True)
    assert (len(told_at), third["next"]) == (5, None)


async def test_events_are_found_by_type_subject_and_time(caller: Caller) -> None:
    await caller.makes()
    await caller.pauses()
    caller.stage.moves_to(NOW + timedelta(hours=1))
    await caller.pauses()
    later, earlier = (await caller.events())["events"]
    at = (NOW + timedelta(minutes=30)).isoformat()

    found = {
        "subject": await caller.events(subject=later["subject"]),
        "from": await caller.events(told_from=at),
        "to": await caller.events(told_to=at),
        "type": await caller.events(type=["account.paused", "access.changed"]),
        "none": await caller.events(type="access.changed"),
        "to the beginning": await caller.events(told_to="0001-01-01T00:00:00Z"),
    }

    assert {name: page["events"] for name, page in found.items()} == {
        "subject": [later],
        "from": [later],
        "to": [earlier],
        "type": [later, earlier],
        "none": [],
        "to the beginning": [],
    }


@pytest.mark.parametrize(
    ("asked", "where"),
    [
        ({"type": "no.such"}, "query.type.0"),
        ({"limit": 0}, "query.limit"),
        ({"cursor": "x"}, "query.cursor"),
        ({"told_from": "yesterday"}, "query.told_from"),
        ({"subject": "a b"}, "query.subject"),
        ({"merchant": "mer_x"}, "query.merchant"),
        ({"told_from": "2026-02-01T00:00:00Z", "told_to": "2026-01-01T00:00:00Z"}, "query"),
    ],
)
async def test_a_list_is_asked_for_in_its_words(
    caller: Caller, asked: dict[str, Any], where: str
) -> None:
    response = await caller.stage.client.get(EVENTS, params=asked, headers=caller.headers)

    assert (response.status_code, where_it_is_wrong(response)) == (422, [where])


async def test_an_event_shows_how_far_it_got_and_is_replayed_once_at_a_time(
    caller: Caller,
) -> None:
    made = await caller.makes(types=["access.changed"])
    await caller.pauses()
    (event,) = (await caller.events())["events"]
    path = f"{EVENTS}/{event['id']}"

    unwanted = await caller.asks("POST", f"{path}/replay")
    named = await caller.asks("POST", f"{path}/replay", {"endpoint": made["id"]})
    again = await caller.asks("POST", f"{path}/replay", {"endpoint": made["id"]})

    (delivery,) = named.json()["deliveries"]
    assert (unwanted.status_code, unwanted.json()["type"]) == (409, "/problems/conflict")
    assert named.status_code == again.status_code == 202
    assert (delivery["state"], delivery["replay"], delivery["tries"]) == ("pending", 1, [])
    assert again.json()["deliveries"] == [delivery]


async def test_a_test_is_not_replayed(caller: Caller, receiver: Receiver) -> None:
    made = await caller.makes(receiver.url)
    await caller.asks("POST", f"{ENDPOINTS}/{made['id']}/test")
    (event,) = (await caller.events())["events"]

    response = await caller.asks("POST", f"{EVENTS}/{event['id']}/replay")

    assert response.status_code == 409


async def test_reading_is_not_writing(caller: Caller) -> None:
    headers = await caller.stage.key(caller.merchant, Scope.EVENTS_READ)
    reader = Caller(caller.stage, caller.merchant, headers)

    statuses = [
        (await reader.asks("GET", ENDPOINTS)).status_code,
        (await reader.asks("GET", EVENTS)).status_code,
        (await reader.asks("POST", ENDPOINTS, {"url": URL})).status_code,
    ]

    assert statuses == [200, 200, 403]


async def _raw(caller: Caller, method: str, path: str, body: Any) -> httpx.Response:
    """A body as it is, also one that is no text."""
    return await caller.stage.client.request(
        method,
        path,
        content=json.dumps(body),
        headers={**caller.headers, "content-type": "application/json"},
    )
