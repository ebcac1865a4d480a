"""`/v1/me` and customer tokens: who is asking, and that nobody sees anybody else."""

import base64
import hashlib
import hmac
import json
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from app.domain.dunning import CaseState
from app.domain.merchants import Merchant, ProviderAccount, Scope
from app.domain.messages import PaymentLink
from app.domain.paces import ASKS_A_MINUTE, Pace
from tests.api.stage import NOW, Stage, where_it_is_wrong
from tests.api.test_access import a_subscription, overdue
from tests.house.sources import ROOT

pytestmark = pytest.mark.anyio
DAY = timedelta(days=1)
APP = "https://app.kelp.example"


async def a_token_key(
    stage: Stage, account: ProviderAccount, merchant: Merchant, **told: Any
) -> dict[str, Any]:
    body = {"provider_account": account.account_id, "name": "app", "origins": [APP]} | told
    key = await stage.key(merchant, Scope.CONFIG_WRITE)
    answer = await stage.client.post("/v1/customer-token-keys", headers=key, json=body)
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


def a_token(key: dict[str, Any], *, signed: Any = None, by: str = "HS256", **told: Any) -> str:
    now = int(NOW.timestamp())
    claims = {"aud": "holdfast", "sub": "cus_1", "iat": now, "exp": now + 600} | told
    claims = {name: value for name, value in claims.items() if value is not None}
    return jwt.encode(claims, signed or key["secret"], by, headers={"kid": key["id"]})


def bearer(token: str, **more: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}", **more}


async def at_the_door(
    stage: Stage, **told: Any
) -> tuple[Merchant, ProviderAccount, dict[str, Any]]:
    merchant = await stage.merchant()
    account = await stage.account(merchant)
    await stage.holds(merchant, a_subscription(account), overdue(account, 9, **told))
    return merchant, account, await a_token_key(stage, account, merchant)


async def test_a_customer_sees_what_they_owe_and_what_happens_next(stage: Stage) -> None:
    _, _, key = await at_the_door(stage, next_attempt_at=NOW + DAY)
    headers = bearer(a_token(key), Origin=APP)

    response = await stage.client.get("/v1/me/status?language=de", headers=headers)

    assert response.json() == {
        "customer": "cus_1",
        "level": "grace",
        "next": {"level": "restricted", "at": "2026-03-07T12:00:00Z"},
        "owed": {
            "currency": "eur",
            "amount_minor": 4900,
            "amount": "49,00\xa0€",
            "next_attempt_at": "2026-03-03T12:00:00Z",
        },
    }
    assert response.headers["access-control-allow-origin"] == APP
    assert response.headers["vary"] == "Origin"


@pytest.mark.parametrize(
    "told", [{"state": CaseState.RECOVERED}, {"silent": True}, {"due_minor": 0}]
)
async def test_who_owes_nothing_or_too_little_for_a_letter_is_shown_nothing(
    stage: Stage, told: dict[str, Any]
) -> None:
    _, _, key = await at_the_door(stage, **told)
    headers = bearer(a_token(key))

    status = await stage.client.get("/v1/me/status", headers=headers)
    link = await stage.client.post("/v1/me/payment-link", headers=headers)

    assert status.json()["owed"] is None
    assert (link.status_code, link.json()["type"]) == (404, "/problems/not-found")


async def test_a_payment_link_leads_to_the_page_of_the_oldest_case(stage: Stage) -> None:
    merchant, account, key = await at_the_door(stage)
    await stage.holds(merchant, overdue(account, 2, invoice="in_2", due_minor=100))
    headers = bearer(a_token(key))

    first = await stage.client.post("/v1/me/payment-link", headers=headers)
    again = await stage.client.post("/v1/me/payment-link", headers=headers)
    page = await stage.client.get(httpx.URL(first.json()["url"]).path)

    assert first.json() == again.json()
    assert first.json()["expires_at"] == "2026-03-04T00:00:00Z"
    assert (page.status_code, "€49.00" in page.text) == (200, True)
    async with stage.world.store.transaction(merchant.merchant_id) as tx:
        links = await tx.find(PaymentLink, where={"account_id": account.account_id})
    assert len(links) == 1


async def test_a_customer_is_only_ever_themselves(stage: Stage) -> None:
    _, _, key = await at_the_door(stage)

    for sub in ("cus_2", "CUS_1", "cus_1 "):
        response = await stage.client.get("/v1/me/status", headers=bearer(a_token(key, sub=sub)))
        assert response.json().get("owed") is None
        assert response.json().get("level") in {"unknown", None}


