"""Many forms at once, and several with one address: one sender closes them to nobody else, and
keeps no letter from a customer."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import httpx
import pytest

from app.domain.declarations import Declaration, DeclarationKind, DeclarationState, Given
from app.domain.messages import Message, MessageState
from app.pages.forms import MOST_OF_ALL
from app.services import declaring, erasing, merchants, personal_data
from tests.stories.cards import APPROVES
from tests.stories.leaving import MOST_OF_ONE, Door
from tests.stories.test_declaring import (
    address,
    declares,
    filled,
    path,
    seen,
    sheet,
)

pytestmark = pytest.mark.anyio
JUNK = {"name": "M", "email": "m@example.com", "reference": "x"}


@pytest.fixture
def door(forms_door: Door) -> Door:
    return forms_door


def sender(door: Door, address: str) -> httpx.AsyncClient:
    """Somebody at another address."""
    transport = httpx.ASGITransport(door.app, client=(address, 4711))
    return httpx.AsyncClient(transport=transport, base_url="http://holdfast")


async def sends(client: httpx.AsyncClient, where: str, times: int) -> list[int]:
    return [(await client.post(where, data=JUNK)).status_code for _ in range(times)]


async def test_one_sender_closes_the_forms_to_nobody_else(door: Door) -> None:
    # given one address that sends more than all together may
    person = await door.stage.subscriber(APPROVES)
    async with sender(door, "192.0.2.1") as noisy, sender(door, "198.51.100.7") as other:
        sent = await sends(noisy, path(door), MOST_OF_ALL + 1)

        # when somebody else declares
        page = await other.post(path(door), data=filled(person))

    assert sent.count(429) == MOST_OF_ALL + 1 - MOST_OF_ONE
    assert page.status_code == 303
    assert len(await door.stage.find(Declaration)) == MOST_OF_ONE + 1


async def test_whoever_sent_too_many_may_declare_to_another_merchant(
    door: Door,
) -> None:
    other = await merchants.create_merchant(door.stage.world, name="Other", actor="test")
    async with sender(door, "192.0.2.1") as noisy:
        await sends(noisy, path(door), MOST_OF_ONE + 1)

        page = await noisy.post(f"/f/{other.merchant_id}/cancel", data=JUNK)

    assert page.status_code == 303


@pytest.mark.parametrize(
    ("address", "status"),
    [
        (lambda n: f"2001:db8:1:2::{n}", 429),
        (lambda n: f"2001:db8:1:{n}::7", 303),
        (lambda n: f"::ffff:192.0.2.{n}", 303),
    ],
    ids=["of one network", "of several", "of IPv4 mapped"],
)
async def test_the_addresses_of_one_network_are_one_sender(
    door: Door, address: Callable[[int], str], status: int
) -> None:
    answers = []
    for number in range(1, MOST_OF_ONE + 2):
        async with sender(door, address(number)) as client:
            answers += await sends(client, path(door), 1)

    assert answers == [303] * MOST_OF_ONE + [status]


def letters(rows: list[Message]) -> dict[str | None, list[MessageState]]:
    """The states of the letters by whom they are of."""
    told: dict[str | None, list[MessageState]] = {}
    for row in rows:
        if row.template == "declaration_received":
            told.setdefault(row.customer_id, []).append(row.state)
    return told


async def test_a_stranger_keeps_no_acknowledgement_from_a_customer(door: Door) -> None:
    stage, person = door.stage, await door.stage.subscriber(APPROVES)
    for _ in range(3):
        await declares(door, JUNK | {"email": address(person)}, "cancel")

    await declares(door, filled(person), "cancel")
    await stage.passes(hours=1)

    told = letters(await stage.find(Message))
    assert told[person.customer] == [MessageState.SENT]


async def test_where_a_letter_may_not_come_the_page_says_so_and_tells_nobody_who_is_a_customer(
    door: Door,
) -> None:
    stage, person = door.stage, await door.stage.subscriber(APPROVES)
    pages = [await declares(door, JUNK | {"email": address(person)}, "kuendigen") for _ in range(4)]

    theirs = await declares(door, filled(person))
    file = await door.client.get(f"{theirs.url.path}/file")

    may_not = "eine Bestätigung per E-Mail bleibt daher möglicherweise aus"
    assert ["Sie erhalten eine Bestätigung" in seen(page) for page in pages[:3]] == [True] * 3
    assert [may_not in seen(page) for page in pages[:3]] == [False] * 3
    assert may_not in seen(pages[3])
    assert may_not in seen(theirs)
    assert may_not in file.text
    told = letters(await stage.find(Message))
    assert sorted(told[None]) == [MessageState.DROPPED, *[MessageState.PLANNED] * 3]


async def test_a_merchant_that_writes_no_letters_promises_none(door: Door) -> None:
    other = await merchants.create_merchant(door.stage.world, name="Other", actor="test")

    page = await door.client.post(f"/f/{other.merchant_id}/kuendigen", data=JUNK)

    assert "Eine Bestätigung per E-Mail wird nicht versandt" in seen(page)


@pytest.mark.parametrize("written", ["müller@example.com", "a..b@x.de", "a.@x.de", "a@-x.de"])
async def test_an_address_that_no_letter_can_go_to_is_asked_for_again(
    door: Door, written: str
) -> None:
    page = await declares(door, JUNK | {"email": written})

    assert page.status_code == 422
    assert "an die wir schreiben können" in seen(page)
    assert not await door.stage.find(Declaration)


async def test_a_second_contract_on_the_sheet_of_the_first_is_declared_too(door: Door) -> None:
    # given somebody who has declared one contract, and goes back in the browser
    stage = door.stage
    one, other = await stage.subscriber(APPROVES), await stage.subscriber(APPROVES)
    once = {"once": sheet(await door.client.get(path(door)))}
    first = await door.client.post(path(door), data=filled(one) | once)

    # when the other is written on the same sheet, and sent twice
    pages = [await door.client.post(path(door), data=filled(other) | once) for _ in range(2)]
    await stage.passes(hours=1)

    rows = {row.reference: row.state for row in await stage.find(Declaration)}
    assert rows == {
        one.subscription: DeclarationState.DONE,
        other.subscription: DeclarationState.DONE,
    }
    assert one.subscription in seen(first)
    assert [other.subscription in seen(page) for page in pages] == [True, True]
    assert pages[0].url == pages[1].url != first.url


class Watched:
    """A transaction that counts the declarations it reads."""

    def __init__(self, tx: Any, read: list[Any]) -> None:
        self._tx, self._read = tx, read

    def __getattr__(self, name: str) -> Any:
        return getattr(self._tx, name)

    async def find(self, kind: Any, **told: Any) -> list[Any]:
        rows: list[Any] = await self._tx.find(kind, **told)
        self._read += [row for row in rows if isinstance(row, Declaration)]
        return rows

    async def ask(self, *questions: Any) -> list[list[Any]]:
        answers: list[list[Any]] = await self._tx.ask(*questions)
        self._read += [row for rows in answers for row in rows if isinstance(row, Declaration)]
        return answers


class Watching:
    """A store that counts the declarations that are read."""

    def __init__(self, store: Any) -> None:
        self._store, self.read = store, list[Any]()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    @asynccontextmanager
    async def transaction(self, *merchants: str) -> AsyncIterator[Any]:
        async with self._store.transaction(*merchants) as tx:
            yield Watched(tx, self.read)


async def test_what_others_declared_is_read_for_nobody(door: Door) -> None:
    # given a form of each of many addresses
    stage, person = door.stage, await door.stage.subscriber(APPROVES)
    merchant = stage.merchant.merchant_id
    for number in range(20):
        given = Given(kind=DeclarationKind.ORDINARY, reference="x", **of_nobody(number))
        await declaring.declare(stage.world, merchant, given, once=f"sheet-{number}")
    store: Any = Watching(stage.world.store)
    world = replace(stage.world, store=store)
    theirs = Given(
        kind=DeclarationKind.ORDINARY, name="A", email=address(person).upper(), reference="x"
    )

    # when somebody declares, is told what is held of them, and is erased
    await declaring.declare(world, merchant, theirs, once="theirs")
    told = await personal_data.export(world, merchant, person.customer, actor="test")
    erased = await erasing.erase(world, merchant, person.customer, actor="test")

    # then only what bears their address was read, and none of it is left
    assert {row.email.lower() for row in store.read} == {address(person)}
    assert [row["email"] for row in told["held"]["declarations"]] == [address(person).upper()]
    assert erased.overwritten["declarations"] == 1


async def test_what_a_former_release_took_down_is_erased_as_well(door: Door) -> None:
    stage, person = door.stage, await door.stage.subscriber(APPROVES)
    merchant = stage.merchant.merchant_id
    await declares(door, JUNK | {"email": address(person)})
    async with stage.world.store.transaction(merchant) as tx:
        rows = await tx.find(Declaration, where={"merchant_id": merchant})
        await tx.save([replace(row, email_hash=None) for row in rows])

    await erasing.erase(stage.world, merchant, person.customer, actor="test")

    assert [row.email for row in await stage.find(Declaration)] == [""]


def of_nobody(number: int) -> dict[str, str]:
    return {"name": "M", "email": f"m{number}@example.com"}
