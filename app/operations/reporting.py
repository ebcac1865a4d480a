"""`holdfast reporting`: which login of the database reads a merchant's rows through the views."""

import argparse
from collections.abc import Sequence

from app.operations.terminal import ACTOR, Refused, chosen_merchant, print_table, with_world
from app.ports.reporting import UnknownLogin
from app.ports.world import World
from app.services import readers
from app.wiring import build_reporting, load_settings


def run(arguments: Sequence[str]) -> int:
    """One command; its exit status."""
    parser = argparse.ArgumentParser(prog="holdfast reporting", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    allow = commands.add_parser("allow", help="let a login read; again after an upgrade")
    end = commands.add_parser("end", help="no longer let a login read")
    for command in (allow, end):
        command.add_argument("login", help="made before: create role NAME login password …")
    for command in (allow, end, commands.add_parser("list", help="the logins that read")):
        command.add_argument("--merchant", help="id or name; not needed where there is only one")
    asked = parser.parse_args(list(arguments))
    carry_out = {"allow": _allow, "end": _end, "list": _list}[asked.command]
    return with_world(lambda world: carry_out(world, asked))


async def _allow(world: World, asked: argparse.Namespace) -> int:
    merchant = await chosen_merchant(world, asked.merchant)
    async with build_reporting(load_settings()) as reporting:
        try:
            await readers.allow(world, reporting, merchant.merchant_id, asked.login, actor=ACTOR)
        except UnknownLogin as wrong:
            raise Refused(
                f"{asked.login} is no login of this database that may only read: let an "
                "administrator run: create role NAME login password …"
            ) from wrong
    print(f"{asked.login} reads the rows of {merchant.name} in the schema reporting")
    return 0


async def _end(world: World, asked: argparse.Namespace) -> int:
    merchant = await chosen_merchant(world, asked.merchant)
    if not await readers.end(world, merchant.merchant_id, asked.login, actor=ACTOR):
        raise Refused(f"{asked.login} does not read the rows of {merchant.name}")
    print(f"{asked.login} no longer reads the rows of {merchant.name}")
    return 0


async def _list(world: World, asked: argparse.Namespace) -> int:
    merchant = await chosen_merchant(world, asked.merchant)
    found = await readers.of_merchant(world, merchant.merchant_id)
    print_table(("login", "since"), [(reader.login, reader.begun_at) for reader in found])
    return 0
