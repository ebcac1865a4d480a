"""How work is claimed, in memory and in PostgreSQL."""

from dataclasses import replace
from datetime import timedelta

import pytest

from app.domain.actions import Action, ActionState
from app.domain.operations import InboxEvent, InboxState
from app.ports.store import Store
from tests.storage.builders import NOW, OURS, THEIRS, action, event

pytestmark = pytest.mark.anyio


async def given(store: Store, *rows: Action | InboxEvent) -> None:
    async with store.transaction(OURS, THEIRS) as tx:
        for row in rows:
            await tx.insert([row])


async def claimed(
    store: Store, *, limit: int = 10, hours: float = 0, lease: float = 60
) -> list[str]:
    """Subjects of what is claimed at an hour, the claim committed."""
    async with store.system() as tx:
        now = NOW + timedelta(hours=hours)
        found = await tx.claim_actions(limit, now=now, lease_s=lease)
    return [row.subject for row in found]


async def test_due_actions_come_earliest_first_and_no_more_than_asked(store: Store) -> None:
    await given(store, action("c", hours=-1), action("a", hours=-3), action("b", hours=-2))

    first = await claimed(store, limit=2)
    second = await claimed(store, limit=2)

    assert first == ["a", "b"]
    assert second == ["c"]


async def test_what_is_due_at_one_instant_comes_in_key_order(store: Store) -> None:
    await given(store, action("b"), action("a"), action("c"))

    assert await claimed(store) == ["a", "b", "c"]


async def test_what_is_not_due_or_not_pending_is_left(store: Store) -> None:
    await given(
        store,
        action("later", hours=1),
        action("done", state=ActionState.DONE),
        action("parked", state=ActionState.PARKED),
    )

    assert await claimed(store) == []
    assert await claimed(store, hours=1) == ["later"]


async def test_a_claim_counts_and_carries_its_lease(store: Store) -> None:
    await given(store, action("a"))

    async with store.system() as tx:
        found = await tx.claim_actions(1, now=NOW, lease_s=60)
    async with store.transaction(OURS) as tx:
        stored = await tx.find(Action, where={})

    assert [row.claims for row in found] == [1]
    assert stored == found
    assert found[0].leased_until is not None


async def test_a_lease_that_ran_out_is_claimed_again_under_a_new_number(store: Store) -> None:
    await given(store, action("a"))

    await claimed(store, lease=-1)
    async with store.system() as tx:
        again = await tx.claim_actions(1, now=NOW, lease_s=60)

    assert [row.claims for row in again] == [2]
    assert await claimed(store) == []


async def test_what_is_given_back_is_claimed_again_at_once_and_the_rest_is_not(
    store: Store,
) -> None:
    await given(store, action("a"), action("b"), action("c"))
    async with store.system() as tx:
        a, b, c = await tx.claim_actions(3, now=NOW, lease_s=60)

    # one of these claims is stale, and one is not given back
    async with store.system() as tx:
        await tx.unclaim_actions({a.action_id: a.claims, b.action_id: b.claims - 1})
        await tx.unclaim_actions({})

    async with store.system() as tx:
        instant = await tx.lease_clock()
        again = await tx.claim_actions(3, now=NOW, lease_s=60)
    assert [(row.subject, row.claims) for row in again] == [("a", 2)]
    assert [row.is_leased(instant) for row in (b, c, *again)] == [True, True, True]


async def test_what_was_carried_out_or_put_off_is_not_given_back(store: Store) -> None:
    await given(store, action("done"), action("put off"))
    async with store.system() as tx:
        claims = await tx.claim_actions(2, now=NOW, lease_s=60)
    done, put_off = claims
    async with store.transaction(OURS) as tx:
        await tx.save([replace(done, state=ActionState.DONE)])
        later = NOW + timedelta(hours=1)
        await tx.save([replace(put_off, due_at=later, leased_until=None)])

    async with store.system() as tx:
        await tx.unclaim_actions({row.action_id: row.claims for row in claims})

    async with store.transaction(OURS) as tx:
        rows = {row.subject: row for row in await tx.find(Action, where={})}
    assert rows["done"].leased_until == done.leased_until
    assert rows["put off"].leased_until is None


async def test_a_claim_that_was_not_committed_is_no_claim(store: Store) -> None:
    await given(store, action("a"))

    async def claim_and_die() -> None:
        async with store.system() as tx:
            await tx.claim_actions(1, now=NOW, lease_s=60)
            raise LookupError

    with pytest.raises(LookupError):
        await claim_and_die()

    assert await claimed(store) == ["a"]


async def test_two_claimers_share_and_never_double(store: Store) -> None:
    await given(store, *(action(name) for name in "abcd"))

    async with store.system() as one, store.system() as other:
        first = await one.claim_actions(3, now=NOW, lease_s=60)
        second = await other.claim_actions(3, now=NOW, lease_s=60)

    assert [row.subject for row in first] == ["a", "b", "c"]
    assert [row.subject for row in second] == ["d"]


async def test_actions_of_one_customer_come_one_by_one_in_order(store: Store) -> None:
    await given(
        store,
        action("first", hours=-2, customer_id="cus_1"),
        action("second", hours=-1, customer_id="cus_1"),
        action("other", customer_id="cus_2"),
    )

    assert await claimed(store) == ["first", "other"]
    assert await claimed(store) == []

    async with store.transaction(OURS) as tx:
        done = await tx.find(Action, where={"subject": "first"})
        await tx.save([replace(done[0], state=ActionState.DONE)])

    assert await claimed(store) == ["second"]


