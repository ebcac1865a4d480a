"""Drain: one worker process absorbing what the api took in, beside the intake's own rate."""

import json
from typing import Any

from bench.figures import Round, summary
from bench.intake import ROUNDS, WARM_UP_S, check, fire
from bench.stage import Stage, hear, open_stage, process, running_api, say

SECONDS = 4


def run() -> dict[str, object]:
    """Three rounds of intake and drain in turn; the ceiling is the intake of the same round."""
    rounds = []
    with (
        open_stage() as stage,
        running_api(stage) as (port, _),
        process("bench.drainer") as drainer,
    ):
        hear(drainer)  # ready
        fire(stage, port, tag="w", seconds=WARM_UP_S)
        start = _drained(drainer)["rss_mb"]
        for number in range(1, ROUNDS + 1):
            stage.empty_inbox()
            load = fire(stage, port, tag=f"r{number}_", seconds=SECONDS)
            stored = stage.sql("select count(*) as n from inbox")[0]["n"]
            check(load, stored)
            drained = _drained(drainer)
            _check(stage, stored, drained)
            rounds.append(
                Round(
                    per_second=stored / drained["seconds"],
                    p50_ms=drained["p50_ms"],
                    p99_ms=drained["p99_ms"],
                    ceiling_per_second=load["count"] / load["seconds"],
                    ceiling_p50_ms=load["p50_ms"],
                    ceiling_p99_ms=load["p99_ms"],
                )
            )
            print(f"round {number}: {_line(rounds[-1], stored)}", flush=True)
        return summary(rounds, rss=(start, drained["rss_mb"]), database=stage.database)


def _drained(drainer: Any) -> dict[str, Any]:
    say(drainer, "drain")
    report: dict[str, Any] = json.loads(hear(drainer))
    return report


def _check(stage: Stage, stored: int, drained: dict[str, Any]) -> None:
    states = stage.sql("select state, count(*) as n from inbox group by state")
    if {row["state"]: row["n"] for row in states} != {"handled": stored}:
        raise RuntimeError(f"not all was handled: {[dict(row) for row in states]}, {drained}")


def _line(r: Round, count: int) -> str:
    return (
        f"{count:,} events drained at {r.per_second:,.0f}/s (a batch: p50 {r.p50_ms:.0f} ms, "
        f"p99 {r.p99_ms:.0f} ms); taken in at {r.ceiling_per_second:,.0f}/s; "
        f"ratio {r.per_second / r.ceiling_per_second:.2f}"
    )
