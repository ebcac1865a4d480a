"""`holdfast accounts`: provider accounts, added, listed, paused and resumed."""

import argparse
from collections.abc import Sequence
from dataclasses import replace
from zoneinfo import ZoneInfo, available_timezones

from app.domain.dunning import IllegalMove
from app.domain.languages import LANGUAGES
from app.domain.merchants import CollectionMode, Merchant, ProviderAccount
from app.operations.collisions import refuse_if_retried
from app.operations.terminal import (
    ACTOR,
    Refused,
    ask_secret,
    chosen_account,
    print_table,
    with_world,
)
from app.ports.payments import AccountRefused, ProviderRefused, ProviderUnavailable
from app.ports.world import World
from app.services import merchants
from app.services.old_debts import release_old_debts
from app.services.parking import begin_again
from app.services.restoring import withhold_letters
from app.wiring import build_admin

KEY_PREFIXES = ("sk_live_", "sk_test_", "rk_live_", "rk_test_")


def run(arguments: Sequence[str]) -> int:
    """One command; its exit status."""
    asked = _parser().parse_args(list(arguments))
    commands = {
        "add": _add,
        "list": _list,
        "pause": _pause,
        "resume": _resume,
        "withhold": _withhold,
        "secret": _secret,
        "retire-secrets": _retire,
        "key": _key,
        "release": _release,
        "again": _again,
        "mode": _mode,
    }
    return with_world(lambda world: commands[asked.command](world, asked))


def only_to_try() -> bool:
    """Whether this deployment has no provider account yet, or only such as are the sandbox's."""
    found: list[ProviderAccount] = []

    async def look(world: World) -> int:
        found.extend(account for _, account in await merchants.list_accounts(world))
        return 0

    return with_world(look) == 0 and all(account.api_base for account in found)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="holdfast accounts", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    add = commands.add_parser(
        "add",
        help="add an account; asks for its secrets, or reads them from standard input, a line each",
    )
    add.add_argument(
        "--merchant", required=True, help="whose account it is, test or live; made if unknown"
    )
    add.add_argument("--mode", choices=[mode.value for mode in CollectionMode], default="observe")
    add.add_argument("--provider-ref", help="the provider's own id, acct_…")
    add.add_argument("--api-base", help="where the sandbox listens; leave out for the provider")
    add.add_argument("--time-zone", default="UTC", help="of a new merchant, like Europe/Berlin")
    add.add_argument("--language", choices=LANGUAGES, default="en")
    add.add_argument("--sender", default="billing@localhost", help="address mail comes from")
    commands.add_parser("list", help="show the accounts")
    pause = commands.add_parser("pause", help="stop all calls, charges and mail of an account")
    pause.add_argument("--reason", required=True)
    with_account = (
        pause,
        commands.add_parser("resume", help="let it work again"),
        commands.add_parser("withhold", help="after a restore: send nothing that may have left"),
        commands.add_parser("secret", help="add a webhook secret; former ones stay valid"),
        commands.add_parser("retire-secrets", help="accept the newest webhook secret only"),
        commands.add_parser("key", help="put a new API key in the place of the former"),
        commands.add_parser("again", help="try what was parked anew, once its cause is put right"),
        commands.add_parser("release", help="collect what was past due before it was connected"),
    )
    mode = commands.add_parser("mode", help="who retries: the provider (observe) or we (drive)")
    mode.add_argument("account_id")
    mode.add_argument("mode", choices=[mode.value for mode in CollectionMode])
    for command in with_account:
        command.add_argument("account_id", nargs="?", help="not needed where there is only one")
    return parser


async def _add(world: World, asked: argparse.Namespace) -> int:
    if asked.time_zone not in available_timezones():
        raise Refused(f"--time-zone: there is no {asked.time_zone!r}")
    api_key = _ask_key("API key of the provider account")
    webhook_secret = ask_secret("Webhook secret (empty: `connect` makes one)", optional=True)
    merchant = await _merchant(world, asked)
    try:
        account = await merchants.create_account(
            world,
            merchant_id=merchant.merchant_id,
            api_key=api_key,
            actor=ACTOR,
            live="_live_" in api_key[:8],
            mode=CollectionMode(asked.mode),
            provider_ref=asked.provider_ref,
            webhook_secrets=[webhook_secret] if webhook_secret else [],
            api_base=asked.api_base,
        )
    except merchants.OtherMode as refusal:
        raise Refused(f"{merchant.name}: {refusal} (--merchant)") from refusal
    print(f"merchant  {merchant.merchant_id}\naccount   {account.account_id}")
    print(f"webhooks  {world.public_url}/webhooks/stripe/{account.account_id}")
    if not webhook_secret:
        print(f"next      holdfast connect {account.account_id}")
    return 0


def _ask_key(prompt: str) -> str:
    api_key = ask_secret(prompt)
    if not api_key.startswith(KEY_PREFIXES):
        raise Refused("an API key begins with one of " + ", ".join(KEY_PREFIXES))
    return api_key


