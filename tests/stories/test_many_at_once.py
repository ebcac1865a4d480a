"""Commands about an account with very many open cases: a page at a time, and safe when cut off."""

from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any, cast

import pytest

from app.domain.actions import Action, ActionKind, ActionState
from app.domain.dunning import Case
from app.domain.merchants import CollectionMode, ProviderAccount
from app.domain.messages import Message, MessageState
from app.ports.store import Store, StoreUnavailable
from app.ports.world import World
from app.services import merchants
from app.services.parking import begin_again
from app.services.restoring import withhold_letters

pytestmark = pytest.mark.anyio
DRIVE, OBSERVE = CollectionMode.DRIVE, CollectionMode.OBSERVE
MANY = 1_201
A_TRANSACTION = 1_000  # rows; 4.5 s are enough for many times as many


class Counted:
    """The store, with the rows that each transaction wrote. At one of them the database goes away,
    before one of them something else happens."""

    def __init__(
        self,
        store: Store,
        *,
        gone_at: int = 0,
        meanwhile_at: int = 0,
        meanwhile: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        self.store, self.gone_at = store, gone_at
        self.meanwhile_at, self.meanwhile = meanwhile_at, meanwhile
        self.wrote: list[int] = []

    @asynccontextmanager
    async def transaction(self, *of: str) -> AsyncIterator[Any]:
        self.wrote.append(0)
        if self.meanwhile and len(self.wrote) == self.meanwhile_at:
            await self.meanwhile()
        async with self.store.transaction(*of) as tx:
            yield Rows(tx, self.wrote)
            if len(self.wrote) == self.gone_at:
                raise StoreUnavailable


class Rows:
    """A transaction that counts what is written."""

    def __init__(self, tx: Any, wrote: list[int]) -> None:
        self.tx, self.wrote = tx, wrote

    def __getattr__(self, name: str) -> Any:
        return getattr(self.tx, name)

    async def insert(self, rows: Sequence[Any]) -> Any:
        self.wrote[-1] += len(rows)
        return await self.tx.insert(rows)

    async def save(self, rows: Sequence[Any]) -> None:
        self.wrote[-1] += len(rows)
        await self.tx.save(rows)


@pytest.fixture
async def account(world: World) -> ProviderAccount:
    merchant = await merchants.create_merchant(world, name="Kelp", actor="test")
    return await merchants.create_account(
        world,
        merchant_id=merchant.merchant_id,
        api_key="sk_test_1",
        actor="test",
        live=False,
        mode=DRIVE,
    )


async def there_are(world: World, account: ProviderAccount, rows: Sequence[Any]) -> None:
    for first in range(0, len(rows), 500):
        async with world.store.transaction(account.merchant_id) as tx:
            await tx.insert(rows[first : first + 500])


async def found(world: World, account: ProviderAccount, kind: type[Any]) -> list[Any]:
    async with world.store.transaction(account.merchant_id) as tx:
        rows: list[Any] = await tx.find(kind, where={"account_id": account.account_id})
    return rows


def cases(account: ProviderAccount) -> list[Case]:
    at = account.created_at
    assert at
    return [
        Case(
            case_id=f"case_{n:05d}",
            merchant_id=account.merchant_id,
            account_id=account.account_id,
            invoice_id=f"in_{n}",
            opened_at=at,
            window_ends_at=at + timedelta(days=28),
            mode=DRIVE,
            driven=True,
        )
        for n in range(MANY)
    ]


def counting(world: World, **how: Any) -> tuple[World, Counted]:
    store = Counted(world.store, **how)
    return replace(world, store=cast("Store", store)), store


async def broken_off(
    deed: Callable[..., Awaitable[int]], world: World, account: ProviderAccount, *, gone_at: int
) -> tuple[int, int, Counted]:
    """What a deed that breaks off does when it is asked for twice more, and what that wrote."""
    with pytest.raises(StoreUnavailable):
        await deed(counting(world, gone_at=gone_at)[0], account, actor="test")
    counted, store = counting(world)
    rest = await deed(counted, account, actor="test")
    return rest, await deed(world, account, actor="test"), store


async def test_leaving_drive_hands_a_page_of_cases_over_at_once(
    world: World, account: ProviderAccount
) -> None:
    await there_are(world, account, cases(account))
    counted, store = counting(world)

    await merchants.set_mode(counted, account, OBSERVE, actor="test")

    handed = await found(world, account, Action)
    assert Counter(row.kind for row in handed) == {ActionKind.GIVE_BACK: MANY}
    assert max(store.wrote) <= A_TRANSACTION


async def test_a_change_of_mode_that_was_cut_off_goes_on_when_asked_again(
    world: World, account: ProviderAccount
) -> None:
    # given a change that broke off at its third transaction
    await there_are(world, account, cases(account))
    with pytest.raises(StoreUnavailable):
        await merchants.set_mode(counting(world, gone_at=3)[0], account, OBSERVE, actor="test")
    half = len(await found(world, account, Action))

    # when it is asked for again, and once more
    for _ in range(2):
        await merchants.set_mode(world, account, OBSERVE, actor="test")

    # then each case was handed over once
    handed = Counter(row.case_id for row in await found(world, account, Action))
    assert 0 < half < MANY
    assert (len(handed), set(handed.values())) == (MANY, {1})


async def test_a_change_back_in_the_meantime_ends_the_former(
    world: World, account: ProviderAccount
) -> None:
    await there_are(world, account, cases(account))

    async def drives_on() -> None:
        await merchants.set_mode(world, account, DRIVE, actor="test")

    counted, _ = counting(world, meanwhile_at=3, meanwhile=drives_on)
    await merchants.set_mode(counted, account, OBSERVE, actor="test")

    (now,) = await merchants.list_accounts(world)
    assert now[1].mode is DRIVE
    assert len(await found(world, account, Action)) == merchants.ROWS_AT_ONCE


async def test_letters_are_withheld_by_the_page_and_those_of_later_stay(
    world: World, account: ProviderAccount
) -> None:
    # given a paused account with letters that are due, and some of next month
    await there_are(world, account, cases(account))
    now = world.clock.now()
    letters = [
        Message(
            message_id=f"msg_{n:05d}",
            merchant_id=account.merchant_id,
            account_id=account.account_id,
            case_id=f"case_{n:05d}",
            step="failed",
            template="payment_failed",
            due_at=now + timedelta(days=30 if n % 3 == 0 else -1),
        )
        for n in range(MANY)
    ]
    due = sum(letter.due_at < now for letter in letters)
    await there_are(world, account, letters)
    await merchants.pause_account(world, account, reason="restored", actor="test")

    # when withholding breaks off at its third page, and is asked for twice more
    rest, none, store = await broken_off(withhold_letters, world, account, gone_at=3)

    # then all that were due are withheld, in small transactions, and nothing else
    states = Counter(one.state for one in await found(world, account, Message))
    assert states == {MessageState.SENDING: due, MessageState.PLANNED: MANY - due}
    assert (rest, none) == (due - 400, 0)
    assert max(store.wrote) <= A_TRANSACTION


async def test_what_was_parked_begins_again_by_the_page(
    world: World, account: ProviderAccount
) -> None:
    # given very many actions that wait for a person, some of them with their open case
    await there_are(world, account, cases(account)[:300])
    parked = [
        Action(
            action_id=f"act_{n:05d}",
            merchant_id=account.merchant_id,
            account_id=account.account_id,
            case_id=f"case_{n:05d}" if n < 300 else None,
            kind=ActionKind.RETRY if n < 300 else ActionKind.READ,
            subject=f"in_{n}",
            key=f"key_{n}",
            due_at=world.clock.now(),
            state=ActionState.PARKED,
        )
        for n in range(MANY)
    ]
    await there_are(world, account, parked)

    # when they are begun again, it breaks off at the fourth page, and is asked for twice more
    begun, none, store = await broken_off(begin_again, world, account, gone_at=4)

    # then all begin again but those whose case waits as well
    states = Counter(row.state for row in await found(world, account, Action))
    assert states == {ActionState.PENDING: MANY - 300, ActionState.PARKED: 300}
    assert (begun, none) == (MANY - 600, 0)
    assert max(store.wrote) <= A_TRANSACTION
