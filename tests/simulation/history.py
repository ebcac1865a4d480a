"""One history: everything that happens in it is drawn from its seed."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, fields, replace
from datetime import timedelta
from random import Random
from typing import Any

from app.domain.merchants import CollectionMode
from tests.simulation.acts import ACTS, AIMS, AT_CHARGES, at_some_time
from tests.simulation.machine import BEGINNING, Machine, Violation, Weather
from tests.simulation.stage import DAY_S, PERIODS, Stage

DAYS = 35.0
# How bad it gets where it happens at all: the most of each fault's share.
WORST = Weather(
    crash=0.02,
    pause=0.002,
    lost_commit=0.01,
    conflict=0.01,
    call=0.12,
    charge=0.7,
    turn=1.0,
    outage=0.004,
    late_hook=0.3,
    lost_hook=0.1,
    double_hook=0.3,
    mail=0.2,
    mail_away=0.06,
)
HAPPENS_AT_ALL = 0.6
ABOUT_CHARGES = 0.2  # histories in which charges go wrong and people act while they do
LOSES_HOOKS = 0.2
RECONCILED = 0.1  # and wherever webhooks get lost; two rounds a day are half of all steps
REPLAYED_EVERY = 3
Setting = Callable[[Stage], AbstractContextManager[None]]


def as_written(_: Stage) -> AbstractContextManager[None]:
    """The product as it is."""
    return nullcontext()


@dataclass
class Result:
    """How a history went; `violation` is None where every invariant held, and `trace` empty where
    nobody asked for it."""

    seed: int
    steps: int
    crashes: int
    violation: str | None
    trace: list[str]


def play(seed: int, setting: Setting = as_written, *, traced: bool = False) -> Result:
    """The history of a seed, from the merchant's first day until all has come to rest. `traced`
    keeps the trace of one in which every invariant held as well."""
    machine = Machine(seed)
    draw = machine.draw
    machine.weather, aims = _weather(draw), AIMS
    if draw.random() < ABOUT_CHARGES:
        machine.weather, aims = replace(machine.weather, charge=0.5, turn=0.8), AT_CHARGES
    mode = CollectionMode.DRIVE if draw.random() < 0.85 else CollectionMode.OBSERVE
    reconciles = draw.random() < RECONCILED or machine.weather.lost_hook > 0
    stage = Stage(machine, mode, reconciles=reconciles)
    violation = None
    try:
        with setting(stage):
            _casts(stage, draw)
            stage.begins()
            _plots(stage, draw, aims)
            stage.plays(DAYS)
            stage.rests()
            if seed % REPLAYED_EVERY == 0:
                stage.hears_all_again()
    except Violation as broken:
        violation = str(broken)
    trace = machine.trace() if traced or violation is not None else []
    return Result(seed, machine.steps, machine.crashes, violation, trace)


def _weather(draw: Random) -> Weather:
    """Some kinds of fault and not others: what never goes wrong lets the rest go further."""
    shares = {
        field.name: getattr(WORST, field.name) * draw.random() ** 2
        for field in fields(Weather)
        if draw.random() < (LOSES_HOOKS if field.name == "lost_hook" else HAPPENS_AT_ALL)
    }
    return Weather(**shares)


def _casts(stage: Stage, draw: Random) -> None:
    cast = []
    for _ in range(draw.choice((1, 1, 1, 2, 2, 3))):
        every = "month" if draw.random() < 0.85 else "week"
        renews_at = BEGINNING + timedelta(days=draw.random() * 4)
        cast.append((renews_at - PERIODS[every], renews_at, every, _behaviour(draw)))
    for _, renews_at, every, behaviour in sorted(cast, key=lambda row: row[0]):
        stage.signs_up(behaviour, renews_at, every)


def _behaviour(draw: Random) -> dict[str, Any]:
    """How a card will do."""
    soft = draw.choice(("do_not_honor", "insufficient_funds", "generic_decline"))
    refusals = draw.choice((1, 1, 2, 3, 12))
    behaviours: list[dict[str, Any]] = [
        {"kind": "script", "codes": [soft] * refusals + ["approve"]},
        {"kind": "script", "codes": [soft] * refusals + ["approve"]},
        {"kind": "chance", "approve": 0.3, "code": soft},
        {"kind": "decline", "code": soft},
        {"kind": "decline", "code": draw.choice(("stolen_card", "lost_card"))},
        {"kind": "decline", "code": "expired_card"},
        {"kind": "authenticate"},
        {"kind": "script", "codes": [soft, "stolen_card"]},
    ]
    return draw.choice(behaviours)


def _plots(stage: Stage, draw: Random, aims: Mapping[str, float]) -> None:
    n = 0
    for person in stage.people:
        for _ in range(draw.choice((0, 1, 1, 2, 3))):
            n += 1
            (act,) = draw.choices(list(ACTS), list(ACTS.values()))
            at_s = draw.random() ** 1.5 * (6 if aims is AT_CHARGES else 30) * DAY_S
            stage.machine.runs(None, at_some_time(stage, person, act, at_s, n, aims))
