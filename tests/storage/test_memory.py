"""What the twin does beyond the contract of all stores: it ends what a server would end."""

from datetime import UTC, datetime, timedelta

import pytest

from app.domain.mirror import Customer
from app.ports.store import TRANSACTION_LIMIT_S, StoreUnavailable
from app.storage.memory import MemoryStore
from tests.storage.builders import OURS, account, customer, merchant

pytestmark = pytest.mark.anyio


async def test_who_stands_still_within_a_transaction_writes_nothing() -> None:
    # given a worker that is frozen before its commit for longer than a server would wait
    now = datetime(2026, 9, 21, tzinfo=UTC)
    store = MemoryStore(lease_clock=lambda: now)
    async with store.transaction(OURS) as tx:
        await tx.insert([merchant(OURS)])
        await tx.insert([account(OURS)])

    async def stands_still() -> None:
        nonlocal now
        async with store.transaction(OURS) as tx:
            await tx.save([customer("late")])
            now += timedelta(seconds=TRANSACTION_LIMIT_S + 0.1)

    with pytest.raises(StoreUnavailable, match="no end"):
        await stands_still()

    async with store.transaction(OURS) as tx:
        assert await tx.find(Customer, where={}) == []
