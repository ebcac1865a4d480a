"""Who accepted an offer: still there after a day, a month, a quarter? And who left after all."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from app.domain.actions import Action, ActionKind, ActionState
from app.domain.churn import ChurnRecord
from app.domain.redemptions import Redemption
from app.domain.saves import SaveStep
from app.domain.sessions import CancelSession
from app.services import actions, saves
from tests.stories.leaving import Door
from tests.stories.stage import Stage
from tests.stories.test_staying import accepts, asked, door

__all__ = ["door"]
pytestmark = pytest.mark.anyio


async def ladder(stage: Stage) -> list[tuple[str, bool, str | None]]:
    """The rungs that were judged, in the order in which they were due."""
    found = sorted(await stage.find(SaveStep), key=lambda step: (step.due_at, step.rung))
    return [(str(step.rung), step.kept, step.why) for step in found]


def leaves(stage: Stage, accepted: SaveStep) -> None:
    """Somebody ends it at the provider, at once."""
    path = f"customers/{accepted.customer_id}/acts"
    stage.sandbox.control(
        path, {"act": "cancel_subscription", "subscription": accepted.subscription_id}
    )


async def test_who_stays_climbs_the_ladder_to_its_end(door: Door) -> None:
    stage = door.stage
    await accepts(await asked(door))
    assert await ladder(stage) == [("accepted", True, None)]

    await stage.passes(days=91)

    assert await ladder(stage) == [
        ("accepted", True, None),
        ("deflected_24h", True, None),
        ("saved_30d", True, None),
        ("saved_90d", True, None),
    ]
    (first, *_) = await stage.find(SaveStep)
    assert (first.offer_kind, first.reason, first.mrr_minor) == ("discount", "too_expensive", 3000)


async def test_who_leaves_after_a_week_was_deflected_and_not_saved(door: Door) -> None:
    stage = door.stage
    leaver = await asked(door)
    await accepts(leaver)
    await stage.passes(days=7)
    (accepted, *_) = await stage.find(SaveStep)

    leaves(stage, accepted)
    await stage.passes(days=84)

    assert await ladder(stage) == [
        ("accepted", True, None),
        ("deflected_24h", True, None),
        ("saved_30d", False, "ended"),
        ("saved_90d", False, "ended"),
    ]
    assert [record.kind for record in await stage.find(ChurnRecord)] == ["voluntary"]


async def test_a_rung_whose_webhooks_were_lost_is_judged_by_the_provider(door: Door) -> None:
    # given somebody who left where nobody told us
    stage = door.stage
    await accepts(await asked(door))
    await stage.passes(days=2)
    (accepted, *_) = await stage.find(SaveStep)
    stage.hears = False
    leaves(stage, accepted)

    # when the rung is due, and a day has passed since we heard anything
    stage.turns_to(accepted.begun_at + timedelta(days=30))
    for action in await of_rung(stage, "saved_30d"):
        await actions.carry_out(stage.world, action)

    # then the provider is asked, and the ledger of churn learns of the end as well
    assert ("saved_30d", False, "ended") in await ladder(stage)
    assert [record.kind for record in await stage.find(ChurnRecord)] == ["voluntary"]


async def of_rung(stage: Stage, rung: str) -> list[Action]:
    """The look that judges a rung, claimed."""
    found = await stage.find(Action, state=ActionState.PENDING)
    return [one for one in found if (one.data or {}).get("rung") == rung]


async def test_a_look_that_comes_twice_judges_once(door: Door) -> None:
    stage = door.stage
    await accepts(await asked(door))
    stage.turns_to(stage.now + timedelta(days=1))
    (action,) = await of_rung(stage, "deflected_24h")

    for _ in range(2):
        await saves.check(stage.world, action)

    assert [rung for rung, _, _ in await ladder(stage)] == ["accepted", "deflected_24h"]


async def test_a_ladder_nobody_began_is_begun_by_the_next_round(door: Door) -> None:
    # given somebody who was saved before ladders were kept
    stage = door.stage
    await accepts(await asked(door))
    (session,) = await stage.find(CancelSession)
    (redemption,) = await stage.find(Redemption)
    old: dict[str, Any] = {"session_id": "cxs_of_before"}
    async with stage.world.store.transaction(stage.merchant.merchant_id) as tx:
        await tx.insert([replace(session, **old, token_hash="of_before")])
        await tx.insert([replace(redemption, **old, redemption_id="red_of_before")])

    # when the ladders are caught up with, twice
    begun = [await saves.catch_up(stage.world, stage.account) for _ in range(2)]

    # then it has one, with all its looks
    assert begun == [1, 0]
    looks = await stage.find(Action, subject="cxs_of_before")
    assert [look.kind for look in looks] == [ActionKind.CHECK_SAVE] * 3


async def test_who_went_away_without_a_word_stands_beside_the_ladder(door: Door) -> None:
    stage = door.stage
    await asked(door)

    await stage.passes(days=2)

    assert await ladder(stage) == [("abandoned", False, "abandoned")]
