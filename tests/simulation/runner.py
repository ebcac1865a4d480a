"""Many histories, in processes of their own whose hashes do not differ from run to run."""

import json
import os
import subprocess
import sys
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import structlog

from tests.simulation.history import Result, play

ROOT = Path(__file__).parents[2]


def quietly() -> None:
    """What the product logs is no part of a trace."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))


def exactly(seed: int) -> Result:
    """One history, as it was."""
    (found,) = run([seed], processes=1)
    return found


def run(seeds: Sequence[int], *, processes: int) -> list[Result]:
    """The histories of these seeds, in their order."""
    shares = [list(seeds[n::processes]) for n in range(processes)]
    under_way = [_begin(share) for share in shares if share]
    found = [result for process in under_way for result in _results(process)]
    return sorted(found, key=lambda result: result.seed)


def _begin(seeds: Iterable[int]) -> subprocess.Popen[str]:
    environment = {**os.environ, "PYTHONHASHSEED": "0"}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    words = [str(seed) for seed in seeds]
    return subprocess.Popen(
        [sys.executable, "-m", "tests.simulation.runner", *words],
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
        cwd=ROOT,
    )


def _results(process: "subprocess.Popen[str]") -> list[Result]:
    told, _ = process.communicate()
    if process.returncode:
        raise RuntimeError(f"the histories ended with {process.returncode}")
    return [Result(**json.loads(line)) for line in told.splitlines()]


def totals(results: Sequence[Result]) -> dict[str, Any]:
    """What a run comes to."""
    broken = [result for result in results if result.violation is not None]
    return {
        "histories": len(results),
        "violations": len(broken),
        "steps": sum(result.steps for result in results),
        "crashes": sum(result.crashes for result in results),
        "broken": [{"seed": r.seed, "violation": r.violation} for r in broken[:20]],
    }


def _play_all(words: Sequence[str]) -> None:
    quietly()
    alone = len(words) == 1
    for word in words:
        result = play(int(word))
        if not alone and result.violation is None:
            result.trace = []
        sys.stdout.write(json.dumps(asdict(result)) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    _play_all(sys.argv[1:])
