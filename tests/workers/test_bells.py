"""Bells: what rings while somebody works is heard afterwards, and rest is told of in time."""

import asyncio
from typing import Any, cast

import pytest

from app.wake import Bells
from workers.loops import keep
from workers.rest import Rest
from workers.shift import Shift

pytestmark = pytest.mark.anyio


class Told:
    """`ports.wake.Wake` that counts."""

    def __init__(self) -> None:
        self.count = 0

    async def now(self) -> None:
        self.count += 1


async def test_a_ring_reaches_each_of_them_whoever_heard_it_first() -> None:
    bells = Bells()
    one, other = bells.hang(), bells.hang()

    bells.ring()

    assert await one.heard(10)
    assert bells.is_rung
    assert await other.heard(10)
    assert not bells.is_rung


@pytest.mark.parametrize(("rings", "tells"), [(True, 0), (False, 1)])
async def test_rest_is_told_of_unless_another_loop_is_about_to_look(
    rings: bool, tells: int
) -> None:
    told = Told()
    shift = Shift(world=cast("Any", None), redis_url="", rest=Rest(told))

    async def takes_in() -> bool:
        if rings:
            shift.due_bell.ring()
        return False

    inbox = asyncio.create_task(keep(shift, "inbox", shift.inbox_bells.hang(), takes_in))
    for _ in range(50):  # far more turns than one step takes
        await asyncio.sleep(0)

    assert told.count == tells
    shift.stop()
    await inbox
