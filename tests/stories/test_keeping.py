"""What is over is kept for each merchant, whatever goes wrong with another's."""

from collections.abc import Awaitable, Callable
from datetime import datetime

import pytest

from app.ports.store import StoreUnavailable
from app.services import merchants, rollups
from tests.stories.stage import Stage

pytestmark = pytest.mark.anyio


class FailsFor:
    """`ports.rollups.Rollups` that can neither fold nor keep anything of one merchant."""

    def __init__(self, merchant_id: str) -> None:
        self.merchant_id = merchant_id
        self.asked: list[str] = []

    async def fold(self, merchant_id: str, *, until: datetime) -> bool:
        return await self.keep(merchant_id)

    async def rebuild(self, merchant_id: str, *, until: datetime) -> None: ...

    async def keep(self, merchant_id: str) -> bool:
        self.asked.append(merchant_id)
        if merchant_id == self.merchant_id:
            raise StoreUnavailable("it takes too long")
        return True


async def two_merchants(stage: Stage) -> list[str]:
    other = await merchants.create_merchant(stage.world, name="Other", actor="test")
    await merchants.create_account(
        stage.world,
        merchant_id=other.merchant_id,
        api_key="sk_test_other",
        actor="test",
        live=False,
        webhook_secrets=["whsec_other"],
    )
    return sorted({stage.merchant.merchant_id, other.merchant_id})


@pytest.mark.parametrize("due", [rollups.fold_due, rollups.keep_due])
async def test_a_merchant_of_whom_nothing_can_be_kept_holds_nobody_else_up(
    stage: Stage, due: Callable[..., Awaitable[bool]]
) -> None:
    # given two merchants with an account each, and one of them with too much
    both = await two_merchants(stage)
    failing = FailsFor(both[0])

    # then the other's is kept, and the error is not lost
    with pytest.raises(StoreUnavailable):
        await due(stage.world, failing)
    assert failing.asked == both
    assert await due(stage.world, FailsFor("nobody"))


@pytest.mark.parametrize("due", [rollups.fold_due, rollups.keep_due])
async def test_who_stops_does_not_go_through_all_merchants_first(
    stage: Stage, due: Callable[..., Awaitable[bool]]
) -> None:
    both = await two_merchants(stage)
    kept = FailsFor("nobody")

    await due(stage.world, kept, is_over=lambda: bool(kept.asked))

    assert kept.asked == both[:1]
