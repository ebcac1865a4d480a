"""A round of reconciling comes to its end, however many pages bring nothing."""

from dataclasses import asdict
from datetime import timedelta
from typing import Any

import pytest

from app.domain.actions import ActionKind, action_for
from app.domain.merchants import ProviderAccount
from app.ports.payments import OwingPage
from app.services.reconciling import last_round
from app.services.reconciling_parts import Round
from tests.domain.builders import ACCOUNT
from tests.review.stage import Stage

pytestmark = pytest.mark.anyio
PAGES = 25


async def test_many_pages_that_bring_nothing_are_each_asked_for_once(stage: Stage) -> None:
    # given a provider with thousands of invoices that were not tried yet
    asked: list[str | None] = []

    async def list_owing(account: ProviderAccount, *, after: str | None, **_: Any) -> OwingPage:
        asked.append(after)
        page = int(after or 0)
        return OwingPage(found=(), next=str(page + 1) if page + 1 < PAGES else None)

    stage.bank.list_owing = list_owing  # type: ignore[attr-defined]
    now = stage.clock.now()
    turn = Round(since=now.isoformat(), until=now.isoformat(), part="unpaid")
    begun = action_for(
        ActionKind.RECONCILE,
        subject="acc_1",
        merchant_id="mer_1",
        account_id="acc_1",
        due_at=now,
        data=asdict(turn),
    )
    async with stage.store.transaction("mer_1") as tx:
        await tx.insert([begun])

    await stage.passes(minutes=5)

    action = await last_round(stage.world, ACCOUNT)
    assert len(asked) == len(set(asked)) == PAGES
    assert action is not None
    assert action.due_at > now + timedelta(hours=1)
