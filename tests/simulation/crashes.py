"""A short story with one crash, at every point at which a process can die."""

import asyncio
import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
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


def tell(story: Story, forked: "Forked | None" = None) -> tuple[Stage, Ending]:
    """Play a story, in calm weather but for the one crash. Raises `Violation`."""
    machine = Machine(1, CALM, swift=True)
    if forked is not None:
        machine.dies = partial(forked.dies, machine)
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
    ledger, world = stage.house.ledger, stage.first.bank.world
    cases = sorted((case.state.value, case.recovered_minor) for case in ledger.rows(Case))
    invoices = sorted((one["status"], one["amount_paid"]) for one in world.all("invoice"))
    letters = sorted(
        letter.step.partition(":")[0]
        for letter in ledger.rows(Message)
        if letter.state in (MessageState.SENT, MessageState.UNKNOWN)
    )
    return Ending(tuple(cases), tuple(invoices), tuple(letters))


class Forked:
    """At every point a process is forked off in which the story goes on with a crash there; what
    came before is played once. `wrong` says what went wrong at which point."""

    def __init__(self) -> None:
        self.points = 0
        self.wrong: list[str] = []
        self._into: int | None = None

    def dies(self, machine: Machine, point: int) -> bool:
        """Whether this is the process in which somebody dies here."""
        if self._into is not None:
            return False
        self.points += 1
        back, into = os.pipe()
        if os.fork() == 0:
            os.close(back)
            self._into = into
            machine.loop.goes_on_forked()
            return True
        os.close(into)
        with open(back) as told:
            self.wrong += [f"point {point}: {line}" for line in told]
        os.wait()
        return False

    def ends(self, wrong: str) -> None:
        """Say what went wrong, if anything; one that was forked off ends with it."""
        if self._into is None:
            self.wrong += [f"without a crash: {wrong}"] if wrong else []
            return
        os.write(self._into, wrong.encode())
        os._exit(0)


def everywhere(story: Story) -> tuple[int, list[str]]:
    """How many points were tried, and what went wrong at which; none is good."""
    _, calm = tell(story)
    forked, wrong = Forked(), "it did not come to its end"
    try:
        _, ending = tell(story, forked)
        wrong = "" if ending == calm else f"{ending} instead of {calm}"
    except Violation as broken:
        wrong = str(broken)
    finally:
        forked.ends(wrong)
    return forked.points, forked.wrong
