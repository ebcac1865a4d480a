"""`holdfast connect`: makes the provider's webhook endpoint and keeps its secret, sealed."""

import argparse
from collections.abc import Sequence

from app.domain.merchants import CollectionMode, ProviderAccount
from app.operations.collisions import refuse_if_retried
from app.operations.terminal import ACTOR, Refused, chosen_account, with_world
from app.ports.payments import AccountRefused, ProviderRefused, ProviderUnavailable
from app.ports.world import World
from app.providers.stripe.admin import Endpoint, StripeAdmin
from app.services import merchants
from app.services.backfill import backfill_subscriptions
from app.services.nights import begin_nights
from app.services.reconciling import begin_reconciling
from app.wiring import build_admin


def run(arguments: Sequence[str]) -> int:
    """One command; its exit status."""
    parser = argparse.ArgumentParser(prog="holdfast connect", description=__doc__)
    parser.add_argument("account_id", nargs="?", help="not needed where there is only one")
    parser.add_argument(
        "--again",
        action="store_true",
        help="make a new endpoint although there is one: its secret was lost, or it is outdated",
    )
    asked = parser.parse_args(list(arguments))
    return with_world(lambda world: connect(world, asked.account_id, again=asked.again))


async def connect(world: World, account_id: str | None, *, again: bool, rounds: bool = True) -> int:
    """Make the endpoint unless a good one is there, and with `rounds` plan what comes again by
    itself: reading the provider, and the nights. Raises `Refused` with the way on.

    Killed between the two steps it leaves an endpoint whose secret nobody has: the next run says
    so, and `again` makes a new one.
    """
    account = await chosen_account(world, account_id)
    url = webhook_url(world, account)
    async with build_admin(world) as admin:
        if account.mode is CollectionMode.DRIVE and account.webhook_endpoint_ref is None:
            await refuse_if_retried(admin, account)
        try:
            if not again and await _is_connected(admin, account, url):
                print(f"{account.account_id} is connected: {account.webhook_endpoint_ref}")
                await _take_in(world, account, rounds=rounds)
                return 0
            endpoint, secret = await admin.create_webhook_endpoint(account, url)
        except AccountRefused as refusal:
            raise Refused(f"the provider refuses the key of this account: {refusal}") from refusal
        except (ProviderUnavailable, ProviderRefused) as failure:
            raise Refused(f"the provider made no endpoint: {failure}") from failure
    connected = await merchants.add_webhook_secret(
        world, account, secret=secret, actor=ACTOR, endpoint_ref=endpoint
    )
    print(f"{endpoint} sends its events to {url}")
    await _take_in(world, connected, rounds=rounds)
    if account.webhook_endpoint_ref:
        print(f"Now delete {account.webhook_endpoint_ref} at the provider, then:")
        print(f"holdfast accounts retire-secrets {account.account_id}")
    return 0


async def _take_in(world: World, account: ProviderAccount, *, rounds: bool) -> None:
    """Mirror the subscriptions there are, so that MRR begins with an opening balance; with `rounds`
    begin to reconcile, which takes in what is past due. Done again by every `connect`; writes to
    nobody."""
    try:
        taken = await backfill_subscriptions(world, account)
    except (ProviderUnavailable, ProviderRefused, AccountRefused) as failure:
        print(f"the subscriptions could not all be read ({failure}): run `holdfast connect` again")
        return
    print(f"{taken} subscriptions taken in")
    if not rounds:
        return
    await begin_reconciling(world, account)
    await begin_nights(world, account)
    print("what is past due is taken in next, and held: `holdfast accounts release` lets it go")


def webhook_url(world: World, account: ProviderAccount) -> str:
    """Where the provider sends this account's events."""
    return f"{world.public_url}/webhooks/stripe/{account.account_id}"


async def _is_connected(admin: StripeAdmin, account: ProviderAccount, url: str) -> bool:
    endpoints = await admin.list_webhook_endpoints(account)
    ours = [endpoint for endpoint in endpoints if endpoint.url == url]
    if not ours:
        return False
    known = [endpoint for endpoint in ours if endpoint.id == account.webhook_endpoint_ref]
    if not known:
        raise Refused(
            f"{_ids(ours)} at the provider sends to our address, but its secret is not here: add "
            "it with `holdfast accounts secret`, or make another with `holdfast connect --again`"
        )
    if faults := known[0].faults():
        raise Refused(f"{known[0].id}: {'; '.join(faults)}. Run `holdfast connect --again`")
    return True


def _ids(endpoints: Sequence[Endpoint]) -> str:
    return ", ".join(endpoint.id for endpoint in endpoints)
