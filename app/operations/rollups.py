"""`holdfast rollups`: sums of the ledgers, made anew."""

import argparse
from collections.abc import Sequence

from app.operations.terminal import chosen_merchant, with_world
from app.ports.world import World
from app.services.rollups import rebuild
from app.wiring import build_rollups, load_settings


def run(arguments: Sequence[str]) -> int:
    """One command; its exit status."""
    parser = argparse.ArgumentParser(prog="holdfast rollups", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    anew = commands.add_parser("rebuild", help="drop them and add up the ledgers once more")
    anew.add_argument("--merchant", help="id or name; not needed where there is only one")
    asked = parser.parse_args(list(arguments))
    return with_world(lambda world: _rebuild(world, asked.merchant))


async def _rebuild(world: World, name: str | None) -> int:
    merchant = await chosen_merchant(world, name)
    async with build_rollups(load_settings()) as rollups:
        await rebuild(world, rollups, merchant.merchant_id)
    print(f"the rollups of {merchant.name} are made anew")
    return 0
