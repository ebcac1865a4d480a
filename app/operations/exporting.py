"""`holdfast export`: the nightly files of finance, for one day, now."""

import argparse
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from zoneinfo import ZoneInfo

from app.operations.terminal import Refused, chosen_merchant, with_world
from app.ports.exports import NoParquet
from app.ports.world import World
from app.reports.exporting import FIRST_DAY, export_day, last_day
from app.wiring import build_figures, exports_in, load_settings


def run(arguments: Sequence[str]) -> int:
    """One command; its exit status."""
    parser = argparse.ArgumentParser(prog="holdfast export", description=__doc__)
    parser.add_argument("folder", type=Path, help="where the files go: merchant, then day")
    parser.add_argument("--merchant", help="id or name; not needed where there is only one")
    parser.add_argument("--day", type=date.fromisoformat, help="the last one that is over if none")
    parser.add_argument("--parquet", action="store_true", help="each file as Parquet as well")
    asked = parser.parse_args(list(arguments))
    return with_world(lambda world: _export(world, asked))


async def _export(world: World, asked: argparse.Namespace) -> int:
    merchant = await chosen_merchant(world, asked.merchant)
    now, newest = world.clock.now(), last_day(world.clock.now(), ZoneInfo(merchant.time_zone))
    day = asked.day or newest
    if day > newest:
        raise Refused(f"{day} is not over for long enough: {newest} is the latest")
    if day < FIRST_DAY:
        raise Refused(f"{day} is before {FIRST_DAY}, the earliest that can be asked for")
    try:
        async with build_figures(load_settings()) as figures:
            wrote = await export_day(
                merchant.merchant_id,
                day,
                figures=figures,
                shelf=exports_in(asked.folder),
                now=now,
                parquet=asked.parquet,
            )
    except NoParquet as missing:
        raise Refused(str(missing)) from missing
    except OSError as fault:
        raise Refused(f"{asked.folder} cannot be written to: {fault.strerror}") from fault
    where = asked.folder / merchant.merchant_id / day.isoformat()
    print(f"{where} {'is written' if wrote else 'was there already'}")
    return 0
