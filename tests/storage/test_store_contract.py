"""What every store does, in memory and in PostgreSQL: rows, uniques, questions, one commit."""

import asyncio
import contextlib
from dataclasses import replace
from datetime import timedelta, timezone
from typing import Any

import pytest

from app.domain.actions import Action
from app.domain.dunning import Attempt, Case, CaseState, Waits
from app.domain.mirror import Customer, Subscription
from app.domain.records import key_of
from app.ports.store import Conflict, RowRefused, Store
from tests.storage.builders import (
    NOW,
    OURS,
    account_of,
    action,
    attempt,
    audit_line,
    case,
    customer,
    event,
    save_all,
    subscription,
)

pytestmark = pytest.mark.anyio
ACCOUNT = account_of(OURS)


async def test_a_row_comes_back_as_it_was(store: Store) -> None:
    items = ({"id": "si_1", "price": "é \u2028", "quantity": 2**53},)
    row = subscription(items=items, mrr_minor=2**63 - 1, seen_at=NOW, cancel_at_period_end=True)

    async with store.transaction(OURS) as tx:
        await tx.save([row])
    async with store.transaction(OURS) as tx:
        found = await tx.load(Subscription, [(ACCOUNT, "sub_1")])

    assert found == [row]
    assert isinstance(found[0].items, tuple)
    assert found[0].seen_at is not None
    assert found[0].seen_at.utcoffset() == timedelta(0)


async def test_words_come_back_as_their_enum(store: Store) -> None:
    async with store.transaction(OURS) as tx:
        await tx.save([case(decline={"code": "x"})])
        found = await tx.load(Case, [("case_1",)])

    assert found[0].state is CaseState.ACTIVE
    assert found[0].waits is Waits.RETRYING
    assert found[0].decline == {"code": "x"}
    assert found[0].cause is None


async def test_text_comes_back_letter_by_letter(store: Store) -> None:
    odd = ["", " ", "null", "NULL", "{a,b}", "[1]", "a,b", '"', '""', "\\", "\\\\", '\\"', "it's"]
    odd += ["\n", "a\tb\r\n", "\\n", '\\\n"', "\x01\x1f\x7f", "\u2028", "Ærø", "😀", "{", "\\u0041"]
    mixed = [customer(f"cus_{place}", name=text) for place, text in enumerate([*odd, None])]
    alone = [customer(f"one_{place}", name=text) for place, text in enumerate(odd)]
    async with store.transaction(OURS) as tx:
        await tx.save(mixed)
        for one in alone:
            await tx.insert([one])

    async with store.transaction(OURS) as tx:
        found = await tx.load(Customer, [key_of(one) for one in [*mixed, *alone]])
    assert sorted(found, key=key_of) == sorted([*mixed, *alone], key=key_of)


async def test_a_key_may_be_any_text(store: Store) -> None:
    keys = ['"', "\\", "a,b", "{}", "null", "\n", " "]
    async with store.transaction(OURS) as tx:
        await tx.save([customer(key) for key in keys])

    async with store.transaction(OURS) as tx:
        found = await tx.load(Customer, [key_of(customer(key)) for key in keys])
    assert {row.customer_id for row in found} == set(keys)


async def test_an_instant_of_another_zone_is_the_same_instant(store: Store) -> None:
    tokyo = NOW.astimezone(timezone(timedelta(hours=9)))

    async with store.transaction(OURS) as tx:
        await tx.save([customer(seen_at=tokyo)])
        found = await tx.find(Customer, where={"seen_at": NOW})

    assert [row.seen_at for row in found] == [NOW]


async def test_load_leaves_out_what_is_not_there_and_gives_each_once(store: Store) -> None:
    async with store.transaction(OURS) as tx:
        await tx.save([customer("b"), customer("a")])
        found = await tx.load(Customer, [(ACCOUNT, name) for name in ("b", "x", "a", "b")])
        none = await tx.load(Customer, [])

    assert [row.customer_id for row in found] == ["a", "b"]
    assert none == []


async def test_save_replaces_by_key_and_the_last_of_a_call_counts(store: Store) -> None:
    async with store.transaction(OURS) as tx:
        await tx.save([customer(name="first", email="a@b.example")])
        await tx.save([customer(name="second"), customer(name="third")])
        found = await tx.find(Customer, where={})

    assert [(row.name, row.email) for row in found] == [("third", None)]


