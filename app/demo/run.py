"""`holdfast demo`: set up, play, show the figures, stay."""

import argparse
import os
import sys
import time
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

from app.collecting import collect_seldom
from app.demo.cast import COMPANIES, OPENING, cast
from app.demo.provider import Provider, Troupe, sign_up_all
from app.demo.stage import set_up
from app.engines import EngineFailure

BEFORE = timedelta(days=366)  # annual plans were signed up a year ago


def run(arguments: Sequence[str] | None = None) -> int:
    """Play the demo. Returns 0, or 1 with a sentence where something does not start."""
    wishes = _parser().parse_args(arguments)
    folder = Path(os.environ.get("HOLDFAST_STATE_DIR", ".holdfast")) / "demo"
    started = time.monotonic()
    troupes: list[Troupe] = []

    def prologue(sandboxes: Sequence[str]) -> None:
        for company, sandbox in zip(COMPANIES, sandboxes, strict=True):
            people = cast(wishes.seed, OPENING, company)
            known = sign_up_all(Provider(sandbox), people, OPENING)
            troupes.append(Troupe(company, {one.key: one for one in people}, known))

    try:
        with set_up(
            folder,
            seed=wishes.seed,
            opening=OPENING - BEFORE,
            curtain=OPENING,
            sandboxes=len(COMPANIES),
            prologue=prologue,
        ) as stage:
            # what the play needs takes a second to import: time that the api needs to come up
            from app.demo.play import play

            collect_seldom()
            play(stage, troupes, wishes, started)
    except EngineFailure as failure:
        print(failure, file=sys.stderr)
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="holdfast demo", description=__doc__)
    parser.add_argument("--seed", type=int, default=1, help="the same seed, the same story")
    parser.add_argument("--exit", action="store_true", help="stop when the story is over")
    parser.add_argument("--json", type=Path, help="write the final figures into this file")
    return parser
