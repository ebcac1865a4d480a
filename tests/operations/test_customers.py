"""`holdfast customers`: what is held of one, printed; one erased, and not by mistake."""

import asyncio
import json

import pytest

from app.domain.mirror import Customer
from app.operations import customers
from app.storage.store import PostgresStore, create_engine
from tests.operations.conftest import Command
from tests.storage.builders import OURS, account, account_of, customer, merchant


@pytest.fixture
def known(clean_database: str, says: Command) -> str:
    """A merchant with one customer; where they are stored."""

    async def furnish() -> None:
        engine = create_engine(clean_database)
        async with PostgresStore(engine).transaction(OURS) as tx:
            await tx.insert([merchant(OURS)])
            await tx.insert([account(OURS)])
            await tx.insert([customer("cus_1", name="Ada Lovelace", email="ada@example.com")])
        await engine.dispose()

    asyncio.run(furnish())
    return clean_database


def stored(url: str) -> Customer:
    async def load() -> Customer:
        engine = create_engine(url)
        async with PostgresStore(engine).transaction(OURS) as tx:
            (row,) = await tx.load(Customer, [(account_of(OURS), "cus_1")])
        await engine.dispose()
        return row

    return asyncio.run(load())


def test_what_is_held_of_one_is_printed_as_one_document(known: str, says: Command) -> None:
    status, printed = says(customers.run, "export", "cus_1")

    document = json.loads(printed)
    assert status == 0
    assert document["customer"] == "cus_1"
    assert document["held"]["customer"][0]["name"] == "Ada Lovelace"


def test_nobody_is_erased_by_mistake(known: str, says: Command) -> None:
    status, printed = says(customers.run, "erase", "cus_1")

    assert (status, "--yes" in printed) == (2, True)
    assert stored(known).name == "Ada Lovelace"


def test_who_is_erased_is_named_no_more(known: str, says: Command) -> None:
    status, printed = says(customers.run, "erase", "cus_1", "--yes")
    again, _ = says(customers.run, "erase", "cus_1", "--yes")

    row = stored(known)
    assert (status, again) == (0, 0)
    assert "0 cases were stopped" in printed
    assert (row.erased, row.name, row.email) == (True, None, None)


@pytest.mark.parametrize("command", [("export",), ("erase", "--yes")])
def test_who_is_not_known_is_refused_in_words(
    known: str, says: Command, command: tuple[str, ...]
) -> None:
    status, printed = says(customers.run, *command, "cus_nobody")

    assert (status, printed) == (2, f"holdfast: {OURS} has no customer cus_nobody\n")