async def test_insert_returns_what_was_new_and_leaves_the_rest(store: Store) -> None:
    async with store.transaction(OURS) as tx:
        first = await tx.insert([customer("a", name="old")])
        second = await tx.insert([customer("a", name="new"), customer("b"), customer("b")])
        found = await tx.find(Customer, where={})

    assert first == [customer("a", name="old")]
    assert second == [customer("b")]
    assert [(row.customer_id, row.name) for row in found] == [("a", "old"), ("b", None)]


async def test_insert_heeds_every_unique_key(store: Store) -> None:
    async with store.transaction(OURS) as tx:
        await tx.insert([case()])
        await tx.insert([attempt(1, provider_ref="ch_1")])
        same_number = await tx.insert([attempt(1, name="att_other")])
        same_charge = await tx.insert([attempt(2, provider_ref="ch_1")])
        nulls_differ = await tx.insert([attempt(2), attempt(3)])

    assert (same_number, same_charge) == ([], [])
    assert len(nulls_differ) == 2


async def test_insert_gives_rows_of_several_kinds_in_their_order(store: Store) -> None:
    rows: list[Any] = [action("x", case_id="case_1"), attempt(1), case()]

    async with store.transaction(OURS) as tx:
        new = await tx.insert(rows)

    assert new == rows


async def test_save_of_a_taken_unique_key_is_a_conflict_and_writes_nothing(store: Store) -> None:
    async with store.transaction(OURS) as tx:
        await tx.insert([case("case_1", invoice="in_1")])

    with pytest.raises(Conflict):
        await save_all(store, customer(), case("case_2", invoice="in_1"))

    async with store.transaction(OURS) as tx:
        assert await tx.find(Case, where={}) == [case("case_1", invoice="in_1")]
        assert await tx.find(Customer, where={}) == []


async def test_a_unique_value_that_was_given_up_may_be_taken(store: Store) -> None:
    async with store.transaction(OURS) as tx:
        await tx.insert([case()])
        await tx.insert([attempt(1, provider_ref="ch_1")])
        await tx.save([attempt(1, provider_ref="ch_2")])
        new = await tx.insert([attempt(2, provider_ref="ch_1")])

    assert len(new) == 1


async def test_nothing_stands_when_the_block_raises(store: Store) -> None:
    async def save_and_die() -> None:
        async with store.transaction(OURS) as tx:
            await tx.save([customer()])
            raise LookupError

    with pytest.raises(LookupError):
        await save_and_die()

    async with store.transaction(OURS) as tx:
        assert await tx.find(Customer, where={}) == []


async def test_a_fault_that_was_caught_inside_does_not_commit_in_silence(store: Store) -> None:
    async def save_all_the_same() -> None:
        async with store.transaction(OURS) as tx:
            await tx.save([customer()])
            with contextlib.suppress(RowRefused):
                await tx.save([customer("cus_\x00")])

    with pytest.raises(RowRefused):
        await save_all_the_same()

    async with store.transaction(OURS) as tx:
        assert await tx.find(Customer, where={}) == []


async def test_a_row_may_come_before_the_one_it_refers_to(store: Store) -> None:
    async with store.transaction(OURS) as tx:
        await tx.insert([attempt(1)])
        await tx.insert([case()])

    async with store.transaction(OURS) as tx:
        assert len(await tx.find(Attempt, where={"case_id": "case_1"})) == 1


async def test_a_row_does_not_come_before_the_one_it_belongs_to(store: Store) -> None:
    with pytest.raises(RowRefused):
        await save_all(store, action("x", case_id="case_1"), case())


async def test_what_comes_together_is_written_in_the_order_it_belongs(store: Store) -> None:
    rows: list[Any] = [action("x", case_id="case_1"), case()]
    async with store.transaction(OURS) as tx:
        await tx.insert(rows)

    async with store.transaction(OURS) as tx:
        assert len(await tx.find(Action, where={"case_id": "case_1"})) == 1


async def test_a_row_stays_where_it_belongs(store: Store) -> None:
    await save_all(store, case(), case("case_2"), action("x", case_id="case_1"))

    with pytest.raises(RowRefused):
        await save_all(store, action("x", case_id="case_2"))


