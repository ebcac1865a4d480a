"""`holdfast reconcile`: the ledger beside the provider's own lists, now."""

import argparse
from collections.abc import Sequence
from datetime import UTC, datetime

from app.domain.comparing import Comparison, LineState
from app.domain.merchants import ProviderAccount
from app.operations.terminal import ACTOR, Refused, chosen_account, print_table, with_world
from app.ports.world import World
from app.services import comparing, comparisons

SHOWN = 100


def run(arguments: Sequence[str]) -> int:
    """One command; its exit status: 1 where the last comparison found differences."""
    parser = argparse.ArgumentParser(prog="holdfast reconcile", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    begin = commands.add_parser("begin", help="let a worker compare now; otherwise every night")
    begin.add_argument("--from", dest="since", type=_day, help="charges made from this day, UTC")
    begin.add_argument("--to", dest="until", type=_day, help="charges made before this day, UTC")
    show = commands.add_parser("show", help="what the last comparison found, difference by line")
    for command in (begin, show):
        command.add_argument("account_id", nargs="?", help="not needed where there is only one")
    asked = parser.parse_args(list(arguments))
    return with_world(lambda world: (_begin if asked.command == "begin" else _show)(world, asked))


def _day(text: str) -> datetime:
    return datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC)


async def _begin(world: World, asked: argparse.Namespace) -> int:
    account = await chosen_account(world, asked.account_id)
    try:
        begun = await comparing.begin_comparison(
            world, account, asked_by=ACTOR, since=asked.since, until=asked.until
        )
    except comparing.SpanTooLong as wrong:
        raise Refused(str(wrong)) from wrong
    print(f"{begun.comparison_id} looks at charges from {begun.since} to {begun.until}")
    print("a worker carries it out; then: holdfast reconcile show")
    return 0


async def _show(world: World, asked: argparse.Namespace) -> int:
    account = await chosen_account(world, asked.account_id)
    last = await _last(world, account)
    if last is None:
        raise Refused("nothing was compared yet: `holdfast reconcile begin`")
    print(f"{last.comparison_id}, ended {last.ended_at}: {last.lines} lines, {last.mended} mended")
    sums = [
        (currency, kind, n, ours, theirs, ours - theirs)
        for currency, kinds in sorted((last.totals or {}).items())
        for kind, (n, ours, theirs) in sorted(kinds.items())
    ]
    print_table(("currency", "kind", "lines", "ours", "theirs", "difference"), sums)
    lines = await comparisons.lines(
        world,
        account.merchant_id,
        last.comparison_id,
        states=(LineState.DIFFERS,),
        after=None,
        limit=SHOWN,
    )
    print(f"{last.differing} differ" + (f", the first {SHOWN}:" if last.differing > SHOWN else ""))
    told = [
        (one.kind, one.ref, one.invoice_id, one.ours_minor, theirs)
        for one in lines
        for theirs in ("-" if one.theirs_minor is None else one.theirs_minor,)
    ]
    print_table(("kind", "ref", "invoice", "ours", "theirs"), told)
    return 1 if last.differing else 0


async def _last(world: World, account: ProviderAccount) -> Comparison | None:
    found = await comparisons.find(world, account.merchant_id, after=None, limit=SHOWN)
    ended = (one for one in found if one.account_id == account.account_id and one.ended_at)
    return next(ended, None)
