"""What is asked at rest is asked when all that came in was handled."""

from datetime import timedelta

from app.domain.operations import InboxEvent, InboxState
from tests.simulation.machine import BEGINNING, Machine
from tests.simulation.stage import DAY_S, Stage


def test_what_comes_in_at_the_last_moment_is_handled_before_all_is_looked_at() -> None:
    # given somebody of whom the provider tells every tenth of a second around the end (seed 549466)
    stage = Stage(Machine(1))
    person = stage.signs_up({"kind": "approve"}, BEGINNING + timedelta(days=3))
    stage.begins()
    bank, loop = person.estate.bank, stage.machine.loop
    end = loop.time() + DAY_S

    def tells(nth: int) -> None:
        told = {"metadata": {"n": str(nth)}}
        bank.does(lambda: bank.world.call("POST", f"/v1/customers/{person.customer}", told))

    for nth in range(60):
        loop.call_at(end - nth / 10, tells, nth)

    stage.rests(1.0)

    events = stage.house.ledger.rows(InboxEvent)
    assert sum(event.type == "customer.updated" for event in events) > 50
    assert {event.state for event in events} == {InboxState.HANDLED}
