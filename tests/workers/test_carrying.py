"""What one worker claimed and carries out itself a moment later needs no second look."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from app.config import Settings
from app.domain.actions import Action, ActionKind, ActionState, action_for
from app.domain.merchants import Merchant, ProviderAccount
from app.ports.world import World
from app.services import actions
from app.storage.memory import MemoryStore, MemoryTransaction
from app.wiring import build_world
from workers.carrying import Carrier, claims_of

pytestmark = pytest.mark.anyio
NOW = datetime(2026, 11, 2, 9, 0, tzinfo=UTC)


class Counting(MemoryStore):
    """Counts the transactions in which work is looked for."""

    looks = 0

    @asynccontextmanager
    async def system(self) -> AsyncIterator[MemoryTransaction]:
        self.looks += 1
        async with super().system() as tx:
            yield tx


@pytest.fixture
async def world() -> AsyncIterator[World]:
    settings = Settings(database_url="postgresql://nobody@127.0.0.1:1/none", secret_keys="k" * 44)
    async with build_world(settings) as built:
        yield replace(built, store=Counting())


async def has_due(
    world: World, kind: ActionKind = ActionKind.ACCESS_CHANGE, *, paused: str | None = None
) -> None:
    merchant = Merchant(merchant_id="mer_1", name="One", created_at=NOW, assignment_key="ab" * 16)
    account = ProviderAccount(
        merchant_id="mer_1", account_id="acc_1", created_at=NOW, paused_reason=paused
    )
    due = action_for(
        kind,
        subject="sub_1",
        merchant_id="mer_1",
        account_id="acc_1",
        due_at=NOW,
    )
    async with world.store.system() as tx:
        await tx.act_for(["mer_1"])
        await tx.insert([merchant])
        await tx.insert([account])
        await tx.insert([due])


async def states(world: World) -> list[ActionState]:
    async with world.store.transaction("mer_1") as tx:
        return [row.state for row in await tx.find(Action, where={"merchant_id": "mer_1"})]


def looks_of(world: World) -> int:
    assert isinstance(world.store, Counting)
    return world.store.looks


async def test_who_claimed_it_just_now_carries_it_out_at_once(world: World) -> None:
    await has_due(world)
    carrier = Carrier(world, at_once=1)
    claimed = await actions.claim_looked_at(world, limit=10)
    carrier.has_seen(claimed)
    before = looks_of(world)

    await carrier.carry(claims_of(action for action, _ in claimed))

    assert await states(world) == [ActionState.DONE]
    assert looks_of(world) == before


async def test_what_another_worker_claimed_is_looked_at_first(world: World) -> None:
    await has_due(world)
    claimed = await actions.claim(world, limit=10)
    before = looks_of(world)

    await Carrier(world, at_once=1).carry(claims_of(claimed))

    assert await states(world) == [ActionState.DONE]
    assert looks_of(world) == before + 1


async def test_a_claim_is_relied_upon_once(world: World) -> None:
    await has_due(world)
    carrier = Carrier(world, at_once=1)
    claimed = await actions.claim_looked_at(world, limit=10)
    carrier.has_seen(claimed)
    claims = claims_of(action for action, _ in claimed)
    await carrier.carry(claims)
    before = looks_of(world)

    await carrier.carry(claims)

    assert looks_of(world) == before + 1


async def test_a_paused_accounts_action_is_put_off_although_it_was_claimed(world: World) -> None:
    await has_due(world, ActionKind.READ, paused="the key was refused")
    carrier = Carrier(world, at_once=1)
    claimed = await actions.claim_looked_at(world, limit=10)
    carrier.has_seen(claimed)

    await carrier.carry(claims_of(action for action, _ in claimed))

    assert [is_free for _, is_free in claimed] == [False]
    assert await states(world) == [ActionState.PENDING]
