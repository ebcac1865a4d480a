"""Drain: one worker absorbing what the api took in, beside the intake's own rate.

The worker's processes drain as in earnest, as many as it would start on this machine; they begin
together, and the time is over when the last of them finds nothing.
"""

import json
from contextlib import ExitStack
from subprocess import Popen
from typing import Any

from app.wiring import load_settings
from bench.figures import Round, percentile, summary
from bench.intake import ROUNDS, WARM_UP_S, check, fire
from bench.stage import Stage, hear, open_stage, process, running_api, say
from workers.main import drains_of

SECONDS = 4


def run(*, history: int = 0) -> dict[str, object]:
    """Three rounds of intake and drain in turn; the ceiling is the intake of the same round.
    `history` events are there before."""
    rounds = []
    with ExitStack() as held:
        stage = held.enter_context(open_stage())
        port, _ = held.enter_context(running_api(stage))
        drainers = [
            held.enter_context(process("bench.drainer")) for _ in range(drains_of(load_settings()))
        ]
        for drainer in drainers:
            hear(drainer)  # ready
        stage.remember(history)
        fire(stage, port, tag="w", seconds=WARM_UP_S)
        start = _drained(drainers)["rss_mb"]
        for number in range(1, ROUNDS + 1):
            stage.empty_inbox()
            load = fire(stage, port, tag=f"r{number}_", seconds=SECONDS)
            stored = sum(stage.kept().values())
            check(load, stored)
            drained = _drained(drainers)
            _check(stage, stored, drained)
            rounds.append(_round(load, stored, drained))
            print(f"round {number}: {_line(rounds[-1], stored)}", flush=True)
        figures = summary(rounds, rss=(start, drained["rss_mb"]), database=stage.database)
        return figures | {"processes": len(drainers)}


def _drained(drainers: list[Popen[str]]) -> dict[str, Any]:
    """What the processes did together; the clock they report is the machine's."""
    for drainer in drainers:
        say(drainer, "drain")
    reports: list[dict[str, Any]] = [json.loads(hear(drainer)) for drainer in drainers]
    return {
        "seconds": max(r["ended"] for r in reports) - min(r["began"] for r in reports),
        "took": sorted(ms for r in reports for ms in r["took"]),
        "cpu_s": sum(r["cpu_s"] for r in reports),
        "rss_mb": sum(r["rss_mb"] for r in reports),
    }


def _round(load: dict[str, Any], stored: int, drained: dict[str, Any]) -> Round:
    return Round(
        per_second=stored / drained["seconds"],
        p50_ms=percentile(drained["took"], 0.5),
        p99_ms=percentile(drained["took"], 0.99),
        ceiling_per_second=load["count"] / load["seconds"],
        ceiling_p50_ms=load["p50_ms"],
        ceiling_p99_ms=load["p99_ms"],
        extra=(("python_us_per_event", 1e6 * drained["cpu_s"] / stored),),
    )


def _check(stage: Stage, stored: int, drained: dict[str, Any]) -> None:
    states = stage.kept()
    if states != {"handled": stored}:
        raise RuntimeError(f"not all was handled: {states}, {drained}")


def _line(r: Round, count: int) -> str:
    return (
        f"{count:,} events drained at {r.per_second:,.0f}/s (a batch: p50 {r.p50_ms:.0f} ms, "
        f"p99 {r.p99_ms:.0f} ms); taken in at {r.ceiling_per_second:,.0f}/s; "
        f"ratio {r.per_second / r.ceiling_per_second:.2f}"
    )
