"""`holdfast customers`: all that is held of one customer, and how it is erased."""

import argparse
import json
from collections.abc import Sequence

from app.operations.terminal import ACTOR, Refused, chosen_merchant, print_table, with_world
from app.ports.world import World
from app.services import erasing, personal_data
from app.services.access import AmbiguousCustomer
from app.services.personal_data import UnknownCustomer


def run(arguments: Sequence[str]) -> int:
    """One command; its exit status."""
    parser = argparse.ArgumentParser(prog="holdfast customers", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    export = commands.add_parser("export", help="print all that is held of a customer, as JSON")
    erase = commands.add_parser(
        "erase", help="overwrite what tells who a customer is; there is no way back"
    )
    erase.add_argument("--yes", action="store_true", help="do not ask")
    for command in (export, erase):
        command.add_argument("customer", help="the customer's id at the provider")
        command.add_argument("--account", help="needed only where several accounts know the id")
        command.add_argument("--merchant", help="id or name; not needed where there is only one")
    asked = parser.parse_args(list(arguments))
    return with_world(lambda world: _carry_out(world, asked))


async def _carry_out(world: World, asked: argparse.Namespace) -> int:
    merchant = await chosen_merchant(world, asked.merchant)
    carry_out = {"export": _export, "erase": _erase}[asked.command]
    try:
        await carry_out(world, merchant.merchant_id, asked)
    except UnknownCustomer as wrong:
        raise Refused(f"{merchant.name} has no customer {asked.customer}") from wrong
    except AmbiguousCustomer as wrong:
        raise Refused("several accounts know this customer: name one with --account") from wrong
    return 0


async def _export(world: World, merchant_id: str, asked: argparse.Namespace) -> None:
    document = await personal_data.export(
        world, merchant_id, asked.customer, account_id=asked.account, actor=ACTOR
    )
    print(json.dumps(document, indent=2, ensure_ascii=False))


async def _erase(world: World, merchant_id: str, asked: argparse.Namespace) -> None:
    if not asked.yes:
        raise Refused("this cannot be taken back: say --yes")
    done = await erasing.erase(
        world, merchant_id, asked.customer, account_id=asked.account, actor=ACTOR
    )
    print_table(("overwritten", "rows"), list(done.overwritten.items()))
    print(f"{len(done.stopped)} cases were stopped; erase the customer at the provider as well")
