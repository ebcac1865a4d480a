"""Many histories, in processes of their own whose hashes do not differ from run to run."""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from time import process_time
from typing import Any

import structlog

from tests.simulation.crashes import STORIES, everywhere
from tests.simulation.history import Result, play
from tests.simulation.planted import setting

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
    told = _told_by("histories", [str(seed) for seed in seeds], processes)
    return sorted((Result(**row) for row in told), key=lambda result: result.seed)


def try_planted(names: Sequence[str], *, processes: int, at_most: int) -> list[dict[str, Any]]:
    """Each planted fault in as many histories as it takes to catch it."""
    told = _told_by(f"planted:{at_most}", names, processes)
    return sorted(told, key=lambda row: names.index(row["name"]))


def die_everywhere(
    names: Sequence[str], *, processes: int, stride: int = 1
) -> list[dict[str, Any]]:
    """Each short story with one crash at every point of it, or at every so many."""
    return _told_by(f"crashes:{stride}", names, processes)


def _told_by(what: str, words: Sequence[str], processes: int) -> list[dict[str, Any]]:
    shares = [list(words[n::processes]) for n in range(processes)]
    under_way = [_begin(what, share) for share in shares if share]
    return [row for process in under_way for row in _rows(process)]


def _begin(what: str, words: Sequence[str]) -> "subprocess.Popen[str]":
    environment = {**os.environ, "PYTHONHASHSEED": "0"}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    return subprocess.Popen(
        [sys.executable, "-m", "tests.simulation.runner", what, *words],
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
        cwd=ROOT,
    )


def _rows(process: "subprocess.Popen[str]") -> list[dict[str, Any]]:
    told, _ = process.communicate()
    if process.returncode:
        raise RuntimeError(f"the histories ended with {process.returncode}")
    return [json.loads(line) for line in told.splitlines()]


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
    alone = len(words) == 1
    for word in words:
        result = play(int(word))
        if not alone and result.violation is None:
            result.trace = []
        _tell(asdict(result))


def _hunt_all(names: Sequence[str], at_most: int) -> None:
    for name in names:
        began = process_time()
        for seed in range(1, at_most + 1):
            found = play(seed, setting(name))
            if found.violation is not None:
                break
        seconds = round(process_time() - began, 1)
        row = {"name": name, "histories": seed, "seconds": seconds}
        _tell(row | {"caught": found.violation is not None, "by": found.violation})


def _die_all(names: Sequence[str], stride: int) -> None:
    for name in names:
        points, wrong = everywhere(STORIES[name], stride=stride)
        _tell({"name": name, "points": points, "wrong": wrong})


def _tell(row: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(row) + "\n")
    sys.stdout.flush()


def main(what: str, words: Sequence[str]) -> None:
    """A process of its own: its results are lines of JSON."""
    quietly()
    kind, _, number = what.partition(":")
    if kind == "histories":
        _play_all(words)
    elif kind == "planted":
        _hunt_all(words, int(number))
    else:
        _die_all(words, int(number))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
