"""Due: actions claimed in batches beside claiming one by one on the same table.

The claims are compared with claims; how many a worker also carries out is told beside it. The
action carried out is one whose case is gone: a look at the action, one at the case, a row closed.
"""

import json
import subprocess
from datetime import UTC, datetime
from typing import Any

from app.domain.actions import ActionKind
from bench.figures import Round, summary
from bench.intake import ROUNDS
from bench.stage import Stage, hear, open_stage, process, say

# A step ends early where they run out: its figures stay true.
DUE = 50_000
LONG_DUE = datetime(2026, 1, 1, tzinfo=UTC)


def run() -> dict[str, object]:
    """Three rounds: one by one, in batches, carried out."""
    rounds = []
    with open_stage() as stage, process("bench.claimer") as claimer:
        hear(claimer)  # ready
        start = _warm(stage, claimer)
        for number in range(1, ROUNDS + 1):
            steps = {}
            for word in ("one", "batch", "carry"):
                refill(stage)
                steps[word] = _asked(claimer, word)
            rounds.append(_round(steps))
            print(f"round {number}: {_line(rounds[-1])}", flush=True)
        return summary(rounds, rss=(start, steps["carry"]["rss_mb"]), database=stage.database)


def refill(stage: Stage) -> None:
    """Put `DUE` actions of as many customers there, none claimed; ids in no order, as ours are."""
    stage.sql("truncate actions")
    stage.sql(
        "insert into actions (action_id, merchant_id, account_id, customer_id, kind, subject, "
        "key, due_at, state, claims) select 'act_' || md5(n::text), $1, $2, 'cus_' || n, $3, "
        "'case_gone_' || n, $3 || ':case_gone_' || n, $4::timestamptz + n * interval '1 ms', "
        "'pending', 0 from generate_series(1, $5::int) as n",
        stage.merchant_id,
        stage.account_id,
        ActionKind.RETRY,
        LONG_DUE,
        DUE,
        merchant=stage.merchant_id,
    )
    stage.sql("analyze actions")


def _warm(stage: Stage, claimer: subprocess.Popen[str]) -> float:
    refill(stage)
    return float(_asked(claimer, "carry")["rss_mb"])


def _asked(claimer: subprocess.Popen[str], word: str) -> dict[str, Any]:
    say(claimer, word)
    report: dict[str, Any] = json.loads(hear(claimer))
    if not report["count"]:
        raise RuntimeError(f"nothing was claimed by {word!r}")
    return report


def _round(steps: dict[str, dict[str, Any]]) -> Round:
    speed = {word: step["count"] / step["seconds"] for word, step in steps.items()}
    return Round(
        per_second=speed["batch"],
        p50_ms=steps["batch"]["p50_ms"],
        p99_ms=steps["batch"]["p99_ms"],
        ceiling_per_second=speed["one"],
        ceiling_p50_ms=steps["one"]["p50_ms"],
        ceiling_p99_ms=steps["one"]["p99_ms"],
        extra=(
            ("one_by_one_per_second", round(speed["one"], 1)),
            ("carried_out_per_second", round(speed["carry"], 1)),
        ),
    )


def _line(r: Round) -> str:
    extra = dict(r.extra)
    return (
        f"claimed in batches {r.per_second:,.0f}/s (a batch: p50 {r.p50_ms:.1f} ms, p99 "
        f"{r.p99_ms:.1f} ms); one by one {r.ceiling_per_second:,.0f}/s; ratio "
        f"{r.per_second / r.ceiling_per_second:.1f}; carried out as well "
        f"{extra['carried_out_per_second']:,.0f}/s"
    )
