"""Many histories, in processes of their own whose hashes do not differ from run to run."""

import gc
import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from queue import Empty, SimpleQueue
from time import process_time
from typing import Any

import structlog

from tests.simulation.crashes import STORIES, everywhere
from tests.simulation.history import Result, play
from tests.simulation.planted import setting

Seen = Callable[[dict[str, Any]], None]
ROOT = Path(__file__).parents[2]
CORES = 2  # processes that play at a time
YOUNG = 50_000  # objects between two looks for garbage


def quietly() -> None:
    """What the product logs is no part of a trace."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))


def swiftly() -> None:
    """What was imported stays: looking through it for garbage again and again took a fifth of a
    history."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG)


def exactly(seed: int) -> Result:
    """One history, as it was, with its trace."""
    (row,) = _told_by("trace", [str(seed)], 1)
    return Result(**row)


def unseen(row: dict[str, Any]) -> None:
    """Nobody watches."""


def run(seeds: Sequence[int], *, processes: int = CORES, seen: Seen = unseen) -> list[Result]:
    """The histories of these seeds, in their order; `seen` is shown each as it ends."""
    told = _told_by("histories", [str(seed) for seed in seeds], processes, seen)
    return sorted((Result(**row) for row in told), key=lambda result: result.seed)


def try_planted(
    names: Sequence[str], *, at_most: int, processes: int = CORES, seen: Seen = unseen
) -> list[dict[str, Any]]:
    """Each planted fault in as many histories as it takes to catch it."""
    told = _told_by(f"planted:{at_most}", names, processes, seen)
    return sorted(told, key=lambda row: names.index(row["name"]))


def die_everywhere(names: Sequence[str], *, processes: int = CORES) -> list[dict[str, Any]]:
    """Each short story with one crash, at every point of it."""
    told = _told_by("crashes", names, processes)
    return sorted(told, key=lambda row: names.index(row["name"]))


def _told_by(
    what: str, words: Sequence[str], processes: int, seen: Seen = unseen
) -> list[dict[str, Any]]:
    """What processes of their own tell of each word; whichever is ready is given the next."""
    left = SimpleQueue[str]()
    for word in words:
        left.put(word)
    asking = min(processes, len(words))
    with ThreadPoolExecutor(max(1, asking)) as pool:
        told = [pool.submit(_ask, what, left, seen) for _ in range(asking)]
        return [row for one in told for row in one.result()]


def _ask(what: str, left: SimpleQueue[str], seen: Seen) -> list[dict[str, Any]]:
    rows = []
    with _begin(what) as process, suppress(Empty):
        while True:
            rows.append(_answer(process, left.get_nowait()))
            seen(rows[-1])
    return rows


def _begin(what: str) -> "subprocess.Popen[str]":
    environment = {**os.environ, "PYTHONHASHSEED": "0"}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    return subprocess.Popen(
        [sys.executable, "-m", "tests.simulation.runner", what],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
        cwd=ROOT,
    )


def _answer(process: "subprocess.Popen[str]", word: str) -> dict[str, Any]:
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(f"{word}\n")
    process.stdin.flush()
    told = process.stdout.readline()
    if not told:
        raise RuntimeError(f"the process ended at {word!r}")
    row: dict[str, Any] = json.loads(told)
    return row


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


def _play(word: str, *, traced: bool) -> dict[str, Any]:
    return asdict(play(int(word), traced=traced))


def _hunt(name: str, at_most: int) -> dict[str, Any]:
    began = process_time()
    for seed in range(1, at_most + 1):
        found = play(seed, setting(name))
        if found.violation is not None:
            break
    seconds = round(process_time() - began, 1)
    row = {"name": name, "histories": seed, "seconds": seconds}
    return row | {"caught": found.violation is not None, "by": found.violation}


def _die(name: str, _: int) -> dict[str, Any]:
    points, wrong = everywhere(STORIES[name])
    return {"name": name, "points": points, "wrong": wrong}


KINDS: dict[str, Callable[[str, int], dict[str, Any]]] = {
    "histories": lambda word, _: _play(word, traced=False),
    "trace": lambda word, _: _play(word, traced=True),
    "planted": _hunt,
    "crashes": _die,
}


def main(what: str) -> None:
    """A process of its own: each line it is given is a word, and its result a line of JSON."""
    quietly()
    swiftly()
    kind, _, number = what.partition(":")
    for line in sys.stdin:
        row = KINDS[kind](line.rstrip("\n"), int(number or 0))
        sys.stdout.write(json.dumps(row) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1])