async def _merchant(world: World, asked: argparse.Namespace) -> Merchant:
    known = {m.merchant_id: m for m, _ in await merchants.list_accounts(world)}
    fitting = [m for m in known.values() if asked.merchant in (m.merchant_id, m.name)]
    if len(fitting) > 1:
        raise Refused("several merchants have this name; give the id instead")
    if fitting:
        return fitting[0]
    return await merchants.create_merchant(
        world,
        name=asked.merchant,
        actor=ACTOR,
        time_zone=ZoneInfo(asked.time_zone).key,
        language=asked.language,
        sender_email=asked.sender,
    )


async def _list(world: World, _: argparse.Namespace) -> int:
    rows = [_row(merchant, account) for merchant, account in await merchants.list_accounts(world)]
    print_table(("account", "merchant", "provider", "mode", "state"), rows)
    return 0


def _row(merchant: Merchant, account: ProviderAccount) -> tuple[object, ...]:
    provider = f"{account.provider} {'live' if account.live else 'test'}"
    if account.paused_at:
        state = f"paused: {account.paused_reason}"
    elif not account.webhook_secrets_sealed:
        state = "not connected"
    else:
        state = "ready"
    return account.account_id, merchant.name, provider, account.mode, state


async def _pause(world: World, asked: argparse.Namespace) -> int:
    account = await chosen_account(world, asked.account_id)
    await merchants.pause_account(world, account, reason=asked.reason, actor=ACTOR)
    print(f"{account.account_id} is paused; its webhooks are still taken")
    return 0


async def _resume(world: World, asked: argparse.Namespace) -> int:
    account = await chosen_account(world, asked.account_id)
    await merchants.resume_account(world, account, actor=ACTOR)
    print(f"{account.account_id} works again")
    return 0


async def _withhold(world: World, asked: argparse.Namespace) -> int:
    account = await chosen_account(world, asked.account_id)
    try:
        n = await withhold_letters(world, account, actor=ACTOR)
    except IllegalMove as refusal:
        raise Refused(f"{refusal}: `holdfast accounts pause` first") from refusal
    print(f"{n} letters that were due are not sent; they are shown as unknown")
    return 0


async def _secret(world: World, asked: argparse.Namespace) -> int:
    account = await chosen_account(world, asked.account_id)
    secret = ask_secret("New webhook secret")
    await merchants.add_webhook_secret(world, account, secret=secret, actor=ACTOR)
    print("added; after the rotation: holdfast accounts retire-secrets")
    return 0


async def _mode(world: World, asked: argparse.Namespace) -> int:
    account = await chosen_account(world, asked.account_id)
    mode = CollectionMode(asked.mode)
    if mode is CollectionMode.DRIVE:
        async with build_admin(world) as admin:
            await refuse_if_retried(admin, account)
    await merchants.set_mode(world, account, mode, actor=ACTOR)
    told = {
        CollectionMode.DRIVE: "we retry; open cases are taken over one by one",
        CollectionMode.OBSERVE: "the provider retries; open cases are given back one by one",
    }
    print(f"{account.account_id}: {mode}, {told[mode]}")
    return 0


async def _retire(world: World, asked: argparse.Namespace) -> int:
    account = await chosen_account(world, asked.account_id)
    await merchants.retire_webhook_secrets(world, account, actor=ACTOR)
    print("only the newest webhook secret is accepted, everywhere within 30 s")
    return 0


async def _key(world: World, asked: argparse.Namespace) -> int:
    """The new key is tried before the former one goes: a wrong one must not stop a good account."""
    account = await chosen_account(world, asked.account_id)
    api_key = _ask_key("New API key of the provider account")
    if ("_live_" in api_key[:8]) != account.live:
        raise Refused("the key is of the other mode: test and live accounts are kept apart")
    await _try_key(world, replace(account, api_key_sealed=world.sealer.seal(api_key)))
    after = await merchants.replace_key(world, account, api_key=api_key, actor=ACTOR)
    state = f"stays paused: {after.paused_reason}" if after.paused_at else "works with the new key"
    print(f"{account.account_id} {state}")
    return 0


async def _try_key(world: World, account: ProviderAccount) -> None:
    async with build_admin(world) as admin:
        try:
            seen = await admin.read_account(account)
        except AccountRefused as refusal:
            raise Refused(f"the provider refuses this key: {refusal}") from refusal
        except (ProviderUnavailable, ProviderRefused) as failure:
            raise Refused(f"the key could not be tried: {failure}") from failure
    if account.provider_ref not in (None, seen.id):
        raise Refused(f"the key belongs to {seen.id}, not to {account.provider_ref}")


async def _release(world: World, asked: argparse.Namespace) -> int:
    account = await chosen_account(world, asked.account_id)
    released = await release_old_debts(world, account, actor=ACTOR)
    print(f"{released} cases of old debts are collected from now on, their letters among it")
    return 0


async def _again(world: World, asked: argparse.Namespace) -> int:
    account = await chosen_account(world, asked.account_id)
    begun = await begin_again(world, account, actor=ACTOR)
    print(f"{begun} parked actions are tried anew")
    return 0
