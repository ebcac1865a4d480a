"""What services ask of the store by an id is found by an index, however much an account has."""

from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any, cast

import pytest
from sqlalchemy import UniqueConstraint

from app.ports.store import Ask, Store, Transaction
from app.storage.registry import TABLES
from tests.review.stage import a_payment_notice, open_stage

pytestmark = pytest.mark.anyio
# Everybody's: what begins with these alone is a walk through all that an account has.
WIDE = {"merchant_id", "account_id"}
Form = tuple[type[Any], tuple[str, ...]]


@dataclass
class Overheard:
    """A store that notes by which fields it is asked."""

    store: Store
    forms: set[Form] = field(default_factory=set)

    @asynccontextmanager
    async def transaction(self, *merchants: str) -> AsyncIterator[Transaction]:
        async with self.store.transaction(*merchants) as tx:
            yield cast("Transaction", Ear(tx, self.forms))

    @asynccontextmanager
    async def system(self) -> AsyncIterator[Transaction]:
        async with self.store.system() as tx:
            yield cast("Transaction", Ear(tx, self.forms))


class Ear:
    """A transaction, listened to."""

    def __init__(self, tx: Transaction, forms: set[Form]) -> None:
        self._tx, self._forms = tx, forms

    def __getattr__(self, name: str) -> Any:
        return getattr(self._tx, name)

    async def find(self, kind: type[Any], *, where: Mapping[str, Any], **more: Any) -> list[Any]:
        self._note(kind, where)
        return await self._tx.find(kind, where=where, **more)

    async def ask(self, *questions: Ask) -> list[list[Any]]:
        for one in questions:
            if one.keys is None:
                self._note(one.kind, one.where)
        return await self._tx.ask(*questions)

    def _note(self, kind: type[Any], where: Mapping[str, Any]) -> None:
        names = (name for name, value in where.items() if not name.endswith(("__lte", "__gte")))
        self._forms.add((kind, tuple(sorted(names))))


def ids_of(names: Collection[str]) -> set[str]:
    """The fields that tell few rows apart from the rest."""
    return {name for name in names if name.endswith(("_id", "_ref", "_key"))} - WIDE


def beginnings(kind: type[Any]) -> list[list[str]]:
    """The columns of each index of a record's table, in order."""
    table = TABLES[kind]
    rules = [rule for rule in table.constraints if isinstance(rule, UniqueConstraint)]
    found = [[column.name for column in rule.columns] for rule in (table.primary_key, *rules)]
    return found + [[column.name for column in index.columns] for index in table.indexes]


def is_found(kind: type[Any], names: Collection[str]) -> bool:
    """Whether some index goes by one of the ids, with nothing before it that is not asked by."""
    wanted = ids_of(names)
    for columns in beginnings(kind):
        for column in columns:
            if column in wanted:
                return True
            if column not in names:
                break
    return False


async def test_what_is_asked_by_an_id_is_found_by_an_index() -> None:
    stage = await open_stage()
    overheard = Overheard(stage.store)
    stage.world, stage.store = replace(stage.world, store=overheard), cast("Any", overheard)

    await stage.passes(days=9)
    stage.is_paid()
    await stage.hears(a_payment_notice(stage.clock.now()))
    await stage.passes(days=30)

    by_id = {form for form in overheard.forms if ids_of(form[1])}
    assert len(by_id) > 10
    assert (
        sorted(f"{kind.__name__} by {names}" for kind, names in by_id if not is_found(kind, names))
        == []
    )