@pytest.mark.parametrize(
    "row",
    [
        pytest.param(attempt(1, case_id="case_none"), id="refers to nothing"),
        pytest.param(action("x", case_id="case_none"), id="belongs to no case"),
        pytest.param(replace(customer(), account_id="acc_none"), id="belongs to no account"),
        pytest.param(customer("cus_\x00"), id="a NUL in text"),
        pytest.param(customer("cus_\ud800"), id="half a character"),
        pytest.param(customer(seen_at=NOW.replace(tzinfo=None)), id="an instant without zone"),
        pytest.param(subscription(mrr_minor=2**63), id="too large a number"),
        pytest.param(subscription(items=({"name": "\x00"},)), id="a NUL in a document"),
        pytest.param(subscription(items=({"name": "\ud800"},)), id="half a character in one"),
        pytest.param(subscription(items=({"name": NOW.date},)), id="no JSON"),
        pytest.param(subscription(currency="US Dollar"), id="no currency"),
        pytest.param(case(state="asleep"), id="a word that is no state"),
        pytest.param(case(amount_minor=None), id="no amount"),
        pytest.param(attempt(0), id="an attempt before the first"),
        pytest.param(action("x", claims=-1), id="fewer claims than none"),
        pytest.param(event("x", share=64), id="a share beyond the last"),
    ],
)
async def test_what_the_rules_forbid_is_refused_for_good(store: Store, row: object) -> None:
    with pytest.raises(RowRefused):
        await save_all(store, customer("good"), row)

    async with store.transaction(OURS) as tx:
        assert await tx.find(Customer, where={}) == []


async def test_a_refusal_does_not_quote_the_row(store: Store) -> None:
    with pytest.raises(RowRefused) as refused:
        async with store.transaction(OURS) as tx:
            await tx.save([customer(email="secret@mail.example\ud800")])

    assert "secret" not in str(refused.value)


async def test_an_append_only_row_can_be_added_and_never_replaced(store: Store) -> None:
    async with store.transaction(OURS) as tx:
        await tx.insert([audit_line(actor="first")])
        again = await tx.insert([audit_line(actor="second")])

    with pytest.raises(RowRefused):
        async with store.transaction(OURS) as tx:
            await tx.save([audit_line(actor="third")])

    assert again == []


async def test_one_customer_is_worked_on_by_one_at_a_time(store: Store) -> None:
    order: list[str] = []
    held = asyncio.Event()

    async def first() -> None:
        async with store.transaction(OURS) as tx:
            await tx.lock(ACCOUNT, ["cus_1", "cus_2"])
            held.set()
            await tx.save([customer(name="first")])
            order.append("first")

    async def second() -> None:
        await held.wait()
        async with store.transaction(OURS) as tx:
            await tx.lock(ACCOUNT, ["cus_2", "cus_1"])
            order.extend(row.name or "" for row in await tx.find(Customer, where={}))
            await tx.save([customer(name="second")])

    await asyncio.gather(first(), second())

    assert order == ["first", "first"]


async def test_two_that_wait_for_each_other_do_not_wait_for_ever(store: Store) -> None:
    both = asyncio.Barrier(2)

    async def take(first: str, second: str) -> str:
        try:
            async with store.transaction(OURS) as tx:
                await tx.lock(ACCOUNT, [first])
                await both.wait()
                await tx.lock(ACCOUNT, [second])
        except Conflict:
            return "conflict"
        return "done"

    ends = await asyncio.gather(take("a", "b"), take("b", "a"))

    assert sorted(ends) == ["conflict", "done"]


async def test_the_same_new_row_from_two_at_once_is_stored_once(store: Store) -> None:
    both = asyncio.Barrier(2)

    async def open_case(name: str) -> bool:
        try:
            async with store.transaction(OURS) as tx:
                await both.wait()
                return bool(await tx.insert([case(name, invoice="in_1")]))
        except Conflict:
            return False

    new = await asyncio.gather(open_case("case_1"), open_case("case_2"))

    async with store.transaction(OURS) as tx:
        assert len(await tx.find(Case, where={})) == 1
    assert sorted(new) == [False, True]


async def test_what_is_not_committed_is_seen_by_its_own_transaction_only(store: Store) -> None:
    async with store.transaction(OURS) as tx:
        await tx.save([customer(name="new")])
        async with store.transaction(OURS) as other:
            seen = await other.find(Customer, where={})
        mine = await tx.find(Customer, where={"name": "new"})
        await tx.save([replace(mine[0], email="a@b.example")])

    assert seen == []
    assert [row.name for row in mine] == ["new"]
