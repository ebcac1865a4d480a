"""`./run bench intake|drain|due|access|burst|cancel|retries|finance [--json FILE]`."""

import argparse
import importlib
import time
from pathlib import Path

from bench.figures import write_json

BENCHES = {
    "intake": "webhooks acknowledged beside single-row inserts into the same table",
    "drain": "events absorbed by one worker beside events taken in",
    "access": "answers about access beside bare round trips of the database",
    "cancel": "sessions opened, answered and saved by an offer beside bare round trips",
    "burst": "charges due in one minute against a rate-limited sandbox beside its limit",
    "retries": "what each strategy recovers from the same simulated payers, in how many attempts",
    "finance": "every endpoint of finance at two sizes beside plain sums of the ledgers",
    "due": "due actions claimed in batches beside claiming one by one",
}


def main() -> None:
    """Run one bench and print its medians."""
    parser = argparse.ArgumentParser(prog="./run bench")
    parser.add_argument("name", choices=sorted(BENCHES))
    parser.add_argument("--json", type=Path, default=None, metavar="FILE")
    parser.add_argument("--due", type=int, help="burst: charges that fall due in the minute")
    parser.add_argument("--sessions", type=int, help="cancel: sessions of each client in a round")
    parser.add_argument("--rate", type=float, help="burst: charges a second the sandbox takes")
    parser.add_argument("--rows", type=int, help="finance: ledger rows of the smaller size")
    parser.add_argument("--history", type=int, help="intake, drain: events handled before")
    given = parser.parse_args()
    wishes = {
        name: value
        for name in ("due", "rate", "sessions", "rows", "history")
        if (value := getattr(given, name))
    }
    print(f"{given.name}: {BENCHES[given.name]}", flush=True)
    began = time.monotonic()
    figures: dict[str, object] = importlib.import_module(f"bench.{given.name}").run(**wishes)
    write_json(given.json, figures)
    for name, value in figures.items():
        if name not in ("machine", "rounds", "endpoints"):
            print(f"{name:24s} {value}")
    print(f"{'machine':24s} {figures['machine']}\ntook {time.monotonic() - began:.0f} s")


if __name__ == "__main__":
    main()