AT = int(NOW.timestamp())


@pytest.mark.parametrize(
    "told",
    [
        pytest.param({"exp": AT}, id="run out"),
        pytest.param({"iat": AT + 120, "exp": AT + 600}, id="not begun"),
        pytest.param({"nbf": AT + 120}, id="not before"),
        pytest.param({"exp": AT + 3601}, id="too long"),
        pytest.param({"iat": AT + 10, "exp": AT + 5}, id="backwards"),
        pytest.param({"exp": 1e300}, id="no whole number"),
        pytest.param({"exp": True}, id="a truth"),
        pytest.param({"exp": None}, id="without end"),
        pytest.param({"iat": None}, id="without beginning"),
        pytest.param({"sub": None}, id="nobody"),
        pytest.param({"sub": ""}, id="empty"),
        pytest.param({"sub": "c\x00s"}, id="zero byte"),
        pytest.param({"sub": "c" * 256}, id="long"),
        pytest.param({"aud": None}, id="for nobody"),
        pytest.param({"aud": "another"}, id="for another"),
        pytest.param({"iss": "mer_" + "0" * 32}, id="of another merchant"),
    ],
)
async def test_a_token_that_is_not_fresh_or_whole_is_refused(
    stage: Stage, told: dict[str, Any]
) -> None:
    _, _, key = await at_the_door(stage)

    response = await stage.client.get("/v1/me/status", headers=bearer(a_token(key, **told)))

    assert (response.status_code, response.json()["type"]) == (401, "/problems/bad-customer-token")


async def test_a_token_signed_otherwise_is_refused(stage: Stage) -> None:
    _, _, key = await at_the_door(stage)
    _, _, other = await at_the_door(stage)
    good = a_token(key)
    head, body, mac = good.split(".")
    forged = [
        "",
        "x",
        "é" * 20,
        "a" * 5000,
        f"{head}.{'a' * 2**20}.{mac}",
        f"{head}.{body}.",
        f"{head}.{body}.{mac[::-1]}",
        a_token(key, signed=other["secret"]),
        a_token({"id": "ctk_" + "0" * 32, "secret": key["secret"]}),
        a_token({"id": "../../../etc/passwd", "secret": key["secret"]}),
        a_token({"id": f"{key['id']}' or '1'='1", "secret": key["secret"]}),
        "e30.e30.e30",
        a_token(key, signed=key["secret"] * 2, by="HS512"),
        jwt.encode({"sub": "cus_1"}, "", "none", headers={"kid": key["id"]}),
    ]

    for token in forged:
        response = await stage.client.get(
            "/v1/me/status", headers={b"authorization": b"Bearer " + token.encode()}
        )
        assert (response.status_code, token) == (401, token)


async def test_a_public_key_is_no_secret_to_sign_with(stage: Stage) -> None:
    merchant, account, _ = await at_the_door(stage)
    private = Ed25519PrivateKey.generate()
    pem = private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    key = await a_token_key(stage, account, merchant, public_key=pem.decode())
    body = a_token(key, signed="p" * 32).rpartition(".")[0]
    mac = hmac.digest(pem, body.encode(), hashlib.sha256)
    confused = f"{body}.{base64.urlsafe_b64encode(mac).decode().rstrip('=')}"

    good = await stage.client.get(
        "/v1/me/status", headers=bearer(a_token(key, signed=private, by="EdDSA"))
    )
    forged = await stage.client.get("/v1/me/status", headers=bearer(confused))

    assert (key["algorithm"], key["secret"]) == ("EdDSA", None)
    assert (good.status_code, forged.status_code) == (200, 401)


async def test_a_page_of_an_origin_that_the_key_does_not_name_gets_nothing(stage: Stage) -> None:
    _, _, key = await at_the_door(stage)

    for origin in ("https://evil.example", "null", f"{APP}.evil.example", f"{APP}/"):
        response = await stage.client.get(
            "/v1/me/status", headers=bearer(a_token(key), Origin=origin)
        )
        assert (response.status_code, response.json()["type"]) == (
            403,
            "/problems/origin-not-allowed",
        )
        assert "access-control-allow-origin" not in response.headers


async def test_a_browser_may_ask_first(stage: Stage) -> None:
    response = await stage.client.options("/v1/me/payment-link", headers={"Origin": APP})

    assert response.status_code == 204
    assert response.headers["access-control-allow-origin"] == APP
    assert response.headers["access-control-allow-headers"] == "authorization"
    assert "access-control-allow-credentials" not in response.headers


