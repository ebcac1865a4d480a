"""The worker's loops when the database is slow or away."""

import asyncio

import pytest

from app.config import Settings
from app.engines.processes import free_port
from app.ports.store import StoreUnavailable
from app.wiring import build_world
from workers.inbox import LARGEST_BATCH, SMALLEST_BATCH, Inbox
from workers.loops import keep
from workers.shift import Pace, Shift, outcome

pytestmark = pytest.mark.anyio


@pytest.fixture
async def without_database():
    settings = Settings(
        database_url=f"postgresql://nobody@127.0.0.1:{free_port()}/none", secret_keys="k" * 44
    )
    async with build_world(settings) as world:
        yield Shift(world=world, redis_url="", pace=Pace(sweep_s=0.01))


async def test_a_batch_that_the_store_refuses_is_halved_down_to_a_floor(without_database):
    inbox = Inbox(without_database)
    sizes = []

    for _ in range(6):
        assert isinstance(await outcome(inbox.step()), StoreUnavailable)
        sizes.append(inbox.batch)

    assert sizes[0] == LARGEST_BATCH // 2
    assert sizes[-1] == SMALLEST_BATCH


async def test_a_step_that_fails_does_not_end_its_loop(without_database):
    shift, tries = without_database, []

    async def step() -> bool:
        tries.append(1)
        if len(tries) == 1:
            raise RuntimeError("nobody expected this")
        shift.stop()
        return False

    async with asyncio.timeout(10):
        await keep(shift, "test", shift.due_bell, step)

    assert len(tries) == 2
