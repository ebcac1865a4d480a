"""A short story with one crash, at every point at which a process can die."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from app.domain.dunning import Case
from app.domain.messages import Message, MessageState
from tests.simulation.acts import Act, Actor, enters_card, leaves, pays_hosted, stays
from tests.simulation.machine import BEGINNING, CALM, Machine, Violation
from tests.simulation.stage import DAY_S, Person, Stage

RENEWS = BEGINNING + timedelta(hours=2)
REFUSED_ONCE = {"kind": "script", "codes": ["do_not_honor", "approve"]}
REFUSED = {"kind": "decline", "code": "do_not_honor"}
EXPIRED = {"kind": "decline", "code": "expired_card"}
APPROVES = {"kind": "approve"}


@dataclass(frozen=True, slots=True)
class Story:
    """One customer whose card behaves so, what they do on which day, and how long it takes."""

    card: Mapping[str, Any]
    days: float
    act: Act | None = None
    on_day: float = 0.0


STORIES: dict[str, Story] = {
    "a retry pays": Story(REFUSED_ONCE, 4.5),
    "a new card pays": Story(EXPIRED, 1, enters_card, 0.5),
    "the customer pays beside it": Story(REFUSED, 1, pays_hosted, 0.5),
    "the window ends": Story(EXPIRED, 30),
    "somebody leaves who owes": Story(REFUSED, 1, leaves, 0.5),
    "somebody stays": Story(APPROVES, 1, stays, 0.5),
}


@dataclass(frozen=True, slots=True)
class Ending:
    """How it came out: what must be the same wherever a process died."""

    cases: tuple[tuple[str, int], ...]
    invoices: tuple[tuple[str, int], ...]
    letters: tuple[str, ...]


def tell(story: Story, *, die_at: int | None = None) -> tuple[Stage, Ending]:
    """Play a story, in calm weather but for the one crash. Raises `Violation`."""
    machine = Machine(1, CALM, die_at=die_at, swift=True)
    stage = Stage(machine, reconciles=False)
    person = stage.signs_up(dict(story.card), RENEWS)
    stage.begins()
    if story.act is not None:
        machine.runs(None, _later(stage, person, story.act, story.on_day * DAY_S))
    stage.plays(story.days)
    stage.rests(1.0)
    return stage, _ending(stage)


async def _later(stage: Stage, person: Person, act: Act, at_s: float) -> None:
    await asyncio.sleep(at_s)
    await act(Actor(stage, person, 1))


def _ending(stage: Stage) -> Ending:
    ledger, world = stage.house.ledger, stage.bank.world
    cases = sorted((case.state.value, case.recovered_minor) for case in ledger.rows(Case))
    invoices = sorted((one["status"], one["amount_paid"]) for one in world.all("invoice"))
    letters = sorted(
        letter.step.partition(":")[0]
        for letter in ledger.rows(Message)
        if letter.state in (MessageState.SENT, MessageState.UNKNOWN)
    )
    return Ending(tuple(cases), tuple(invoices), tuple(letters))


def everywhere(story: Story, *, stride: int = 1) -> tuple[int, list[str]]:
    """How many points were tried, and what went wrong at which; none is good."""
    stage, calm = tell(story)
    wrong = []
    points = range(1, stage.machine.steps + 1, stride)
    for point in points:
        try:
            _, ending = tell(story, die_at=point)
        except Violation as broken:
            wrong.append(f"point {point}: {broken}")
            continue
        if ending != calm:
            wrong.append(f"point {point}: {ending} instead of {calm}")
    return len(points), wrong
