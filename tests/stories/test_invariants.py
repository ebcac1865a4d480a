"""A round of the invariants: a person is told of what is broken, until it holds again."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

import pytest

from app.domain.actions import Action, ActionKind, ActionState
from app.domain.alerts import AlertKind
from app.domain.invariants import EVERY, INVARIANTS
from app.domain.merchants import ProviderAccount
from app.domain.operations import Alert
from app.domain.records import Record
from app.services.invariants import last_round, plan_everywhere
from tests.stories.cards import REFUSED
from tests.stories.stage import Stage

pytestmark = pytest.mark.anyio


async def keeps(stage: Stage, rows: Sequence[Record]) -> None:
    """A hand in the database."""
    async with stage.world.store.transaction(stage.merchant.merchant_id) as tx:
        await tx.save(rows)


async def asked(stage: Stage) -> Action:
    rounds = (a for a in await stage.find(Action) if a.kind is ActionKind.CHECK_INVARIANTS)
    return next(rounds)


async def connected(stage: Stage) -> None:
    account = replace(stage.account, webhook_secrets_sealed=("sealed",))
    await keeps(stage, [account])
    await plan_everywhere(stage.world)


async def broken(stage: Stage) -> list[tuple[str, bool]]:
    found = [alert for alert in await stage.find(Alert) if alert.kind == AlertKind.INVARIANT_BROKEN]
    return [(alert.subject, alert.resolved_at is None) for alert in found]


async def test_a_case_that_lost_its_next_action_is_told_of_and_taken_back(stage: Stage) -> None:
    # given a case whose actions somebody deleted, as far as anything here can be deleted
    person = await stage.subscriber(REFUSED)
    case = await stage.fails(person)
    await connected(stage)
    lost = await stage.pending(case)
    await keeps(stage, [replace(action, state=ActionState.DROPPED) for action in lost])

    # when a round asks, and another after it was put right
    await stage.works()
    first = await broken(stage)
    await keeps(stage, lost)
    await stage.reaches(stage.now + EVERY)

    # then a person was told, and the alert closed itself
    assert ("active_without_action", True) in first
    assert all(not is_open for _, is_open in await broken(stage))


async def test_a_round_is_one_action_and_comes_again_every_five_minutes(stage: Stage) -> None:
    await connected(stage)
    await connected(stage)

    began = stage.now
    await stage.passes(hours=0.2)

    action = await asked(stage)
    kinds = [a.kind for a in await stage.find(Action)]
    assert kinds.count(ActionKind.CHECK_INVARIANTS) == 1
    assert action.due_at == began + 3 * EVERY
    assert (action.data or {})["found"] == dict.fromkeys(INVARIANTS, 0)
    assert await last_round(stage.world, stage.merchant.merchant_id) == began + 2 * EVERY


async def test_a_paused_account_is_asked_all_the_same(stage: Stage) -> None:
    await connected(stage)
    (account,) = await stage.find(ProviderAccount)
    await keeps(stage, [replace(account, paused_at=stage.now, paused_reason="by a person")])

    await stage.works()

    assert (await asked(stage)).due_at == stage.now + timedelta(minutes=5)