async def test_an_earlier_action_waits_for_a_later_one_that_is_leased(store: Store) -> None:
    await given(store, action("later", hours=-1, customer_id="cus_1"))
    await claimed(store)

    await given(store, action("earlier", hours=-2, customer_id="cus_1"))

    assert await claimed(store) == []


async def test_a_customer_being_claimed_by_another_is_left_to_it(store: Store) -> None:
    await given(
        store,
        action("first", hours=-2, customer_id="cus_1"),
        action("second", hours=-1, customer_id="cus_1"),
    )

    async with store.system() as one, store.system() as other:
        await one.claim_actions(1, now=NOW, lease_s=60)
        assert await other.claim_actions(9, now=NOW, lease_s=60) == []


async def test_the_same_customer_id_at_another_account_is_somebody_else(store: Store) -> None:
    await given(
        store,
        action("ours", customer_id="cus_1"),
        action("theirs", of=THEIRS, customer_id="cus_1"),
    )

    assert await claimed(store) == ["ours", "theirs"]


async def drained(store: Store, limit: int = 9) -> list[str]:
    """Ids of the events claimed, the claim committed."""
    async with store.system() as tx:
        return [row.event_id for row in await tx.claim_inbox(limit, at=NOW)]


async def test_inbox_rows_come_in_order_of_arrival_and_only_once(store: Store) -> None:
    await given(store, event("evt_b", share=5), event("evt_a"), event("evt_c", of=THEIRS, share=5))

    first = await drained(store, 2)
    second = await drained(store)

    assert sorted(first + second) == ["evt_a", "evt_b", "evt_c"]
    assert first[0] == "evt_b"
    assert await drained(store) == []


async def test_a_full_batch_leaves_out_later_events_of_a_share_never_earlier_ones(
    store: Store,
) -> None:
    await given(store, *(event(f"evt_{n}", share=n % 2) for n in range(8)))

    batches = [await drained(store, 3) for _ in range(3)]

    assert [len(batch) for batch in batches] == [3, 3, 2]
    for share in (0, 1):
        told = [name for batch in batches for name in batch if int(name[-1]) % 2 == share]
        assert told == sorted(told)


async def test_a_share_is_worked_on_by_one_at_a_time(store: Store) -> None:
    await given(store, event("evt_1"), event("evt_2"), event("evt_3", share=63))

    async with store.system() as one, store.system() as other:
        first = await one.claim_inbox(1, at=NOW)
        second = await other.claim_inbox(9, at=NOW)

    assert [row.event_id for row in first] == ["evt_1"]
    assert [row.event_id for row in second] == ["evt_3"]
    assert await drained(store) == ["evt_2"]


async def test_what_was_claimed_and_given_up_is_claimed_again(store: Store) -> None:
    await given(store, event("evt_1"), event("evt_2"))

    async def claim_and_die() -> None:
        async with store.system() as tx:
            await tx.claim_inbox(9, at=NOW)
            raise LookupError

    with pytest.raises(LookupError):
        await claim_and_die()

    assert await drained(store) == ["evt_1", "evt_2"]


async def test_claimed_inbox_rows_are_handled_or_set_aside_and_keep_their_body(
    store: Store,
) -> None:
    await given(store, event("evt_a", body="kept"), event("evt_b"), event("evt_c"))

    async with store.system() as tx:
        rows = await tx.claim_inbox(2, at=NOW)
        await tx.act_for([OURS])
        await tx.park_inbox({(rows[0].account_id, "evt_b"): "why"})
    left = await drained(store)
    async with store.transaction(OURS) as tx:
        stored = await tx.find(InboxEvent, where={"handled_at": NOW}, order=("event_id",))

    assert left == ["evt_c"]
    assert [(row.state, row.reason, row.body) for row in stored] == [
        (InboxState.HANDLED, None, "kept"),
        (InboxState.PARKED, "why", "{}"),
        (InboxState.HANDLED, None, "{}"),
    ]
    assert rows[0] == stored[0]


async def test_work_is_claimed_by_the_system_only(store: Store) -> None:
    with pytest.raises(RuntimeError):
        async with store.transaction(OURS) as tx:
            await tx.claim_inbox(1, at=NOW)
    async with store.system() as tx:
        await tx.act_for([OURS])
        with pytest.raises(RuntimeError):
            await tx.claim_actions(1, now=NOW, lease_s=1)


async def test_an_account_that_is_busy_stands_in_nobodys_way(store: Store) -> None:
    await given(
        store,
        action("ours", hours=-3),
        action("more of ours", hours=-2),
        action("theirs", of=THEIRS, hours=-1),
    )
    busy = action("ours").account_id

    async with store.system() as tx:
        first = await tx.claim_actions(2, now=NOW, lease_s=60, but=[busy])

    assert [row.subject for row in first] == ["theirs"]
    assert await claimed(store) == ["ours", "more of ours"]


async def test_what_was_claimed_long_ago_waits_as_well_while_its_account_is_busy(
    store: Store,
) -> None:
    await given(store, action("ours"))
    await claimed(store, lease=0)

    async with store.system() as tx:
        found = await tx.claim_actions(2, now=NOW, lease_s=60, but=[action("ours").account_id])

    assert found == []
    assert await claimed(store) == ["ours"]
