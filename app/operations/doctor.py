"""`holdfast doctor`: what is missing, wrong or colliding, and what to do about it."""

import asyncio
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack

from app.domain.policy_documents import InvalidPolicy
from app.operations.account_checks import account_checks
from app.operations.findings import Finding, good, note, wrong
from app.operations.server_checks import check_database, check_redis, check_smtp
from app.ports.store import StoreUnavailable
from app.services import merchants
from app.wiring import (
    BadSettings,
    Environment,
    NotConfigured,
    Settings,
    build_admin,
    build_world,
    clock_of,
    load_settings,
)

HELP = "usage: holdfast doctor\n\nSays what is missing, wrong or colliding; ends with 1 if so."


def run(arguments: Sequence[str]) -> int:
    """Look at everything; 0 if nothing is wrong, 1 if something is."""
    if arguments:
        print(HELP)
        return 0 if set(arguments) <= {"-h", "--help"} else 2
    return asyncio.run(_report())


async def _report() -> int:
    sick = 0
    async for finding in diagnose():
        print(finding.line(), flush=True)
        sick += finding.is_wrong
    print(f"\n{sick} to mend" if sick else "\nall is well", file=sys.stderr)
    return 1 if sick else 0


async def diagnose() -> AsyncIterator[Finding]:
    """All findings in the order of their dependence: what fails first explains what follows."""
    try:
        settings = load_settings()
    except BadSettings as bad:
        for where, why in bad.faults:
            yield wrong(where, why, "set it as docs/settings.md says")
        return
    for finding in check_settings(settings):
        yield finding
    yield await check_redis(settings.redis_url)
    yield await check_smtp(settings.smtp_url, kept_here=settings.mailbox_dir is not None)
    database = await check_database(
        settings.database_url, None if settings.clock_file else clock_of(settings)
    )
    for finding in database:
        yield finding
    if any(finding.is_wrong for finding in database):
        return
    async for finding in check_accounts(settings):
        yield finding


def check_settings(settings: Settings) -> list[Finding]:
    """What the settings say, beyond being valid."""
    found = [good("settings", f"environment {settings.environment.value}")]
    if settings.environment is Environment.PRODUCTION:
        return found
    if not settings.secret_keys:
        found.append(note("secret keys", f"generated, kept in {settings.state_dir}/secret-keys"))
    if settings.clock_file:
        found.append(note("clock", "stepped: time passes only when the demo's driver moves it"))
    return found


async def check_accounts(settings: Settings) -> AsyncIterator[Finding]:
    """Policy, secrets and provider of each account."""
    async with AsyncExitStack() as open_rooms:
        try:
            world = await open_rooms.enter_async_context(build_world(settings))
            accounts = await merchants.list_accounts(world)
        except (InvalidPolicy, OSError) as fault:
            yield wrong("policy", str(fault), "mend the file HOLDFAST_POLICY_FILE names")
            return
        except (NotConfigured, StoreUnavailable) as fault:
            yield wrong("database", str(fault), "see above")
            return
        yield good("policy", f"{world.policy.label}: {world.policy.retry.strategy.value}")
        if not accounts:
            yield note("accounts", "none yet; `holdfast accounts add` adds one")
        admin = await open_rooms.enter_async_context(build_admin(world))
        for merchant, account in accounts:
            async for finding in account_checks(world, admin, merchant, account):
                yield finding
