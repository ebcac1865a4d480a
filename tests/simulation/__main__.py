"""`python -m tests.simulation --seed N`: one history again, with its trace."""

import argparse
import json
import os
import sys
from pathlib import Path
from typing import Any

from tests.simulation.crashes import STORIES
from tests.simulation.planted import PLANTED
from tests.simulation.runner import CORES, die_everywhere, exactly, run, totals, try_planted

AT_MOST = 600  # histories in which a planted fault must be caught
ENOUGH = 0.95  # of the planted faults
LONGEST = 100  # characters of what told of one; the JSON has all of them


def main() -> int:
    """Play; 1 where an invariant was broken."""
    asked = argparse.ArgumentParser(prog="simulate")
    asked.add_argument("--seed", type=int, help="play this history and show its trace")
    asked.add_argument("--histories", type=int, default=100)
    asked.add_argument("--first", type=int, default=1, help="the first seed")
    asked.add_argument("--processes", type=int, default=os.cpu_count() or CORES)
    asked.add_argument("--planted", action="store_true", help="look for each planted fault")
    asked.add_argument("--crashes", action="store_true", help="die once, at every point")
    asked.add_argument("--only", help="of the planted faults, those whose name has this in it")
    asked.add_argument("--json", type=Path, help="write the totals here")
    told = asked.parse_args()
    if told.seed is not None:
        found = exactly(told.seed)
        sys.stdout.write("\n".join([*found.trace, f"{found.steps} steps", found.violation or "ok"]))
        sys.stdout.write("\n")
        return int(found.violation is not None)
    if told.crashes:
        return _crashes(told)
    if told.planted:
        return _planted(told)
    seeds = range(told.first, told.first + told.histories)
    results = run(seeds, processes=told.processes, seen=Counter(len(seeds)))
    summed = totals(results)
    _write(summed, told.json)
    return int(summed["violations"] > 0)


def _planted(told: argparse.Namespace) -> int:
    names = [name for name in PLANTED if (told.only or "") in name]
    rows = try_planted(names, processes=told.processes, at_most=AT_MOST, seen=_tell)
    caught = sum(row["caught"] for row in rows)
    missed = [row["name"] for row in rows if not row["caught"]]
    _write({"planted": len(rows), "caught": caught, "missed": missed, "rows": rows}, told.json)
    return int(caught < ENOUGH * len(rows))


def _tell(row: dict[str, Any]) -> None:
    by = str(row["by"])[:LONGEST]
    found = f"history {row['histories']}: {by}" if row["caught"] else "missed"
    sys.stdout.write(f"{row['name']:50} {found}\n")
    sys.stdout.flush()


class Counter:
    """Says on standard error how many histories are through, every hundredth, and at once which
    one broke a rule: a long run need not come to its end before somebody looks."""

    def __init__(self, total: int) -> None:
        self.total, self.done, self.broken = total, 0, 0

    def __call__(self, row: dict[str, Any]) -> None:
        self.done += 1
        if row["violation"] is not None:
            self.broken += 1
            sys.stderr.write(f"seed {row['seed']}: {row['violation'][:LONGEST]}\n")
        if not self.done % 100 or self.done == self.total:
            sys.stderr.write(f"{self.done} of {self.total}, {self.broken} broken\n")


def _crashes(told: argparse.Namespace) -> int:
    rows = die_everywhere(list(STORIES), processes=told.processes)
    wrong = [f"{row['name']}, {what}" for row in rows for what in row["wrong"]]
    points = sum(row["points"] for row in rows)
    _write({"stories": len(rows), "points": points, "wrong": wrong}, told.json)
    return int(bool(wrong))


def _write(summed: dict[str, Any], path: Path | None) -> None:
    text = json.dumps(summed, indent=2) + "\n"
    if path is not None:
        path.write_text(text)
    else:
        sys.stdout.write(text)


if __name__ == "__main__":
    sys.exit(main())
