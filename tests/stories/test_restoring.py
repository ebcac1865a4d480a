"""A backup was restored: what is due by then may have left before, and nobody here knows."""

import pytest

from app.domain.dunning import IllegalMove
from app.domain.messages import Message, MessageState
from app.services import merchants
from app.services.restoring import withhold_letters
from tests.stories.cards import EXPIRED
from tests.stories.stage import Stage

pytestmark = pytest.mark.anyio


async def test_what_was_due_when_a_backup_was_restored_is_not_sent_again(stage: Stage) -> None:
    # given a letter that came due while the account rests after the restore
    person = await stage.subscriber(EXPIRED)
    case = await stage.fails(person)
    await merchants.pause_account(stage.world, stage.account, reason="restored", actor="test")
    await stage.passes(hours=12)

    # when it is withheld, twice, and the account works again
    first = await withhold_letters(stage.world, stage.account, actor="test")
    again = await withhold_letters(stage.world, stage.account, actor="test")
    await merchants.resume_account(stage.world, stage.account, actor="test")
    await stage.passes(days=8)

    # then it is shown as unknown, and the letters after it leave
    (failed,) = await stage.find(Message, case_id=case.case_id, step="failed")
    assert (first, again) == (1, 0)
    assert failed.state is MessageState.UNKNOWN
    assert await stage.letters(case) == ["reminder-1", "reminder-2"]


async def test_nothing_is_withheld_while_letters_leave(stage: Stage) -> None:
    with pytest.raises(IllegalMove, match="not paused"):
        await withhold_letters(stage.world, stage.account, actor="test")
