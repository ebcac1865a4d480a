"""Many forms at once: one sender closes them to nobody else."""

from collections.abc import Callable

import httpx
import pytest

from app.domain.declarations import Declaration
from app.pages.forms import MOST_OF_ALL
from app.services import merchants
from tests.stories.cards import APPROVES
from tests.stories.leaving import MOST_OF_ONE, Door
from tests.stories.test_declaring import filled, path

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
