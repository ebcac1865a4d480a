"""`python -m tests.simulation --seed N`: one history again, with its trace."""

import argparse
import json
import sys
from pathlib import Path

from tests.simulation.runner import exactly, run, totals


def main() -> int:
    """Play; 1 where an invariant was broken."""
    asked = argparse.ArgumentParser(prog="simulate")
    asked.add_argument("--seed", type=int, help="play this history and show its trace")
    asked.add_argument("--histories", type=int, default=100)
    asked.add_argument("--first", type=int, default=1, help="the first seed")
    asked.add_argument("--processes", type=int, default=2)
    asked.add_argument("--json", type=Path, help="write the totals here")
    told = asked.parse_args()
    if told.seed is not None:
        found = exactly(told.seed)
        sys.stdout.write("\n".join([*found.trace, f"{found.steps} steps", found.violation or "ok"]))
        sys.stdout.write("\n")
        return int(found.violation is not None)
    seeds = range(told.first, told.first + told.histories)
    results = run(seeds, processes=told.processes)
    summed = totals(results)
    text = json.dumps(summed, indent=2)
    if told.json is not None:
        told.json.write_text(text + "\n")
    sys.stdout.write(text + "\n")
    return int(summed["violations"] > 0)


if __name__ == "__main__":
    sys.exit(main())
