"""An action that always fails in a way nobody foresaw: a person is told, and the others go on."""

from collections import Counter
from dataclasses import replace
from datetime import timedelta
from typing import Any, cast

import pytest

from app.domain.actions import Action
from app.domain.dunning import CaseState
from app.ports.payments import Payments
from app.services import actions
from app.services.actions import AT_MOST_FAULTS
from tests.stories.cards import REFUSED_ONCE
from tests.stories.stage import Stage

pytestmark = pytest.mark.anyio


class Unforeseen(Exception):
    """What no handler knows."""


class Stumbling:
    """The provider, over whose answer about one invoice we stumble each time."""

    def __init__(self, payments: Payments, invoice: str) -> None:
        self._payments, self._invoice = payments, invoice

    def __getattr__(self, name: str) -> Any:
        return getattr(self._payments, name)

    async def read_invoice(self, account: Any, invoice: str, **told: Any) -> Any:
        if invoice == self._invoice:
            raise Unforeseen("an answer of a kind that there is not")
        return await self._payments.read_invoice(account, invoice, **told)


async def _works(stage: Stage) -> list[Action]:
    """What is due is carried out as the workers do it; what went wrong."""
    wrong = []
    for action in await stage.claims():
        try:
            await actions.carry_out(stage.world, action)
        except Unforeseen as fault:
            wrong.append(action)
            await actions.failed(stage.world, action, fault)
    return wrong


async def test_what_always_fails_is_left_to_a_person_after_some_times_and_others_go_on(
    stage: Stage,
) -> None:
    # given two open cases, over one of which everything stumbles
    poison = await stage.subscriber(REFUSED_ONCE)
    other = await stage.subscriber(REFUSED_ONCE)
    stuck = await stage.fails(poison)
    whole = stage.world
    stumbling = cast("Payments", Stumbling(whole.payments, stuck.invoice_id))
    stage.world = replace(whole, payments=stumbling)
    assert stuck.next_attempt_at is not None

    # when its next action is due, and for a day after it
    stage.turns_to(stuck.next_attempt_at + timedelta(hours=1))
    wrong = []
    for _ in range(48):
        wrong += await _works(stage)
        await stage.listens()
        stage.turns_to(stage.now + timedelta(minutes=30))
    stage.world = whole
    await stage.plays()

    # then it was tried five times and its case is left to a person, and the other was paid
    tries = Counter(action.action_id for action in wrong)
    assert max(tries.values()) == AT_MOST_FAULTS
    assert (await stage.case(poison)).state is CaseState.PARKED
    assert "action_parked" in await stage.alerts()
    assert (await stage.case(other)).state is CaseState.RECOVERED
