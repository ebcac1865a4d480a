"""`holdfast keys`: API keys, made, listed and revoked."""

import argparse
from collections.abc import Sequence
from datetime import timedelta

from app.domain.merchants import ApiKey, Scope
from app.operations.terminal import ACTOR, Refused, chosen_merchant, print_table, with_world
from app.ports.world import World
from app.services import api_keys
from app.services.merchants import OtherMode


def run(arguments: Sequence[str]) -> int:
    """One command; its exit status."""
    asked = _parser().parse_args(list(arguments))
    commands = {"create": _create, "list": _list, "revoke": _revoke}
    return with_world(lambda world: commands[asked.command](world, asked))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="holdfast keys", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    create = commands.add_parser("create", help="make a key; it is shown once")
    create.add_argument("--name", required=True, help="what it is for")
    create.add_argument(
        "--scope",
        action="append",
        required=True,
        choices=[scope.value for scope in Scope],
        help="what it may do; more than one may be given",
    )
    create.add_argument(
        "--test",
        action="store_true",
        help="refuse where the merchant has live accounts; its keys begin with hf_live_, those of "
        "one with test accounts with hf_test_",
    )
    create.add_argument("--days", type=int, help="expire after this many days")
    revoke = commands.add_parser("revoke", help="end a key at once")
    revoke.add_argument("key_id")
    for command in (create, revoke, commands.add_parser("list", help="show the keys")):
        command.add_argument("--merchant", help="id or name; not needed where there is only one")
    return parser


async def _create(world: World, asked: argparse.Namespace) -> int:
    merchant = await chosen_merchant(world, asked.merchant)
    if asked.days is not None and not 1 <= asked.days <= 3650:
        raise Refused("--days must be from 1 to 3650")
    now = world.clock.now()
    try:
        key, secret = await api_keys.create_key(
            world,
            merchant_id=merchant.merchant_id,
            name=asked.name,
            scopes=[Scope(scope) for scope in asked.scope],
            actor=ACTOR,
            live=False if asked.test else None,
            expires_at=now + timedelta(days=asked.days) if asked.days else None,
        )
    except OtherMode:
        raise Refused(f"{merchant.name} has live accounts: leave out --test") from None
    print(f"key     {key.key_id}\nsecret  {secret}\nKeep the secret: nobody can show it again.")
    return 0


async def _list(world: World, asked: argparse.Namespace) -> int:
    merchant = await chosen_merchant(world, asked.merchant)
    keys = await api_keys.list_keys(world, merchant_id=merchant.merchant_id)
    heads = ("key", "name", "scopes", "state", "last used")
    print_table(heads, [_row(world, key) for key in keys])
    return 0


def _row(world: World, key: ApiKey) -> tuple[object, ...]:
    expired = key.expires_at is not None and key.expires_at <= world.clock.now()
    state = "revoked" if key.revoked_at else "expired" if expired else "valid"
    used = f"{key.last_used_at:%Y-%m-%d %H:00}" if key.last_used_at else "never"
    return key.key_id, key.name, " ".join(key.scopes), state, used


async def _revoke(world: World, asked: argparse.Namespace) -> int:
    merchant = await chosen_merchant(world, asked.merchant)
    try:
        key = await api_keys.revoke_key(
            world, merchant_id=merchant.merchant_id, key_id=asked.key_id, actor=ACTOR
        )
    except api_keys.UnknownKey:
        raise Refused(f"{merchant.name} has no key {asked.key_id}") from None
    print(f"{key.key_id} is revoked")
    return 0
