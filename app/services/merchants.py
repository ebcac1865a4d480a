"""Merchants and their provider accounts: whom we work for, and with which secrets."""

import secrets
from collections.abc import Callable, Collection
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial

from app.domain.actions import Action, ActionKind, ActionState
from app.domain.alerts import STANDING, AlertKind
from app.domain.dunning import Case, CaseState
from app.domain.events_telling import Move
from app.domain.ids import derive_id
from app.domain.merchants import CollectionMode, Merchant, ProviderAccount
from app.domain.openings import case_action
from app.domain.operations import Alert
from app.domain.records import Book, Key
from app.ports.store import Transaction
from app.ports.world import World
from app.services.audit import audit
from app.services.events import tell_of
from app.services.paging import by_the_page

ROWS_AT_ONCE = 500
WEBHOOK_SECRETS_KEPT = 3  # the newest and two former: more than one rotation is never under way

PAUSED = AlertKind.ACCOUNT_PAUSED  # the alert of a pause that we made
PAUSED_AGAIN = timedelta(hours=1)  # as long waits what falls due while its account is paused
# Alerts of pauses that concern all accounts of a merchant.
FUSES = (AlertKind.CHARGE_VOLUME, AlertKind.MAIL_VOLUME)
TOLD_AGAIN = timedelta(days=1)  # between two tellings of what nobody settles
KEY_REFUSED = "the provider refuses the key: "  # how the reason of such a pause begins


class AlreadyThere(ValueError):
    """A merchant or an account like this one was made at this very instant."""


class ProviderRetries(ValueError):
    """We cannot drive what the provider retries too; `invoices` are some of those."""

    def __init__(self, invoices: Collection[str]) -> None:
        super().__init__(f"the provider will itself retry {len(invoices)} open invoices")
        self.invoices = tuple(invoices)


class OtherMode(ValueError):
    """A merchant has test accounts or live ones. Its figures count them all, and ledgers keep what
    was entered once: play money would never leave them again."""

    def __init__(self, *, live: bool) -> None:
        has, told = ("live", "a test") if live else ("test", "a live")
        super().__init__(
            f"this merchant has {has} accounts, and test and live ones are kept apart in all "
            f"figures: give {told} account a merchant of another name"
        )


class UnknownAccount(LookupError):
    """The merchant has no such provider account."""


async def create_merchant(
    world: World,
    *,
    name: str,
    actor: str,
    time_zone: str = "UTC",
    language: str = "en",
    sender_email: str = "billing@localhost",
    assignment_key: str | None = None,
) -> Merchant:
    """Make a merchant. Its id follows from name and instant.

    `assignment_key` is drawn at random where none is given. Raises `AlreadyThere`.
    """
    now = world.clock.now()
    merchant = Merchant(
        merchant_id=derive_id("merchant", now, name),
        name=name,
        time_zone=time_zone,
        language=language,
        sender_email=sender_email,
        sender_name=name,
        assignment_key=assignment_key or secrets.token_hex(32),
        created_at=now,
    )
    subject = merchant.merchant_id
    made = audit(actor=actor, action="merchant.created", subject=subject, at=now, after=merchant)
    async with world.store.transaction(subject) as tx:
        if not await tx.insert([merchant]):
            raise AlreadyThere(f"merchant {name!r}")
        await tx.insert([made])
    return merchant


async def create_account(
    world: World,
    *,
    merchant_id: str,
    api_key: str,
    actor: str,
    live: bool,
    mode: CollectionMode = CollectionMode.OBSERVE,
    provider_ref: str | None = None,
    webhook_secrets: Collection[str] = (),
    api_base: str | None = None,
) -> ProviderAccount:
    """Connect a provider account; its secrets are sealed before they go anywhere.

    Its id follows from merchant, provider account, mode and instant. Raises `AlreadyThere`, and
    `OtherMode` where the merchant's accounts are not of the same mode.
    """
    now = world.clock.now()
    account = ProviderAccount(
        account_id=derive_id("account", now, merchant_id, provider_ref, live),
        merchant_id=merchant_id,
        provider_ref=provider_ref,
        live=live,
        mode=mode,
        api_key_sealed=world.sealer.seal(api_key),
        webhook_secrets_sealed=tuple(map(world.sealer.seal, webhook_secrets)),
        api_base=api_base,
        created_at=now,
    )
    subject = account.account_id
    made = audit(actor=actor, action="account.connected", subject=subject, at=now, after=account)
    async with world.store.transaction(merchant_id) as tx:
        await tx.lock(merchant_id, ["provider_accounts"])
        others = await tx.find(ProviderAccount, where={"merchant_id": merchant_id})
        if any(other.live is not live for other in others):
            raise OtherMode(live=not live)
        if not await tx.insert([account]):
            raise AlreadyThere(f"provider account {provider_ref or api_base or ''}")
        await tx.insert([made])
    return account


async def find_account(world: World, account_id: str) -> ProviderAccount | None:
    """A provider account by our id, whoever it belongs to."""
    async with world.store.system() as tx:
        rows = await tx.load(ProviderAccount, [(account_id,)])
    return rows[0] if rows else None


