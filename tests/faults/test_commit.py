"""F25: a connection that is lost around a COMMIT, on a real wire to a real PostgreSQL."""

import pytest

from app.domain.mirror import Customer
from app.domain.operations import InboxEvent
from app.ports.store import StoreUnavailable
from app.storage.intake import BatchedIntake
from app.storage.store import PostgresStore, create_engine
from tests.faults.cutting import a_wire
from tests.processes.site import a_site, until
from tests.storage.builders import OURS, account, customer, event, merchant

pytestmark = pytest.mark.anyio
MANY = [f"pi_{n:03d}" for n in range(60)]


@pytest.mark.parametrize(("cut", "kept"), [("before", 0), ("after", 1)])
async def test_a_use_case_whose_commit_is_in_doubt_is_repeated_and_done_once(
    clean_database: str, cut: str, kept: int
) -> None:
    # given a database behind a wire that breaks at the next commit
    async with a_wire(clean_database) as (wire, url):
        engine = create_engine(url)
        store = PostgresStore(engine)
        async with store.transaction(OURS) as tx:
            await tx.insert([merchant()])
            await tx.insert([account()])
        wire.cuts.append(cut)

        # when a use case ends in doubt, is read back, and repeated
        with pytest.raises(StoreUnavailable):
            async with store.transaction(OURS) as tx:
                await tx.insert([customer("cus_1")])
        async with store.transaction(OURS) as tx:
            before = await tx.find(Customer, where={})
            new = await tx.insert([customer("cus_1")])
        async with store.transaction(OURS) as tx:
            after = await tx.find(Customer, where={})
        await engine.dispose()

    # then it was done or not, as the server says, and is there once
    assert (len(before), len(new), len(after)) == (kept, 1 - kept, 1)


@pytest.mark.parametrize(("cut", "is_new"), [("before", True), ("after", False)])
async def test_a_webhook_whose_commit_is_in_doubt_is_not_answered_and_kept_once(
    clean_database: str, cut: str, is_new: bool
) -> None:
    async with a_wire(clean_database) as (wire, url):
        engine = create_engine(clean_database)
        store = PostgresStore(engine)
        async with store.transaction(OURS) as tx:
            await tx.insert([merchant()])
            await tx.insert([account()])
        intake = BatchedIntake(url, rows=100)
        await intake.start()
        await intake.put(event("evt_0"))
        wire.mark, wire.cuts = b"evt_1", [cut]

        with pytest.raises(StoreUnavailable):
            await intake.put(event("evt_1"))
        again = await intake.put(event("evt_1"))
        async with store.transaction(OURS) as tx:
            kept = await tx.find(InboxEvent, where={})
        await intake.close()
        await engine.dispose()

    assert again is is_new
    assert sorted(one.event_id for one in kept) == ["evt_0", "evt_1"]


async def test_a_worker_whose_commits_are_cut_does_all_that_is_due(
    clean_database: str, redis_url: str, tmp_path
) -> None:
    async with (
        a_wire(clean_database) as (wire, url),
        a_site(clean_database, redis_url, tmp_path, lease_s=2) as site,
    ):
        site.environment["DATABASE_URL"] = url
        await site.plans(*MANY)
        wire.cuts.extend(["", "", "after", "before", "", "after", "", "", "before"] * 3)

        site.worker()
        await until(site.all_done, 120)

    assert wire.broken >= 9
    assert set(site.provider.counts) == set(MANY)
