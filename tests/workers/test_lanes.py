"""However the inbox is drained, the same rows stand in the end."""

import asyncio
import json
from dataclasses import replace
from datetime import UTC, datetime
from itertools import islice
from typing import Any

import pytest

from app.config import Settings
from app.domain.merchants import Merchant, ProviderAccount
from app.domain.mirror import Invoice
from app.domain.operations import InboxEvent, InboxState
from app.domain.records import key_of
from app.ports.store import Store
from app.ports.world import World
from app.storage.memory import MemoryStore
from app.storage.registry import TABLES
from app.wiring import build_world
from bench.events import TOGETHER, bodies
from workers.inbox import LANES, Inbox
from workers.shift import Shift

pytestmark = pytest.mark.anyio
NOW = datetime(2026, 11, 2, 9, 0, tzinfo=UTC)
MERCHANT = Merchant(merchant_id="mer_1", name="One", created_at=NOW, assignment_key="ab" * 16)
ACCOUNT = ProviderAccount(merchant_id="mer_1", account_id="acc_1", created_at=NOW)


class StandingClock:
    def now(self) -> datetime:
        return NOW


def events(customers: int) -> list[InboxEvent]:
    """The first customers' stories, told at the same time: changed, failed, for most paid."""
    told = islice(bodies("t", created=int(NOW.timestamp())), 3 * TOGETHER)
    return [
        InboxEvent(
            merchant_id="mer_1",
            account_id="acc_1",
            event_id=json.loads(body)["id"],
            type=json.loads(body)["type"],
            body=body.decode(),
            created_at=NOW,
            received_at=NOW,
        )
        for place, body in enumerate(told)
        if json.loads(body)["id"].split("_")[1] < f"t{customers:07d}"
    ]


async def stored(store: Store) -> dict[str, list[Any]]:
    """Every row of the merchant, by table, in the order of its key."""
    async with store.transaction("mer_1") as tx:
        return {
            table.name: sorted(await tx.find(kind, where={"merchant_id": "mer_1"}), key=key_of)
            for kind, table in TABLES.items()
        }


async def drained(world: World, *, batch: int, lanes: int) -> dict[str, list[Any]]:
    async with world.store.transaction("mer_1") as tx:
        await tx.insert([MERCHANT])
        await tx.insert([ACCOUNT])
    async with world.store.system() as tx:
        await tx.insert(events(40))
    inbox = Inbox(Shift(world=world, redis_url=""))

    async def lane() -> None:
        inbox.batch = batch
        while await inbox.step():
            inbox.batch = batch

    await asyncio.gather(*(lane() for _ in range(lanes)))
    return await stored(world.store)


async def test_batches_lanes_and_stores_end_in_the_same_rows(clean_database: str) -> None:
    settings = Settings(database_url=clean_database, secret_keys="k" * 44)
    async with build_world(settings) as built:
        on_postgres = replace(built, clock=StandingClock())
        in_memory = replace(on_postgres, store=MemoryStore())

        many = await drained(on_postgres, batch=25, lanes=LANES)
        one_by_one = await drained(in_memory, batch=1, lanes=1)

    assert many == one_by_one
    assert len(many["cases"]) == 40
    assert {row.state for row in many["inbox"]} == {InboxState.HANDLED}
    assert [row.paid_minor for row in many["invoices"] if isinstance(row, Invoice)].count(0) == 13
