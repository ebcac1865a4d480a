"""Intake: signed webhooks into a running api of two processes, beside single-row inserts."""

import json
from typing import Any

from bench.ceilings import single_inserts
from bench.figures import Round, memory_mb, summary
from bench.stage import SECRET, Stage, hear, open_stage, process, running_api, say

SENDERS = 64
ROUNDS = 3
SECONDS = 5
WARM_UP_S = 2


def run(*, history: int = 0) -> dict[str, object]:
    """Three rounds, ceiling and load in turn; medians. `history` events are there before."""
    rounds = []
    with open_stage() as stage, running_api(stage) as (port, pid):
        stage.remember(history)
        fire(stage, port, tag="w", seconds=WARM_UP_S)
        start = memory_mb([pid])
        for number in range(1, ROUNDS + 1):
            stage.empty_inbox()
            ceiling = single_inserts(
                stage.database_url,
                merchant=stage.merchant_id,
                account=stage.account_id,
                clients=SENDERS,
                seconds=SECONDS,
            )
            stage.empty_inbox()
            load = fire(stage, port, tag=f"r{number}_", seconds=SECONDS)
            check(load, sum(stage.kept().values()))
            rounds.append(
                Round(
                    per_second=load["count"] / load["seconds"],
                    p50_ms=load["p50_ms"],
                    p99_ms=load["p99_ms"],
                    ceiling_per_second=ceiling.per_second,
                    ceiling_p50_ms=ceiling.p50_ms,
                    ceiling_p99_ms=ceiling.p99_ms,
                )
            )
            print(f"round {number}: {_line(rounds[-1])} ({ceiling.tool})", flush=True)
        return summary(rounds, rss=(start, memory_mb([pid])), database=stage.database)


def fire(stage: Stage, port: int, *, tag: str, seconds: int) -> dict[str, Any]:
    """Let the load generator build its requests, then send them for `seconds`."""
    arguments = {
        "port": port, "path": stage.webhook_path, "tag": tag, "seconds": seconds,
        "senders": SENDERS,
    }  # fmt: skip
    flags = [part for name, value in arguments.items() for part in (f"--{name}", str(value))]
    with process("bench.load", *flags) as load:
        say(load, SECRET)
        hear(load)  # ready
        say(load)
        report: dict[str, Any] = json.loads(hear(load))
    return report


def check(load: dict[str, Any], stored: int) -> None:
    """A figure over lost or refused webhooks is none.

    Raises:
        RuntimeError: an answer was not 2xx, or an acknowledged event is not in the inbox.
    """
    refused = {status: n for status, n in load["statuses"].items() if not status.startswith("2")}
    if refused:
        raise RuntimeError(f"answers other than 2xx: {refused}")
    if stored < load["count"]:
        raise RuntimeError(f"{load['count']} acknowledged, only {stored} stored")


def _line(r: Round) -> str:
    return (
        f"{r.per_second:,.0f}/s, p50 {r.p50_ms:.1f} ms, p99 {r.p99_ms:.1f} ms; database alone "
        f"{r.ceiling_per_second:,.0f}/s, p99 {r.ceiling_p99_ms:.1f} ms; "
        f"ratio {r.per_second / r.ceiling_per_second:.2f}"
    )
