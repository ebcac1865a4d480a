"""A deployment in small: database, Redis, provider, and worker processes that may be killed."""

import asyncio
import os
from collections.abc import Callable, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic

from app.config import Settings
from app.domain.actions import Action, ActionKind, ActionState, action_for
from app.domain.merchants import ProviderAccount
from app.embedded import Child, python_child
from app.engines import start_engines
from app.ports.world import World
from app.services import merchants
from app.wiring import build_world
from tests.processes.provider import Provider, a_provider

SECRET = "whsec_of_the_processes"
KEYS = "k" * 44
DUE = datetime(2026, 1, 1, tzinfo=UTC)
# Real time, generous: only a broken test waits so long.
DEADLINE_S = 30.0


async def until(true: Callable[[], object], within_s: float = DEADLINE_S) -> None:
    """Poll a condition (plain or awaitable) until it holds; fails at the deadline."""
    end = monotonic() + within_s
    while True:
        answer = true()
        if asyncio.iscoroutine(answer):
            answer = await answer
        if answer:
            return
        assert monotonic() < end, f"not within {within_s} s"
        await asyncio.sleep(0.02)


@dataclass
class Site:
    """What the tests act on. The lease of its workers is short; the product's is 60 s."""

    world: World
    account: ProviderAccount
    provider: Provider
    environment: dict[str, str]
    folder: Path
    children: list[Child] = field(default_factory=list)

    def worker(self) -> Child:
        """Start a worker process."""
        log = self.folder / f"worker-{len(self.children)}.log"
        child = python_child("worker", "-m", "workers", env=self.environment, log=log)
        child.start()
        self.children.append(child)
        return child

    async def neighbour(self) -> ProviderAccount:
        """Another account of the merchant at the same provider."""
        return await merchants.create_account(
            self.world,
            merchant_id=self.account.merchant_id,
            api_key="sk_test_neighbour",
            actor="test",
            live=False,
            provider_ref="acct_neighbour",
            api_base=self.provider.url,
        )

    async def plans(
        self,
        *names: str,
        customer: str | None = None,
        account: ProviderAccount | None = None,
        due_at: datetime = DUE,
    ) -> list[Action]:
        """Insert due actions: reads of payments of these names, each of a customer of its own
        unless one is named. Their order is that of the names."""
        whose = account or self.account
        rows = [
            action_for(
                ActionKind.READ,
                subject=name,
                merchant_id=whose.merchant_id,
                account_id=whose.account_id,
                customer_id=customer or f"cus_{name}",
                due_at=due_at,
                nth=f"{n:03d}",
                data={"type": "payment"},
            )
            for n, name in enumerate(names)
        ]
        async with self.world.store.transaction(self.account.merchant_id) as tx:
            await tx.insert(rows)
        await self.world.wake.now()
        return rows

    async def actions(self) -> list[Action]:
        """What the test planned; the worker's own reconciling is beside it."""
        async with self.world.store.system() as tx:
            return await tx.find(Action, where={"kind": ActionKind.READ}, order=("key",))

    async def states(self) -> Sequence[ActionState]:
        return [action.state for action in await self.actions()]

    async def all_done(self) -> bool:
        return set(await self.states()) == {ActionState.DONE}


@asynccontextmanager
async def a_site(database_url: str, redis_url: str, folder: Path, *, lease_s: float = 20.0):
    """A site on these servers; its processes end with the test."""
    environment = {
        "DATABASE_URL": database_url,
        "REDIS_URL": redis_url,
        "HOLDFAST_SECRET_KEYS": KEYS,
        "HOLDFAST_STATE_DIR": str(folder),
        "HOLDFAST_LEASE_S": str(lease_s),
        "HOLDFAST_SWEEP_S": "0.5",
        "HOLDFAST_LOG_LEVEL": "info",
        "HOLDFAST_STRIPE_REQUESTS_PER_S": "10000",
        "HOLDFAST_STRIPE_ENDPOINT_REQUESTS_PER_S": "10000",
    }
    settings = Settings(
        database_url=database_url,
        redis_url=redis_url,
        secret_keys=KEYS,
        state_dir=folder,
        stripe_requests_per_s=10_000,
        stripe_endpoint_requests_per_s=10_000,
    )
    async with a_provider() as provider, build_world(settings) as world:
        merchant = await merchants.create_merchant(world, name="Processes", actor="test")
        account = await merchants.create_account(
            world,
            merchant_id=merchant.merchant_id,
            api_key="sk_test_processes",
            actor="test",
            live=False,
            webhook_secrets=[SECRET],
            api_base=provider.url,
        )
        site = Site(world, account, provider, os.environ | environment, folder)
        try:
            yield site
        finally:
            provider.open.set()
            for child in site.children:
                if child.process is not None:
                    child.process.kill()
                child.stop()


@contextmanager
def an_own_redis(folder):
    """Engines whose only server is a Redis that the test may stop."""
    engines = start_engines(folder / "redis", durable=False, database_url="postgresql://unused/")
    try:
        yield engines
    finally:
        engines.stop()