async def test_a_revoked_key_ends_its_tokens_and_a_new_one_goes_on(stage: Stage) -> None:
    merchant, account, former = await at_the_door(stage)
    newer = await a_token_key(stage, account, merchant)
    admin = await stage.key(merchant, Scope.CONFIG_WRITE)

    await stage.client.delete(f"/v1/customer-token-keys/{former['id']}", headers=admin)
    await stage.client.delete(f"/v1/customer-token-keys/{former['id']}", headers=admin)
    ended = await stage.client.get("/v1/me/status", headers=bearer(a_token(former)))
    lives = await stage.client.get("/v1/me/status", headers=bearer(a_token(newer)))
    listed = await stage.client.get("/v1/customer-token-keys", headers=admin)

    assert (ended.status_code, lives.status_code) == (401, 200)
    revoked = {key["id"] for key in listed.json()["keys"] if key["revoked_at"]}
    assert (revoked, len(listed.json()["keys"])) == ({former["id"]}, 2)
    assert "secret" not in listed.text


async def test_keys_belong_to_their_merchant(stage: Stage) -> None:
    _, account, key = await at_the_door(stage)
    stranger = await stage.key(await stage.merchant(), Scope.CONFIG_WRITE)

    gone = await stage.client.delete(f"/v1/customer-token-keys/{key['id']}", headers=stranger)
    body = {"provider_account": account.account_id, "name": "app"}
    made = await stage.client.post("/v1/customer-token-keys", headers=stranger, json=body)

    assert gone.status_code == 404
    assert where_it_is_wrong(made) == ["body.provider_account"]


@pytest.mark.parametrize(
    "told",
    [
        {"origins": ["app.example.com"]},
        {"origins": ["https://app.example.com/"]},
        {"origins": ["http://app.example.com"]},
        {"origins": ["*"]},
        {"public_key": "-----BEGIN PUBLIC KEY-----"},
        {"name": ""},
        {"algorithm": "none"},
    ],
)
async def test_a_key_that_could_not_be_used_safely_is_not_made(
    stage: Stage, told: dict[str, Any]
) -> None:
    merchant = await stage.merchant()
    account = await stage.account(merchant)
    admin = await stage.key(merchant, Scope.CONFIG_WRITE)
    body = {"provider_account": account.account_id, "name": "app"} | told

    response = await stage.client.post("/v1/customer-token-keys", headers=admin, json=body)

    assert response.status_code == 422
    assert json.dumps(told) not in response.text


async def test_keys_are_limited(stage: Stage) -> None:
    merchant = await stage.merchant()
    account = await stage.account(merchant)
    for _ in range(10):
        await a_token_key(stage, account, merchant)
    admin = await stage.key(merchant, Scope.CONFIG_WRITE)

    body = {"provider_account": account.account_id, "name": "one too many"}
    response = await stage.client.post("/v1/customer-token-keys", headers=admin, json=body)

    assert (response.status_code, response.json()["type"]) == (409, "/problems/conflict")


async def test_who_asks_too_often_is_told_when_to_come_back(stage: Stage) -> None:
    _, _, key = await at_the_door(stage)
    headers = bearer(a_token(key))

    answers = [
        await stage.client.get("/v1/me/status", headers=headers) for _ in range(ASKS_A_MINUTE + 1)
    ]

    assert {answer.status_code for answer in answers[:-1]} == {200}
    assert answers[-1].json()["type"] == "/problems/too-many-requests"
    assert 1 <= int(answers[-1].headers["retry-after"]) <= 60


def test_a_minute_later_one_may_ask_again() -> None:
    pace = Pace(most=2)

    waits = [pace.wait_s("cus_1", at=at) for at in (0.0, 1.0, 20.0, 61.0)]

    assert waits == [0.0, 0.0, 40.0, 0.0]


async def test_the_token_that_the_readme_shows_is_taken(stage: Stage) -> None:
    _, _, key = await at_the_door(stage)
    stage.moves_to(datetime.now(UTC))
    (snippet,) = re.findall(r"```python\n(.+?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    shown: dict[str, Any] = {}
    exec(snippet, shown)  # noqa: S102 - our own page

    token = shown["customer_token"]("cus_1", key_id=key["id"], secret=key["secret"])
    response = await stage.client.get("/v1/me/status", headers=bearer(token))

    assert (response.status_code, response.json()["level"]) == (200, "blocked")
