"""What the provider works has a next action until its end, however often that end is moved."""

from dataclasses import replace
from datetime import timedelta

import pytest

from app.domain.actions import ActionKind
from app.domain.dunning import CaseState
from app.domain.merchants import CollectionMode
from app.services.driving import PARKED_AFTER
from tests.review.stage import Stage

pytestmark = pytest.mark.anyio
THREE_DAYS = timedelta(days=3)


async def test_an_end_that_a_final_notice_moved_is_planned_again(stage: Stage) -> None:
    # given a case of the provider's whose window is over, and that waits to be parked
    stage.bank.invoice = replace(stage.bank.invoice, auto_advance=True)
    await stage.changes(driven=False, mode=CollectionMode.OBSERVE)
    case = await stage.case()
    await stage.passes(seconds=(case.window_ends_at - stage.clock.now()).total_seconds() + 60)

    # when a notice that leaves late moves the end of its window
    await stage.changes(window_ends_at=case.window_ends_at + THREE_DAYS)
    await stage.passes(seconds=PARKED_AFTER.total_seconds())
    waiting = await stage.pending(ActionKind.END)
    moved = (await stage.case()).state
    await stage.passes(seconds=THREE_DAYS.total_seconds())

    assert moved is CaseState.ACTIVE
    assert [end.due_at for end in waiting] == [case.window_ends_at + THREE_DAYS + PARKED_AFTER]
    assert (await stage.case()).state is CaseState.PARKED
