"""What the commands share: the world they act in, secrets read without echo, tables printed."""

import asyncio
import getpass
import sys
from collections.abc import Awaitable, Callable, Sequence

from app.domain.merchants import Merchant, ProviderAccount
from app.ports.store import StoreUnavailable
from app.ports.world import World
from app.services import merchants
from app.wiring import NotConfigured, build_world, load_settings

ACTOR = "operator"  # who changed something from the command line, in the audit log


class Refused(Exception):
    """The command cannot be carried out as asked; the text says what to do instead."""


def with_world(work: Callable[[World], Awaitable[int]]) -> int:
    """Run one command in this deployment's world; its exit status. What the operator can mend
    is said in words and ends with 2."""

    async def command() -> int:
        async with build_world(load_settings()) as world:
            return await work(world)

    try:
        return asyncio.run(command())
    except (Refused, NotConfigured, merchants.AlreadyThere, merchants.UnknownAccount) as refusal:
        print(f"holdfast: {refusal}", file=sys.stderr)
    except StoreUnavailable as outage:
        print(f"holdfast: the database does not answer: {outage}", file=sys.stderr)
    return 2


def ask_secret(prompt: str, *, optional: bool = False) -> str:
    """A secret from the terminal without echo, or the next line of standard input. Never an
    argument: those stand in the process list and in the shell's history. Raises `Refused`."""
    if sys.stdin.isatty():
        secret = getpass.getpass(f"{prompt}: ").strip()
    else:
        secret = sys.stdin.readline().strip()
    if not secret and not optional:
        raise Refused(f"{prompt} is needed: type it when asked, or send it on standard input")
    return secret


async def chosen_account(world: World, account_id: str | None) -> ProviderAccount:
    """The account of this id, or the only one. Raises `Refused`."""
    accounts = [account for _, account in await merchants.list_accounts(world)]
    if account_id is None and len(accounts) == 1:
        return accounts[0]
    for account in accounts:
        if account.account_id == account_id:
            return account
    if not accounts:
        raise Refused("there is no provider account yet: `holdfast accounts add`")
    raise Refused("name one of the accounts that `holdfast accounts list` shows")


async def chosen_merchant(world: World, wanted: str | None) -> Merchant:
    """The merchant of this id or name, or the only one. Raises `Refused`."""
    known = {m.merchant_id: m for m, _ in await merchants.list_accounts(world)}
    if wanted is None and len(known) == 1:
        return next(iter(known.values()))
    fitting = [m for m in known.values() if wanted in (m.merchant_id, m.name)]
    if len(fitting) == 1:
        return fitting[0]
    if not known:
        raise Refused("there is no merchant yet: `holdfast accounts add` makes one")
    raise Refused("name one merchant with --merchant: " + ", ".join(map(_naming, known.values())))


def _naming(merchant: Merchant) -> str:
    return f"{merchant.merchant_id} ({merchant.name})"


def print_table(heads: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """A plain table: columns aligned, no colours, so that it can be piped."""
    lines = [[str(cell) for cell in row] for row in (heads, *rows)]
    widths = [max(len(line[n]) for line in lines) for n in range(len(heads))]
    for line in lines:
        pairs = zip(line, widths, strict=True)
        print("  ".join(cell.ljust(width) for cell, width in pairs).rstrip())
