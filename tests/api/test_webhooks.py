"""Webhook intake: what is stored, what is refused, and never a 500."""

import asyncio
import gzip
import json
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from app.domain.operations import InboxState, share_of
from app.services import merchants
from tests.api.stage import NOW, WEBHOOK_SECRET, Headers, Stage, an_event, open_stage, signed

pytestmark = pytest.mark.anyio
DEEP = b'{"id":"evt_1","type":"x","created":1,"data":' + b"[" * 100_000 + b"]" * 100_000 + b"}"


async def test_a_signed_event_is_stored_as_it_came_before_it_is_answered(stage: Stage) -> None:
    merchant = await stage.merchant()
    account = await stage.account(merchant)
    body = an_event("evt_7") + b"\n "

    response = await stage.hears(account, body)

    assert (response.status_code, response.json()) == (200, {"received": True})
    [stored] = await stage.inbox(merchant)
    assert (stored.event_id, stored.body, stored.state) == ("evt_7", body.decode(), "pending")
    assert stored.received_at == NOW


async def test_an_event_that_comes_a_hundred_times_at_once_is_stored_once(stage: Stage) -> None:
    merchant = await stage.merchant()
    account = await stage.account(merchant)

    answers = await asyncio.gather(*(stage.hears(account, an_event()) for _ in range(100)))

    assert {answer.status_code for answer in answers} == {200}
    assert len(await stage.inbox(merchant)) == 1


@pytest.mark.parametrize(
    ("event", "provider_ref", "reason"),
    [
        pytest.param({"livemode": True}, None, "a live event on a test account", id="other mode"),
        pytest.param(
            {"account": "acct_other"},
            "acct_mine",
            "the event is of another provider account",
            id="other account",
        ),
    ],
)
async def test_what_is_signed_but_not_ours_is_set_aside_with_one_alert(
    stage: Stage, event: dict[str, Any], provider_ref: str | None, reason: str
) -> None:
    merchant = await stage.merchant()
    account = await stage.account(merchant, provider_ref=provider_ref)

    answers = [await stage.hears(account, an_event(f"evt_{n}", **event)) for n in range(2)]

    assert [answer.status_code for answer in answers] == [200, 200]
    stored = await stage.inbox(merchant)
    assert {(row.state, row.reason) for row in stored} == {(InboxState.QUARANTINED, reason)}
    [alert] = await stage.alerts(merchant)
    assert (alert.kind, alert.resolved_at) == ("webhook_quarantined", None)


async def test_events_of_one_customer_lie_in_one_share(stage: Stage) -> None:
    merchant = await stage.merchant()
    account = await stage.account(merchant)
    whose = [f"cus_{n % 20}" for n in range(40)]

    for n, customer in enumerate(whose):
        await stage.hears(account, an_event(f"evt_{n}", data={"object": {"customer": customer}}))

    stored = {row.event_id: row.share for row in await stage.inbox(merchant)}
    assert [stored[f"evt_{n}"] for n in range(20)] == [stored[f"evt_{n}"] for n in range(20, 40)]
    assert stored["evt_7"] == share_of(account.account_id, "cus_7")
    assert len(set(stored.values())) > 5


async def test_a_test_event_on_a_live_account_has_no_effect(stage: Stage) -> None:
    merchant = await stage.merchant()
    account = await stage.account(merchant, live=True)

    response = await stage.hears(account, an_event(livemode=False))

    assert response.status_code == 200
    assert [row.state for row in await stage.inbox(merchant)] == [InboxState.QUARANTINED]


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param({}, id="no signature"),
        pytest.param({"Stripe-Signature": ""}, id="empty"),
        pytest.param(signed(an_event(), secret="whsec_wrong"), id="another secret"),
        pytest.param(signed(an_event(), at=NOW - timedelta(seconds=301)), id="too old"),
        pytest.param(signed(an_event(), at=NOW + timedelta(seconds=301)), id="of the future"),
        pytest.param(signed(an_event(), scheme="v0"), id="v0 only"),
        pytest.param(signed(an_event() + b" "), id="another body"),
        pytest.param({"Stripe-Signature": "t=1,v1=" + "ab,v1=" * 10_000}, id="10,000 signatures"),
        pytest.param({b"Stripe-Signature": "t=١٢٣,v1=é".encode()}, id="no ASCII"),
        pytest.param({"Stripe-Signature": "t=99999999999999999999,v1=aa"}, id="huge stamp"),
    ],
)
async def test_a_signature_that_does_not_fit_is_refused_and_nothing_stored(
    stage: Stage, headers: Headers
) -> None:
    merchant = await stage.merchant()
    account = await stage.account(merchant)

    response = await stage.hears(account, an_event(), headers)

    assert (response.status_code, response.json()["type"]) == (400, "/problems/bad-signature")
    assert await stage.inbox(merchant) == []


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"\xff\xfe{}", id="not UTF-8"),
        pytest.param(b"\xef\xbb\xbf" + an_event(), id="byte order mark"),
        pytest.param(b"{", id="half"),
        pytest.param(b"[]", id="list"),
        pytest.param(b"null", id="null"),
        pytest.param(b"NaN", id="NaN"),
        pytest.param(b'{"id":"evt_1","type":"x","created":1e400}', id="1e400"),
        pytest.param(DEEP, id="deep"),
        pytest.param(an_event(id=None), id="no id"),
        pytest.param(an_event(id=""), id="empty id"),
        pytest.param(an_event(id="e" * 10_000), id="long id"),
        pytest.param(an_event(id="evt_\x00"), id="NUL in the id"),
        pytest.param(b'{"id":"\\ud800","type":"x","created":1}', id="lone surrogate"),
        pytest.param(an_event(type=None), id="no type"),
        pytest.param(an_event(type={}), id="type of a wrong kind"),
        pytest.param(an_event(created="soon"), id="no instant"),
        pytest.param(an_event(created=10**18), id="instant out of the world"),
    ],
)
async def test_a_signed_body_that_is_no_event_is_refused_and_nothing_stored(
    stage: Stage, body: bytes
) -> None:
    merchant = await stage.merchant()
    account = await stage.account(merchant)

    response = await stage.hears(account, body)

    assert (response.status_code, response.json()["type"]) == (400, "/problems/bad-event")
    assert await stage.inbox(merchant) == []


