"""Somebody is erased while a link of theirs is answered: nothing they say comes in behind it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest

from app.domain.afterwards import AfterLetter, ExitFeedback
from app.domain.correspondence import Suppression
from app.domain.messages import Message, PaymentLink
from app.domain.personal import is_veiled
from app.ports.world import World
from app.services import erasing, suppressions, ways_back
from tests.stories.leaving import Door
from tests.stories.looks import Person
from tests.stories.parting import leaves, link, switched

pytestmark = pytest.mark.anyio


PATIENCE_S = 2.0  # an erasure that is not through by then waits for the customer


class Interrupted:
    """A transaction that is interrupted by an erasure, once it has read a kind of rows."""

    def __init__(self, tx: Any, store: "Interrupting") -> None:
        self._tx, self._store = tx, store

    def __getattr__(self, name: str) -> Any:
        return getattr(self._tx, name)

    async def find(self, kind: Any, **told: Any) -> list[Any]:
        rows: list[Any] = await self._tx.find(kind, **told)
        await self._store.interrupt(kind)
        return rows

    async def load(self, kind: Any, keys: Any) -> list[Any]:
        rows: list[Any] = await self._tx.load(kind, keys)
        await self._store.interrupt(kind)
        return rows


class Interrupting:
    """A store in which somebody is erased as soon as rows of a kind were read."""

    def __init__(self, door: Door, person: Person, kind: type[Any]) -> None:
        self._world, self._store = door.stage.world, door.stage.world.store
        self._whom = (door.stage.merchant.merchant_id, person.customer)
        self._kind = kind
        self.erasing: asyncio.Task[Any] | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    @asynccontextmanager
    async def system(self) -> AsyncIterator[Any]:
        async with self._store.system() as tx:
            yield Interrupted(tx, self)

    async def interrupt(self, kind: type[Any]) -> None:
        if kind is self._kind and self.erasing is None:
            erasing_it = erasing.erase(self._world, *self._whom, actor="test")
            self.erasing = asyncio.create_task(erasing_it)
            await asyncio.wait({self.erasing}, timeout=PATIENCE_S)


@asynccontextmanager
async def erased_after(door: Door, person: Person, kind: type[Any]) -> AsyncIterator[World]:
    """The world in which somebody is erased once rows of a kind were read, and afterwards is."""
    store: Any = Interrupting(door, person, kind)
    yield replace(door.stage.world, store=store)
    assert store.erasing is not None
    await store.erasing


@pytest.mark.parametrize("kind", [PaymentLink, Message])
async def test_an_answer_that_an_erasure_overtakes_is_not_kept(door: Door, kind: type[Any]) -> None:
    await switched(door.stage, AfterLetter.EXIT_FEEDBACK)
    person = await leaves(door, "too_expensive")
    await door.stage.passes(days=2)
    token = await link(door.stage, AfterLetter.EXIT_FEEDBACK, "q")

    async with erased_after(door, person, kind) as world:
        await ways_back.answer(world, token, "It is me, Ada.")

    assert [row.words for row in await door.stage.find(ExitFeedback) if row.words] == []


@pytest.mark.parametrize("kind", [PaymentLink, Message])
async def test_who_unsubscribes_while_they_are_erased_leaves_no_address(
    door: Door, kind: type[Any]
) -> None:
    await switched(door.stage, AfterLetter.WIN_BACK)
    person = await leaves(door, "too_expensive")
    await door.stage.passes(days=62)
    (mail,) = [one for one in await door.stage.mails() if "/b/" in one.text]
    token = mail.text.partition("/u/")[2].split()[0]

    async with erased_after(door, person, kind) as world:
        await suppressions.unsubscribe(world, token)

    kept = await door.stage.find(Suppression)
    assert [row.recipient for row in kept if not is_veiled(row.recipient)] == []
