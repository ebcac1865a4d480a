"""P11: no merchant reads or changes another's rows, in memory and in PostgreSQL."""

import pytest

from app.domain.actions import Action
from app.domain.dunning import Case
from app.domain.merchants import ApiKey, Merchant, ProviderAccount
from app.domain.mirror import Customer
from app.domain.operations import InboxEvent
from app.ports.store import RowRefused, Store
from tests.storage.builders import (
    OURS,
    THEIRS,
    account_of,
    action,
    api_key,
    case,
    customer,
    event,
)

pytestmark = pytest.mark.anyio


async def test_the_rows_of_another_merchant_are_not_there(store: Store) -> None:
    async with store.transaction(THEIRS) as tx:
        await tx.save([customer("cus_1", of=THEIRS)])

    async with store.transaction(OURS) as tx:
        loaded = await tx.load(Customer, [(account_of(THEIRS), "cus_1")])
        found = await tx.find(Customer, where={})
        merchants = await tx.find(Merchant, where={})
    async with store.transaction() as tx:
        nobody = await tx.find(Merchant, where={})

    assert (loaded, found, nobody) == ([], [], [])
    assert [row.merchant_id for row in merchants] == [OURS]


async def test_a_row_of_another_merchant_cannot_be_added(store: Store) -> None:
    for write in ("insert", "save"):
        with pytest.raises(RowRefused):
            async with store.transaction(OURS) as tx:
                await getattr(tx, write)([customer(of=THEIRS)])


async def test_a_row_of_another_merchant_cannot_be_taken_over(store: Store) -> None:
    async with store.transaction(THEIRS) as tx:
        await tx.insert([case("case_1", of=THEIRS)])

    async with store.transaction(OURS) as tx:
        assert await tx.insert([case("case_1")]) == []
    with pytest.raises(RowRefused):
        async with store.transaction(OURS) as tx:
            await tx.save([case("case_1", invoice="in_of_ours")])

    async with store.transaction(THEIRS) as tx:
        assert await tx.find(Case, where={}) == [case("case_1", of=THEIRS)]


async def test_a_row_cannot_hang_on_the_account_of_another_merchant(store: Store) -> None:
    with pytest.raises(RowRefused):
        async with store.transaction(OURS) as tx:
            await tx.save([case("case_1", account_id=account_of(THEIRS))])


async def test_a_batch_sees_the_merchants_it_names(store: Store) -> None:
    async with store.transaction(OURS, THEIRS) as tx:
        await tx.save([customer("a", of=THEIRS), customer("a")])
        found = await tx.find(Customer, where={})

    assert [row.merchant_id for row in found] == [OURS, THEIRS]


async def test_the_system_finds_out_who_is_asking_and_nothing_more(store: Store) -> None:
    async with store.transaction(OURS, THEIRS) as tx:
        await tx.insert([api_key("key_1"), api_key("key_2", of=THEIRS)])
        await tx.insert([action("x")])
        await tx.insert([event("evt_1", of=THEIRS)])
        await tx.insert([customer()])

    async with store.system() as tx:
        keys = await tx.find(ApiKey, where={"secret_hash": "hash of key_2"})
        accounts = await tx.find(ProviderAccount, where={})
        actions = await tx.find(Action, where={})
        inbox = await tx.find(InboxEvent, where={})

    assert [row.merchant_id for row in keys] == [THEIRS]
    assert len(accounts) == 2
    assert [row.merchant_id for row in actions] == [OURS]
    assert [row.merchant_id for row in inbox] == [THEIRS]
    for kind in (Merchant, Customer, Case):
        with pytest.raises(RowRefused):
            async with store.system() as tx:
                await tx.find(kind, where={})


async def test_the_system_changes_nothing_until_it_acts_for_somebody(store: Store) -> None:
    for row in (customer(), api_key("key_1"), action("x")):
        with pytest.raises(RowRefused):
            async with store.system() as tx:
                await tx.save([row])

    async with store.system() as tx:
        await tx.act_for([OURS])
        await tx.save([customer()])
        found = await tx.find(Customer, where={})

    assert len(found) == 1


async def test_acting_for_one_ends_the_sight_of_the_others(store: Store) -> None:
    async with store.system() as tx:
        await tx.act_for([OURS])
        found = await tx.find(ProviderAccount, where={})

    assert [row.merchant_id for row in found] == [OURS]


@pytest.mark.parametrize("name", ["", "mer_a,mer_b"])
async def test_a_name_that_would_read_as_several_is_refused(store: Store, name: str) -> None:
    with pytest.raises(ValueError, match="no merchant id"):
        async with store.transaction(OURS, name):
            pass
