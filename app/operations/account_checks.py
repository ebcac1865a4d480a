"""The doctor's look at one provider account: secrets, key, endpoint, and whose retries run."""

from collections.abc import AsyncIterator
from datetime import timedelta

from app.domain.actions import ActionState
from app.domain.merchants import CollectionMode, Merchant, ProviderAccount
from app.operations.collisions import STOP_RETRIES
from app.operations.connect import webhook_url
from app.operations.findings import Finding, good, note, wrong
from app.ports.payments import AccountRefused, ProviderRefused, ProviderUnavailable
from app.ports.secrets import SecretUnreadable
from app.ports.world import World
from app.providers.stripe.admin import StripeAdmin
from app.services.merchants import KEY_REFUSED
from app.services.old_debts import count_held
from app.services.reconciling import last_round

LATE = timedelta(hours=24)  # by then it would have been through twice


async def account_checks(
    world: World, admin: StripeAdmin, merchant: Merchant, account: ProviderAccount
) -> AsyncIterator[Finding]:
    """The findings of one account; asks the provider four questions and changes nothing."""
    about = f"{account.account_id} ({merchant.name})"
    if account.paused_at:
        refused = account.paused_reason and account.paused_reason.startswith(KEY_REFUSED)
        again = f"holdfast accounts {'key' if refused else 'resume'} {account.account_id}"
        yield wrong(about, f"paused: {account.paused_reason}", f"mend that, then `{again}`")
    async for finding in _taken_in(world, account, about):
        yield finding
    try:
        for sealed in (account.api_key_sealed, *account.webhook_secrets_sealed):
            world.sealer.open(sealed)
    except SecretUnreadable as lost:
        yield wrong(about, str(lost), "put the former master key back into HOLDFAST_SECRET_KEYS")
        return
    try:
        yield await _identity(admin, account, about)
        yield await _endpoint(world, admin, account, about)
        yield await _retries(admin, account, about)
    except AccountRefused as refusal:
        yield wrong(
            about,
            f"the provider refuses the key: {refusal}",
            f"`holdfast accounts key {account.account_id}`",
        )
    except (ProviderUnavailable, ProviderRefused) as failure:
        yield wrong(about, f"the provider does not answer: {failure}", "look again later")


async def _taken_in(world: World, account: ProviderAccount, about: str) -> AsyncIterator[Finding]:
    """Old debts that wait, and whether the provider is read for what no webhook told."""
    if held := await count_held(world, account):
        release = f"holdfast accounts release {account.account_id}"
        text = f"{held} cases of old debts are held: nobody is written to before `{release}`"
        yield note(about, text)
    round_ = await last_round(world, account)
    again = f"`holdfast connect {account.account_id}`"
    if round_ is None or round_.state is not ActionState.PENDING:
        why = f": {round_.note}" if round_ else ""
        yield wrong(about, f"it is not reconciled with the provider{why}", again)
    elif round_.due_at < world.clock.now() - LATE:
        late = round_.due_at.isoformat(timespec="minutes")
        yield wrong(about, f"reconciling was due at {late}", "is a worker running?")
    elif last := (round_.data or {}).get("of_last"):
        missed = f"{last['missed']} missed webhooks, {last['read']} objects read"
        yield note(about, f"the last reconciling found {missed}, {last['quiet']} quiet cases")


async def _identity(admin: StripeAdmin, account: ProviderAccount, about: str) -> Finding:
    seen = await admin.read_account(account)
    if account.provider_ref not in (None, seen.id):
        return wrong(
            about,
            f"the key belongs to {seen.id}, not to {account.provider_ref}",
            "add the account anew with the right key",
        )
    mode = "live" if account.live else "test"
    return good(about, f"the key of {seen.id} works, {mode} mode, {account.mode.value}")


async def _endpoint(
    world: World, admin: StripeAdmin, account: ProviderAccount, about: str
) -> Finding:
    connect = f"holdfast connect {account.account_id}"
    url = webhook_url(world, account)
    ours = [e for e in await admin.list_webhook_endpoints(account) if e.url == url]
    if not ours:
        return wrong(about, f"no webhook endpoint sends to {url}", f"`{connect}`")
    if not account.webhook_secrets_sealed:
        return wrong(about, "the endpoint's secret is not here", f"`{connect} --again`")
    for endpoint in ours:
        if faults := endpoint.faults():
            return wrong(about, f"{endpoint.id}: {'; '.join(faults)}", f"`{connect} --again`")
    return good(about, f"{ours[0].id} is pinned and asks for exactly what we read")


async def _retries(admin: StripeAdmin, account: ProviderAccount, about: str) -> Finding:
    """There is no API for the provider's retry settings: its open invoices show them."""
    seen = await admin.sample_collisions(account)
    retried = f"{len(seen.scheduled)} of {seen.sampled} open invoices"
    if account.mode is CollectionMode.DRIVE and seen.scheduled:
        return wrong(
            about,
            f"drive, but the provider will itself retry {retried}, {seen.scheduled[0]} for one",
            f"{STOP_RETRIES}; cases already taken over are safe, later invoices collide",
        )
    if account.mode is CollectionMode.OBSERVE and seen.sampled and not seen.scheduled:
        text = "observe, but the provider plans a retry of none of its open invoices"
        if seen.auto_advancing:
            text += "; its automations, or a date set later, may still follow"
        return note(about, text)
    return good(about, f"retries do not collide ({retried} retried by the provider)")
