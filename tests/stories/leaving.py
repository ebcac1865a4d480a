"""Somebody leaves: a merchant's page and its backend over HTTP, as the widget would do it."""

from dataclasses import dataclass, field
from typing import Any

import httpx
import jwt
from fastapi import FastAPI

from app.config import Settings
from app.domain.merchants import Scope
from app.main import create_app
from app.pages.afterwards import after_router
from app.pages.leaving import leaving_router
from app.services import api_keys, customer_tokens
from tests.stories.looks import Person
from tests.stories.stage import Stage

APP = "https://app.kelp.example"
Json = dict[str, Any]
SCOPES = (
    Scope.SESSIONS_READ, Scope.SESSIONS_WRITE, Scope.FLOWS_READ, Scope.FLOWS_WRITE,
    Scope.MESSAGES_READ, Scope.MESSAGES_WRITE,
)  # fmt: skip
MOST_OF_ONE = 5  # forms of one sender, in a minute


@dataclass
class Door:
    """The api of a stage, a key of its merchant, and the means to sign tokens."""

    stage: Stage
    client: httpx.AsyncClient
    secret: str
    kid: str
    key: str
    app: FastAPI
    count: int = field(default=0)

    def token(self, person: Person, **claims: Any) -> dict[str, str]:
        """What the merchant's backend signs for a customer."""
        now = int(self.stage.now.timestamp())
        told = {"aud": "holdfast", "sub": person.customer, "iat": now, "exp": now + 600} | claims
        signed = jwt.encode(told, self.secret, "HS256", headers={"kid": self.kid})
        return {"Authorization": f"Bearer {signed}", "Origin": APP}

    def backend(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.key}"}

    async def opens(self, person: Person, **body: Any) -> "Leaver":
        """The customer opens the page."""
        answer = await self.asks("POST", "/v1/cancel-sessions", self.token(person), body)
        assert answer.status_code == 201, answer.text
        return Leaver(self, answer.json())

    async def asks(
        self, method: str, path: str, headers: dict[str, str], body: Json | None = None
    ) -> httpx.Response:
        return await self.client.request(method, path, headers=headers, json=body)


@dataclass
class Leaver:
    """Somebody in a session; `seen` is the last answer."""

    door: Door
    seen: Json

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.seen['token']}", "Origin": APP}

    @property
    def step(self) -> str:
        return str(self.seen["step"]["id"])

    async def asks(self, what: str, body: Json | None = None, **headers: str) -> httpx.Response:
        path = f"/v1/cancel-sessions/{self.seen['id']}"
        reads = what.partition("?")[0] in {"", "preview", "receipt"}
        method = "GET" if body is None and reads else "POST"
        where = f"{path}/{what}".rstrip("/")
        return await self.door.asks(method, where, self.headers | headers, body)

    async def does(self, what: str, **body: Any) -> Json:
        """Something that works; what is shown then."""
        answer = await self.asks(what, body)
        assert answer.status_code == 200, answer.text
        self.seen |= answer.json()
        return self.seen

    async def says(self, choice: str | None = None, key: str = "k1") -> httpx.Response:
        """The word."""
        body = {"choice": choice} if choice else {}
        return await self.asks("confirm", body, **{"Idempotency-Key": key})

    async def leaves(self, choice: str | None = None, key: str = "k1") -> Json:
        answer = await self.says(choice, key)
        assert answer.status_code == 200, answer.text
        receipt: Json = answer.json()
        return receipt

    async def looks(self) -> Json:
        """The session as it stands."""
        answer = await self.asks("")
        assert answer.status_code == 200, answer.text
        shown: Json = answer.json()
        return shown

    async def outlook(self) -> list[Json]:
        answer = await self.asks("preview")
        assert answer.status_code == 200, answer.text
        found: list[Json] = answer.json()["choices"]
        return found


async def open_door(stage: Stage) -> Door:
    """The app around a stage's world, with keys of its merchant."""
    settings = Settings(environment="demo", database_url=None, redis_url=None, smtp_url=None)
    app = create_app(settings)
    app.state.world = stage.world
    app.include_router(leaving_router(stage.world, app.state.pace))
    app.include_router(after_router(stage.world, app.state.pace))
    merchant = stage.merchant.merchant_id
    row, secret = await customer_tokens.create(
        stage.world,
        merchant,
        account_id=stage.account.account_id,
        name="app",
        origins=[APP],
        public_key=None,
        actor="test",
    )
    _, key = await api_keys.create_key(
        stage.world, merchant_id=merchant, name="backend", scopes=SCOPES, actor="test"
    )
    transport = httpx.ASGITransport(app, raise_app_exceptions=True)
    client = httpx.AsyncClient(transport=transport, base_url="http://holdfast")
    assert secret is not None
    return Door(stage, client, secret, row.key_id, key, app)
