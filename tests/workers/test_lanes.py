"""However the inbox is drained, the same rows stand in the end."""

import asyncio
import json
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any, cast

import pytest

from app.config import Settings
from app.domain.actions import ActionKind, ActionState
from app.domain.merchants import Merchant, ProviderAccount
from app.domain.mirror import Invoice
from app.domain.notices import Notice, NoticeKind
from app.domain.operations import InboxEvent, InboxState, share_of
from app.domain.records import key_of
from app.ports.store import Store
from app.ports.webhooks import Webhooks
from app.ports.world import World
from app.services import intake
from app.storage.memory import MemoryStore
from app.storage.registry import TABLES
from app.wiring import build_world
from bench.events import TOGETHER, bodies
from workers.inbox import Inbox
from workers.shift import Pace, Shift

pytestmark = pytest.mark.anyio
K = NoticeKind
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
            share=share_of("acc_1", json.loads(body)["data"]["object"]["customer"]),
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


async def given(store: Store) -> None:
    async with store.transaction("mer_1") as tx:
        await tx.insert([MERCHANT])
        await tx.insert([ACCOUNT])
    async with store.system() as tx:
        await tx.insert(events(40))


async def drained(world: World, *, batch: int, lanes: int) -> dict[str, list[Any]]:
    await given(world.store)
    inbox = Inbox(Shift(world=world, redis_url=""))

    async def lane() -> None:
        inbox.batch = batch
        while await inbox.step():
            inbox.batch = batch

    await asyncio.gather(*(lane() for _ in range(lanes)))
    return await stored(world.store)


async def test_batches_lanes_and_stores_end_in_the_same_rows(
    clean_database: str, tmp_path: Path
) -> None:
    stepped = tmp_path / "clock"
    settings = Settings(database_url=clean_database, secret_keys="k" * 44, clock_file=stepped)
    async with build_world(settings) as built:
        on_postgres = replace(built, clock=StandingClock())
        in_memory = replace(on_postgres, store=MemoryStore())

        many = await drained(on_postgres, batch=25, lanes=Pace().lanes)
        one_by_one = await drained(in_memory, batch=1, lanes=1)

    # a case that was opened and settled in one batch changed nobody's access in between, and
    # planned nothing that would be dropped again
    for rows in (many, one_by_one):
        rows["actions"] = [
            row
            for row in rows["actions"]
            if row.kind != ActionKind.ACCESS_CHANGE and row.state is not ActionState.DROPPED
        ]
    assert many == one_by_one
    assert len(many["cases"]) == 40
    assert {row.state for row in many["inbox"]} == {InboxState.HANDLED}
    assert [row.paid_minor for row in many["invoices"] if isinstance(row, Invoice)].count(0) == 13


class Listening:
    """Webhooks that remember what they translated, in order."""

    def __init__(self, webhooks: Webhooks) -> None:
        self._webhooks, self.heard = webhooks, list[tuple[str | None, NoticeKind]]()

    def translate(self, body: str | bytes) -> list[Notice]:
        notices = self._webhooks.translate(body)
        self.heard += [(notice.customer, notice.kind) for notice in notices]
        return notices


async def test_many_drains_keep_the_order_of_each_customer(clean_database: str) -> None:
    settings = Settings(database_url=clean_database, secret_keys="k" * 44)
    async with AsyncExitStack() as held:
        worlds = [await held.enter_async_context(build_world(settings)) for _ in range(3)]
        listening = Listening(worlds[0].webhooks)
        told = [replace(world, webhooks=cast("Any", listening)) for world in worlds]
        await given(told[0].store)

        async def lane(world: World) -> None:
            while await intake.drain(world, limit=7):
                continue

        await asyncio.gather(*(lane(world) for world in told * 2))

    heard: dict[str | None, list[NoticeKind]] = {}
    for customer, kind in listening.heard:
        heard.setdefault(customer, []).append(kind)
    whole = [K.SUBSCRIPTION_CHANGED, K.INVOICE_FAILED, K.INVOICE_PAID]
    assert len(heard) == 40
    assert all(kinds == whole[: len(kinds)] for kinds in heard.values())
    assert len(listening.heard) == len(events(40))
