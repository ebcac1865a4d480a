"""One history: everything that happens in it is drawn from its seed."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, fields, replace
from datetime import timedelta
from random import Random
from typing import Any

from app.domain.merchants import CollectionMode
from tests.simulation.acts import ACTS, AIMS, AT_CHARGES, AT_LETTERS, Act, at_some_time
from tests.simulation.deeds import is_deleted, is_erased, reaches_over
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
RECONCILED = 0.04  # and wherever webhooks get lost; two rounds a day are half of all steps
REPLAYED_EVERY = 3
CLOCKS_DIFFER = 0.2
APART_S = 55.0  # a worker that is a minute off does nothing
PROVIDER_APART_S = 60  # what is beyond two minutes between two clocks may be taken for another
NO_ADDRESS = 0.04
TWO_MERCHANTS = 0.12
SAME_IDS = 0.3
ELSEWHERE = 10**9  # seeds of others
FURTHER = 10_000  # behind the numbers of all other acts
DEEDS: Mapping[Act, float] = {is_erased: 0.1, is_deleted: 0.04}
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
    _sets_clocks(stage, machine.aside)
    violation = None
    try:
        with setting(stage):
            _casts(stage, draw)
            _casts_aside(stage, machine.aside)
            stage.begins()
            _plots(stage, draw, aims)
            _plots_aside(stage, machine.aside)
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
        reachable = stage.machine.aside.random() >= NO_ADDRESS
        stage.signs_up(behaviour, renews_at, every, reachable=reachable)


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
    for person in stage.of_the_first:
        for _ in range(draw.choice((0, 1, 1, 2, 3))):
            n += 1
            (act,) = draw.choices(list(ACTS), list(ACTS.values()))
            at_s = draw.random() ** 1.5 * (6 if aims is AT_CHARGES else 30) * DAY_S
            stage.machine.runs(None, at_some_time(stage, person, act, at_s, n, aims))


def _sets_clocks(stage: Stage, aside: Random) -> None:
    """Those of the processes and the provider's are off in some histories."""
    if aside.random() < CLOCKS_DIFFER:
        stage.machine.apart_s = aside.random() * APART_S
        stage.first.bank.ahead_s = aside.randint(-PROVIDER_APART_S, PROVIDER_APART_S)


def _casts_aside(stage: Stage, aside: Random) -> None:
    """A second merchant, at times with an account in which everything has the ids of the first's:
    people of the same names and addresses."""
    if aside.random() >= TWO_MERCHANTS:
        return
    seed = stage.machine.seed
    estate = stage.takes(seed if aside.random() < SAME_IDS else seed + ELSEWHERE)
    estate.bank.ahead_s = stage.first.bank.ahead_s
    renews_at = BEGINNING + timedelta(days=aside.random() * 4)
    stage.signs_up(_behaviour(aside), renews_at, estate=estate)


def _plots_aside(stage: Stage, aside: Random) -> None:
    for n, person in enumerate(stage.people, start=FURTHER):
        deeds: list[Act] = []
        if person.estate is not stage.first:
            deeds += aside.choices(list(ACTS), list(ACTS.values()), k=aside.choice((0, 1, 2)))
        if len(stage.house.estates) > 1:
            deeds.append(reaches_over)
        deeds += [deed for deed, share in DEEDS.items() if aside.random() < share]
        for deed in deeds:
            at_s = aside.random() ** 1.5 * 20 * DAY_S
            work = at_some_time(stage, person, deed, at_s, n, AT_LETTERS)
            stage.machine.runs(None, work)
            n += FURTHER