async def list_accounts(world: World) -> list[tuple[Merchant, ProviderAccount]]:
    """Every provider account of the deployment with its merchant, oldest first."""
    async with world.store.system() as tx:
        accounts = await tx.find(ProviderAccount, where={}, order=("created_at", "account_id"))
        ids = sorted({account.merchant_id for account in accounts})
        await tx.act_for(ids)
        merchants = await tx.load(Merchant, [(merchant_id,) for merchant_id in ids])
    by_id = {merchant.merchant_id: merchant for merchant in merchants}
    return [(by_id[account.merchant_id], account) for account in accounts]


async def add_webhook_secret(
    world: World,
    account: ProviderAccount,
    *,
    secret: str,
    actor: str,
    endpoint_ref: str | None = None,
) -> ProviderAccount:
    """Put a webhook secret in front; two former ones go on being accepted, so that nothing
    signed before the rotation is refused. With its first the account is connected, from then on:
    what was past due by then is an old debt. Raises `UnknownAccount`."""

    def change(current: ProviderAccount) -> ProviderAccount:
        kept = (world.sealer.seal(secret), *current.webhook_secrets_sealed)
        heard = bool(current.webhook_secrets_sealed)
        return replace(
            current,
            created_at=current.created_at if heard else world.clock.now(),
            webhook_secrets_sealed=kept[:WEBHOOK_SECRETS_KEPT],
            webhook_endpoint_ref=endpoint_ref or current.webhook_endpoint_ref,
        )

    return await _change(world, account, change, "account.webhook_secret_added", actor)


async def retire_webhook_secrets(
    world: World, account: ProviderAccount, *, actor: str
) -> ProviderAccount:
    """Accept the newest webhook secret only: the end of a rotation. Raises `UnknownAccount`."""

    def change(current: ProviderAccount) -> ProviderAccount:
        return replace(current, webhook_secrets_sealed=current.webhook_secrets_sealed[:1])

    return await _change(world, account, change, "account.webhook_secrets_retired", actor)


async def pause_account(
    world: World, account: ProviderAccount, *, reason: str, actor: str
) -> ProviderAccount:
    """Stop everything for an account: no call, no charge, no mail. Webhooks are still taken.
    One paused before keeps its reason. Raises `UnknownAccount`."""
    now = world.clock.now()

    def change(current: ProviderAccount) -> ProviderAccount:
        if current.paused_at:
            return current
        return replace(current, paused_at=now, paused_reason=reason)

    return await _change(world, account, change, "account.paused", actor)


async def resume_account(world: World, account: ProviderAccount, *, actor: str) -> ProviderAccount:
    """Let an account work again, at once; what told of its pause is settled. Raises
    `UnknownAccount`."""

    paused = account

    def change(current: ProviderAccount) -> ProviderAccount:
        nonlocal paused
        paused = current
        return replace(current, paused_at=None, paused_reason=None)

    after = await _change(world, account, change, "account.resumed", actor)
    await _go_on(world, paused)
    return after


async def replace_key(
    world: World, account: ProviderAccount, *, api_key: str, actor: str
) -> ProviderAccount:
    """Give an account another API key, sealed. One that was paused because its former key was
    refused works again; paused for another reason it stays so. Raises `UnknownAccount`."""

    paused = account

    def change(current: ProviderAccount) -> ProviderAccount:
        nonlocal paused
        paused = current
        keyed = replace(current, api_key_sealed=world.sealer.seal(api_key))
        if not (current.paused_reason or "").startswith(KEY_REFUSED):
            return keyed
        return replace(keyed, paused_at=None, paused_reason=None)

    after = await _change(world, account, change, "account.key_replaced", actor)
    if after.paused_at is None:
        await _go_on(world, paused)
    return after


async def _go_on(world: World, paused: ProviderAccount) -> None:
    """Settle what told of a pause, and bring forward what it had put off. What falls due within a
    minute is left: a worker may be at it."""
    now = world.clock.now()
    why = paused.paused_reason or ""
    met = why.removeprefix(KEY_REFUSED)  # as an action says it that was refused itself
    put_off = {
        "account_id": paused.account_id,
        "state": ActionState.PENDING,
        "note": [why, f"provider: {met}"],
        "due_at__gte": now + timedelta(minutes=1),
        "due_at__lte": now + PAUSED_AGAIN,
    }
    async with world.store.transaction(paused.merchant_id) as tx:
        await settle_alerts(tx, paused.merchant_id, PAUSED, paused.account_id, at=now)
        for fuse in FUSES:
            await settle_alerts(tx, paused.merchant_id, fuse, paused.merchant_id, at=now)
    more = True
    while more:
        async with world.store.transaction(paused.merchant_id) as tx:
            waiting = await tx.find(Action, where=put_off, limit=ROWS_AT_ONCE)
            await tx.save([replace(action, due_at=now) for action in waiting])
        more = bool(waiting)


