"""API keys: each route with each scope, and keys that no longer count."""

from datetime import timedelta
from typing import Any

import pytest

from app.domain.merchants import ApiKey, Scope
from app.services import api_keys
from tests.api.stage import NOW, Stage
from tests.document import api_document

pytestmark = pytest.mark.anyio
DOCUMENT: dict[str, Any] = api_document()
ROUTES = [
    (method.upper(), path, operation["security"][0]["ApiKey"][0])
    for path, methods in DOCUMENT["paths"].items()
    for method, operation in methods.items()
    if "ApiKey" in operation.get("security", [{}])[0]
]
OPEN = {
    path
    for path, methods in DOCUMENT["paths"].items()
    for operation in methods.values()
    if "security" not in operation
}


def test_only_what_has_another_way_in_needs_no_key() -> None:
    by_customers = {
        path
        for path, methods in DOCUMENT["paths"].items()
        for operation in methods.values()
        if operation.get("security") == [{"CustomerToken": []}]
    }

    by_sessions = {
        path
        for path, methods in DOCUMENT["paths"].items()
        for operation in methods.values()
        if operation.get("security") == [{"SessionToken": []}]
    }

    assert by_customers == {"/v1/me/status", "/v1/me/payment-link"}
    by_backends = {"/v1/cancel-sessions/{session_id}/outcome"}
    assert by_sessions == {p for p in DOCUMENT["paths"] if "{session_id}" in p} - by_backends
    assert {
        "/webhooks/stripe/{provider_account}",
        "/webhooks/mail/{merchant}/{provider}",
        "/healthz",
        "/readyz",
        "/problems/{name}",
    } == OPEN


@pytest.mark.parametrize(("method", "path", "needed"), ROUTES)
async def test_a_route_opens_to_its_own_scope_alone(
    stage: Stage, method: str, path: str, needed: str
) -> None:
    merchant = await stage.merchant()
    keys = {scope: await stage.key(merchant, scope) for scope in Scope}

    statuses = {
        scope.value: (await stage.client.request(method, path, headers=headers)).status_code
        for scope, headers in keys.items()
    }

    assert {scope for scope, status in statuses.items() if status not in (401, 403)} == {needed}
    assert {status for scope, status in statuses.items() if scope != needed} == {403}


@pytest.mark.parametrize(("method", "path", "needed"), ROUTES)
@pytest.mark.parametrize(
    "header",
    [
        None,
        "Bearer ",
        "Bearer hf_live_" + "0" * 43,
        "Bearer sk_live_123",
        "Bearer hf_live_" + "0" * 100_000,
        "Basic aGY6",
        "Bearer hf_live_\x00",
    ],
)
async def test_no_route_opens_without_a_key(
    stage: Stage, method: str, path: str, needed: str, header: str | None
) -> None:
    headers = {} if header is None else {"Authorization": header}

    response = await stage.client.request(method, path, headers=headers)

    assert (response.status_code, response.json()["type"]) == (401, "/problems/unauthenticated")
    assert response.headers["www-authenticate"] == "Bearer"


async def test_an_expired_key_is_a_key_no_longer(stage: Stage) -> None:
    headers = await stage.key(await stage.merchant(), expires_at=NOW + timedelta(days=1))
    before = await stage.client.get("/v1/cases", headers=headers)

    stage.moves_to(NOW + timedelta(days=1))
    after = await stage.client.get("/v1/cases", headers=headers)

    assert (before.status_code, after.status_code) == (200, 401)


async def test_a_revoked_key_is_a_key_no_longer(stage: Stage) -> None:
    merchant = await stage.merchant()
    headers = await stage.key(merchant)
    [key] = await api_keys.list_keys(stage.world, merchant_id=merchant.merchant_id)
    told = {"merchant_id": merchant.merchant_id, "key_id": key.key_id, "actor": "test"}
    await api_keys.revoke_key(stage.world, **told)
    await api_keys.revoke_key(stage.world, **told)

    response = await stage.client.get("/v1/cases", headers=headers)

    assert response.status_code == 401


async def test_the_last_use_is_remembered_to_the_hour(stage: Stage) -> None:
    merchant = await stage.merchant()
    headers = await stage.key(merchant)

    async def used_after(minutes: int) -> ApiKey:
        stage.moves_to(NOW + timedelta(minutes=minutes))
        await stage.client.get("/v1/cases", headers=headers)
        [key] = await api_keys.list_keys(stage.world, merchant_id=merchant.merchant_id)
        return key

    uses = [(await used_after(minutes)).last_used_at for minutes in (0, 59, 61)]

    assert uses == [NOW, NOW, NOW + timedelta(minutes=61)]


async def test_a_key_is_stored_as_a_hash_only(stage: Stage) -> None:
    merchant = await stage.merchant()
    secret = (await stage.key(merchant))["Authorization"].removeprefix("Bearer ")
    [key] = await api_keys.list_keys(stage.world, merchant_id=merchant.merchant_id)

    assert secret.removeprefix("hf_live_") not in repr(key)
    assert key.secret_hash == api_keys.hash_of(secret)