@pytest.mark.parametrize(
    "event",
    [
        pytest.param({"type": "planet.discovered"}, id="unknown type"),
        pytest.param({"data": {"object": {"amount": 2**70, "name": "{{7*7}}"}}}, id="odd object"),
        pytest.param({"data": None}, id="no data"),
        pytest.param({"text": "\u0000 \u2028 \u202e"}, id="odd characters"),
    ],
)
async def test_an_event_with_odd_contents_is_stored_all_the_same(
    stage: Stage, event: dict[str, Any]
) -> None:
    merchant = await stage.merchant()
    account = await stage.account(merchant)

    response = await stage.hears(account, an_event(**event))

    assert response.status_code == 200
    assert [row.state for row in await stage.inbox(merchant)] == [InboxState.PENDING]


@pytest.mark.parametrize("account_id", ["acc_unknown", "..%2f", "%00", "a" * 65, "acc_é"])
async def test_an_unknown_account_is_not_found(stage: Stage, account_id: str) -> None:
    body = an_event()

    response = await stage.client.post(
        f"/webhooks/stripe/{account_id}", content=body, headers=signed(body)
    )

    assert (response.status_code, response.json()["status"]) == (404, 404)


async def test_the_secret_of_another_account_opens_nothing(stage: Stage) -> None:
    merchant, other = await stage.merchant(), await stage.merchant()
    account = await stage.account(merchant)
    await stage.account(other, webhook_secrets=["whsec_of_the_other"])

    response = await stage.hears(
        account, an_event(), signed(an_event(), secret="whsec_of_the_other")
    )

    assert response.status_code == 400
    assert await stage.inbox(merchant) == await stage.inbox(other) == []


async def test_a_new_secret_counts_at_once_and_the_old_one_until_it_is_retired(
    stage: Stage,
) -> None:
    merchant = await stage.merchant()
    account = await stage.account(merchant)
    await stage.hears(account, an_event("evt_before"))

    await merchants.add_webhook_secret(stage.world, account, secret="whsec_new", actor="test")
    old = await stage.hears(account, an_event("evt_old"))
    new = await stage.hears(
        account, an_event("evt_new"), signed(an_event("evt_new"), secret="whsec_new")
    )

    assert (old.status_code, new.status_code) == (200, 200)


async def test_a_paused_account_is_still_listened_to(stage: Stage) -> None:
    merchant = await stage.merchant()
    account = await stage.account(merchant)
    await merchants.pause_account(stage.world, account, reason="key revoked", actor="test")

    assert (await stage.hears(account, an_event())).status_code == 200


async def test_a_body_over_the_limit_is_refused_while_it_streams_in(
    migrated_database_url: str, tmp_path: Path
) -> None:
    sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        for _ in range(1_000):
            sent += 1024
            yield b"x" * 1024

    async with open_stage(migrated_database_url, tmp_path, webhook_body_limit=4096) as stage:
        account = await stage.account(await stage.merchant())
        response = await stage.client.post(
            f"/webhooks/stripe/{account.account_id}", content=endless()
        )

    assert (response.status_code, response.json()["type"]) == (413, "/problems/body-too-large")


async def test_a_packed_body_is_not_unpacked(stage: Stage) -> None:
    merchant = await stage.merchant()
    account = await stage.account(merchant)
    bomb = gzip.compress(b" " * 50_000_000 + an_event())  # 50 kB that would be 50 MB
    headers = {**signed(bomb), "content-encoding": "gzip"}

    response = await stage.hears(account, bomb, headers)

    assert (response.status_code, response.json()["type"]) == (400, "/problems/bad-event")
    assert await stage.inbox(merchant) == []


async def test_without_a_database_the_provider_is_asked_to_come_back(tmp_path: Path) -> None:
    nowhere = "postgresql://nobody:nothing@127.0.0.1:1/none"
    async with open_stage(nowhere, tmp_path) as stage:
        response = await stage.client.post("/webhooks/stripe/acc_1", content=an_event())

    assert (response.status_code, response.json()["type"]) == (503, "/problems/unavailable")
    assert int(response.headers["Retry-After"]) >= 1


async def test_webhooks_are_taken_with_redis_down(
    migrated_database_url: str, tmp_path: Path
) -> None:
    nowhere = "redis://127.0.0.1:1/0"
    async with open_stage(migrated_database_url, tmp_path, redis_url=nowhere) as stage:
        merchant = await stage.merchant()
        account = await stage.account(merchant)
        response = await stage.hears(account, an_event())

        assert response.status_code == 200
        assert len(await stage.inbox(merchant)) == 1


async def test_a_secret_that_cannot_be_opened_asks_the_provider_to_come_back(
    stage: Stage, migrated_database_url: str, tmp_path: Path
) -> None:
    account = await stage.account(await stage.merchant())

    async with open_stage(migrated_database_url, tmp_path, secret_keys="another key " * 4) as other:
        response = await other.hears(account, an_event())

    assert response.status_code == 503
    assert WEBHOOK_SECRET not in json.dumps(response.json())