async def set_mode(
    world: World,
    account: ProviderAccount,
    mode: CollectionMode,
    *,
    actor: str,
    retried: Collection[str] = (),
) -> ProviderAccount:
    """Who retries from now on, also for the cases that are open: each is looked at anew (entering
    drive) or given back to the provider (leaving it), by actions of their own that come twice
    or late without harm.

    The account has its mode from the first transaction on; its cases follow a page at a time. Cut
    off in between, the rest stay with whom they were: asked again, those are handed over that are
    not on their way, however often. A change back in the meantime ends it.

    `retried` are open invoices that the provider will try again by itself. Raises
    `ProviderRetries` for drive where there are any, and `UnknownAccount`.
    """
    if mode is CollectionMode.DRIVE and retried:
        raise ProviderRetries(retried)

    def change(current: ProviderAccount) -> ProviderAccount:
        return replace(current, mode=mode)

    changed = await _change(world, account, change, f"account.{mode}", actor)
    await by_the_page(partial(_hand_over, world, changed))
    return changed


async def _hand_over(
    world: World, account: ProviderAccount, after: Key | None
) -> tuple[int, Key | None]:
    """One page of open cases that are still where they were before the account had its mode; the
    last where there are no more, or the account has another mode again."""
    driven = account.mode is CollectionMode.OBSERVE
    where = {"account_id": account.account_id, "state": CaseState.ACTIVE, "driven": driven}
    async with world.store.transaction(account.merchant_id) as tx:
        await tx.lock(account.account_id, ["provider_account"])
        rows = await tx.load(ProviderAccount, [(account.account_id,)])
        if [row.mode for row in rows] != [account.mode]:
            return 0, None
        page = await tx.find(Case, where=where, order=("case_id",), after=after, limit=ROWS_AT_ONCE)
        handing = [_handing(case, account.mode, world.clock.now()) for case in page]
        cases = [case.case_id for case in page]
        pending = {"case_id": cases, "state": ActionState.PENDING}
        on_their_way = {_what(row) for row in await tx.find(Action, where=pending)}
        await tx.insert([row for row in handing if _what(row) not in on_their_way])
    return len(page), (page[-1].case_id,) if len(page) == ROWS_AT_ONCE else None


def _what(row: Action) -> tuple[ActionKind, str | None, bool]:
    return row.kind, row.case_id, bool((row.data or {}).get("entering"))


def _handing(case: Case, mode: CollectionMode, now: datetime) -> Action:
    nth = f"mode:{now.isoformat()}"
    if mode is CollectionMode.OBSERVE:
        return case_action(case, ActionKind.GIVE_BACK, now, nth=nth)
    return case_action(case, ActionKind.ASSESS, now, nth=nth, data={"entering": "drive"})


async def _change(
    world: World,
    account: ProviderAccount,
    change: Callable[[ProviderAccount], ProviderAccount],
    action: str,
    actor: str,
) -> ProviderAccount:
    """One change under the account's lock, with its audit line; nothing where nothing changes."""
    now = world.clock.now()
    async with world.store.transaction(account.merchant_id) as tx:
        await tx.lock(account.account_id, ["provider_account"])
        rows = await tx.load(ProviderAccount, [(account.account_id,)])
        if not rows:
            raise UnknownAccount(account.account_id)
        after = change(rows[0])
        if after != rows[0]:
            await tx.save([after])
            subject = account.account_id
            line = audit(
                actor=actor, action=action, subject=subject, at=now, before=rows[0], after=after
            )
            await tx.insert([line])
            await tell_of(tx, [Move(rows[0], after)], Book(), at=now)
    return after


async def alert(
    world: World, *, merchant_id: str, kind: AlertKind, subject: str, text: str
) -> None:
    """Tell the operator. Repeated, it stays one alert, as `raise_alert` says."""
    now = world.clock.now()
    async with world.store.transaction(merchant_id) as tx:
        await raise_alert(
            tx,
            Alert(
                alert_id=derive_id("alert", now, merchant_id, kind, subject),
                merchant_id=merchant_id,
                kind=kind,
                subject=subject,
                text=text,
                at=now,
            ),
        )


async def raise_alert(tx: Transaction, new: Alert) -> None:
    """Within a transaction: insert an alert, or open the resolved one about the same again. What
    nobody settles is told again where it happens again after `TOLD_AGAIN`."""
    if await tx.insert([new]):
        return
    where = {"merchant_id": new.merchant_id, "kind": new.kind, "subject": new.subject}
    for known in await tx.find(Alert, where=where):
        happens_again = new.kind not in STANDING and new.at - known.at >= TOLD_AGAIN
        if known.resolved_at is not None or happens_again:
            await tx.save([replace(new, alert_id=known.alert_id)])


async def settle_alerts(
    tx: Transaction, merchant_id: str, kind: AlertKind, *subjects: str, at: datetime
) -> None:
    """Within a transaction: what these alerts told of is over."""
    where = {"merchant_id": merchant_id, "kind": kind, "subject": subjects, "resolved_at": None}
    known = await tx.find(Alert, where=where)
    await tx.save([replace(one, resolved_at=at) for one in known])
