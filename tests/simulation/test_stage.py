"""What is asked at rest is asked when all that came in was handled."""

from datetime import timedelta

import pytest

from app.domain.operations import InboxEvent, InboxState
from tests.simulation.machine import BEGINNING, Machine
from tests.simulation.stage import DAY_S, Stage


@pytest.mark.parametrize(
    "moments",
    [
        pytest.param([nth / 10 for nth in range(60)], id="it comes in (seed 549466)"),
        pytest.param([0.01], id="it is on its way (seed 1027714)"),
    ],
)
def test_what_is_told_at_the_last_moment_is_handled_before_all_is_looked_at(
    moments: list[float],
) -> None:
    # given somebody of whom the provider tells shortly before the end
    stage = Stage(Machine(1))
    person = stage.signs_up({"kind": "approve"}, BEGINNING + timedelta(days=3))
    stage.begins()
    bank, loop = person.estate.bank, stage.machine.loop
    end = loop.time() + DAY_S

    def tells(nth: int) -> None:
        told = {"metadata": {"n": str(nth)}}
        bank.does(lambda: bank.world.call("POST", f"/v1/customers/{person.customer}", told))

    for nth, before in enumerate(moments):
        loop.call_at(end - before, tells, nth)

    stage.rests(1.0)

    events = stage.house.ledger.rows(InboxEvent)
    assert sum(event.type == "customer.updated" for event in events) == len(moments)
    assert {event.state for event in events} == {InboxState.HANDLED}
