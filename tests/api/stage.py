"""A running api for tests: the whole app on a real database, asked over ASGI."""

import hashlib
import hmac
import itertools
import json
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
from fastapi import FastAPI

from app.config import Settings
from app.domain.dunning import Case
from app.domain.ids import derive_id
from app.domain.merchants import Merchant, ProviderAccount, Scope
from app.domain.operations import Alert, InboxEvent
from app.domain.records import Record
from app.main import create_app
from app.ports.world import World
from app.services import api_keys, merchants

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
COUNTER = itertools.count(1)
Headers = dict[str, str] | dict[bytes, bytes]
WEBHOOK_SECRET = "whsec_test_of_the_stage"


@dataclass
class Stage:
    """The app, a client without credentials, and a clock that stands until it is moved."""

    app: FastAPI
    client: httpx.AsyncClient
    clock_file: Path

    @property
    def world(self) -> World:
        world: World = self.app.state.world
        return world

    def moves_to(self, at: datetime) -> None:
        self.clock_file.write_text(at.isoformat())

    async def merchant(self) -> Merchant:
        """A merchant of this test alone: rows of other tests may be there, and do not matter."""
        name = f"Kelp & Co {next(COUNTER)}"
        return await merchants.create_merchant(self.world, name=name, actor="test")

    async def account(self, merchant: Merchant, **told: Any) -> ProviderAccount:
        given: dict[str, Any] = {
            "api_key": "sk_test_123",
            "live": False,
            "webhook_secrets": [WEBHOOK_SECRET],
        }
        return await merchants.create_account(
            self.world, merchant_id=merchant.merchant_id, actor="test", **(given | told)
        )

    async def key(self, merchant: Merchant, *scopes: Scope, **told: Any) -> dict[str, str]:
        _, secret = await api_keys.create_key(
            self.world,
            merchant_id=merchant.merchant_id,
            name="test",
            scopes=scopes or tuple(Scope),
            actor="test",
            **told,
        )
        return {"Authorization": f"Bearer {secret}"}

    async def holds(self, merchant: Merchant, *rows: Record) -> None:
        async with self.world.store.transaction(merchant.merchant_id) as tx:
            for row in rows:
                await tx.insert([row])

    async def inbox(self, merchant: Merchant) -> list[InboxEvent]:
        async with self.world.store.transaction(merchant.merchant_id) as tx:
            return await tx.find(InboxEvent, where={"merchant_id": merchant.merchant_id})

    async def alerts(self, merchant: Merchant) -> list[Alert]:
        async with self.world.store.transaction(merchant.merchant_id) as tx:
            return await tx.find(Alert, where={"merchant_id": merchant.merchant_id})

    async def hears(
        self, account: ProviderAccount, body: bytes, headers: Headers | None = None
    ) -> httpx.Response:
        return await self.client.post(
            f"/webhooks/stripe/{account.account_id}",
            content=body,
            headers=signed(body) if headers is None else headers,
        )


@asynccontextmanager
async def open_stage(database_url: str, folder: Path, **told: Any) -> AsyncIterator[Stage]:
    """The app started on a migrated database, without Redis and without a mail server."""
    clock_file = folder / "clock"
    clock_file.write_text(NOW.isoformat())
    given: dict[str, Any] = {
        "environment": "demo",
        "redis_url": None,
        "smtp_url": None,
        "clock_file": clock_file,
        "state_dir": folder,
        "database_url": database_url,
    }
    app = create_app(Settings(**(given | told)))
    async with app.router.lifespan_context(app):
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://holdfast") as client:
            yield Stage(app, client, clock_file)


def signed(
    body: bytes, *, secret: str = WEBHOOK_SECRET, at: datetime = NOW, scheme: str = "v1"
) -> dict[str, str]:
    """The headers of a webhook as the provider sends it."""
    stamp = str(int(at.timestamp()))
    mac = hmac.digest(secret.encode(), stamp.encode() + b"." + body, hashlib.sha256).hex()
    return {"Stripe-Signature": f"t={stamp},{scheme}={mac}", "Content-Type": "application/json"}


def an_event(event_id: str = "evt_1", **told: Any) -> bytes:
    event = {
        "id": event_id,
        "object": "event",
        "api_version": "2026-10-28.endive",
        "created": int(NOW.timestamp()),
        "livemode": False,
        "type": "invoice.payment_failed",
        "data": {"object": {"id": "in_1", "object": "invoice"}},
    }
    return json.dumps(event | told).encode()


def a_case(account: ProviderAccount, invoice: str = "in_1", **told: Any) -> Case:
    opened_at = told.pop("opened_at", NOW)
    return Case(
        case_id=derive_id("case", opened_at, account.account_id, invoice),
        merchant_id=account.merchant_id,
        account_id=account.account_id,
        invoice_id=invoice,
        opened_at=opened_at,
        window_ends_at=opened_at + timedelta(days=28),
        **told,
    )


def where_it_is_wrong(response: httpx.Response) -> Collection[str]:
    return [fault["where"] for fault in response.json()["errors"]]
