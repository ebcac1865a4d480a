"""A whole shop: a company at its provider, two apis at one door, two workers, mail, and customers.

One api and one worker live as long as the shop does, so that their memory can be watched; of each
there is another that may be killed.
"""

import asyncio
import contextlib
import io
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from time import monotonic
from typing import Any

import httpx
from redis.asyncio import Redis

from app.domain.actions import Action, ActionKind, ActionState
from app.domain.dunning import Case
from app.domain.merchants import CollectionMode, Merchant, Scope
from app.embedded import Child
from app.operations.connect import connect
from app.ports.world import World
from app.services import flows, merchants
from app.services.api_keys import create_key
from app.services.backlog import backlog
from app.services.condition import condition
from app.services.invariants import findings
from bench.cancel import FLOW
from bench.figures import memory_mb
from tests.faults.company import KEY, Company, open_for_business
from tests.faults.customers import Customers
from tests.faults.cutting import a_wire
from tests.faults.doors import Door, a_door
from tests.faults.havoc import Havoc, Postman
from tests.faults.reckoning import contradictions
from tests.mail.servers import running
from tests.processes.site import Site, a_site

LEASE_S = 5.0
MIDDAY = 13
SCOPES = (Scope.CASES_READ, Scope.CASES_WRITE, Scope.SESSIONS_WRITE)
# Nobody writes so many letters in their first hours: the fuse would pause the shop, as it should.
BOUNDS = "\nbounds: {mails_per_hour: 100000, charges_per_hour: 100000}\n"


@dataclass
class Shop:
    """What a soak acts on, and what it has seen of it."""

    site: Site
    merchant: Merchant
    company: Company
    customers: Customers
    havoc: Havoc
    postman: Postman
    steady: list[Child]
    late_s: float = 0.0
    memory_mb: list[float] = field(default_factory=list)
    violations: Counter[str] = field(default_factory=Counter)

    @property
    def world(self) -> World:
        return self.site.world

    async def look(self) -> None:
        """How late things are, what is broken, how much memory the steady processes have. What was
        put off after an outage is sent again now: the provider itself would wait for an hour."""
        await self.company.house.deliver(everything=True)
        found = await condition(self.world)
        self.late_s = max(self.late_s, found.actions_late_s, found.events_age_s)
        now = self.world.clock.now()
        for one in await findings(self.world, self.merchant.merchant_id, now=now):
            if one.is_alarming:
                self.violations[one.invariant.name] = one.count or 0
        self.memory_mb.append(memory_mb([c.process.pid for c in self.steady if c.process]))

    async def settles(self, living: "asyncio.Task[None]", within_s: float) -> bool:
        """Whether everybody has done what they do, and nothing is left to do now."""
        end = monotonic() + within_s
        while monotonic() < end:
            await asyncio.sleep(1)
            await self.company.house.deliver(everything=True)
            at_rest = living.done() and self.company.is_quiet() and not await self._is_to_tell()
            if at_rest and not (await backlog(self.world)).busy:
                await living
                return True
        return False

    async def _is_to_tell(self) -> bool:
        """Whether the provider is yet to hear of an end: where it gave no answer it is told a
        minute later, or two."""
        where = {"kind": ActionKind.CANCEL, "state": ActionState.PENDING}
        async with self.world.store.system() as tx:
            return bool(await tx.count(Action, where=where))

    async def contradictions(self) -> dict[str, int]:
        """Where we and the provider do not agree."""
        wrong = await contradictions(
            self.world, self.merchant.merchant_id, self.company, self.postman.taken
        )
        if faults := self.customers.answers[500]:
            wrong["answers_500"] = faults
        return wrong

    async def cases(self) -> list[Case]:
        """Those of the merchant."""
        async with self.world.store.transaction(self.merchant.merchant_id) as tx:
            return await tx.find(Case, where={"merchant_id": self.merchant.merchant_id})

    async def counts(self) -> dict[str, Any]:
        """What was done."""
        return {
            "customers": len(self.company.holders),
            "events": self.company.events(),
            "calls": self.company.calls,
            "cases": dict(Counter(case.state.value for case in await self.cases())),
            "acts": dict(self.customers.done),
            "answers": {str(status): n for status, n in self.customers.answers.items()},
            "letters": len(self.postman.taken),
            **self.postman.odd,
        }


@asynccontextmanager
async def a_shop(
    database_url: str,
    redis_url: str,
    folder: Path,
    *,
    company: Company,
    share: float = 0.0,
    settings: Mapping[str, str],
) -> AsyncIterator[Shop]:
    """A shop that is open; its customers' renewals begin some seconds later."""
    async with AsyncExitStack() as held:
        wire, url = await held.enter_async_context(a_wire(database_url))
        site = await held.enter_async_context(
            a_site(database_url, redis_url, folder, lease_s=LEASE_S)
        )
        redis = await held.enter_async_context(Redis.from_url(redis_url))
        client = await held.enter_async_context(httpx.AsyncClient(timeout=60))
        postman = Postman(Random(2), share)
        port = await held.enter_async_context(running(postman))
        await held.enter_async_context(open_for_business(company))
        door = held.enter_context(a_door(site))
        site.environment |= {**_environment(folder, url, door, port), **settings}
        site.world = replace(site.world, public_url=door.url)
        merchant, key = await _opened(site.world, company)
        apis, workers = [door.api(), door.api()], [site.worker(), site.worker()]
        havoc = Havoc(company, wire, redis, [(apis[1], door.api), (workers[1], site.worker)])
        people = Customers(company, door.url, key, client, Random(3))
        yield Shop(site, merchant, company, people, havoc, postman, [apis[0], workers[0]])


def _environment(folder: Path, database_url: str, door: Door, port: int) -> dict[str, str]:
    return {
        "DATABASE_URL": database_url,
        "HOLDFAST_PUBLIC_URL": door.url,
        "SMTP_URL": f"smtp://127.0.0.1:{port}",
    }


def unbounded(folder: Path) -> dict[str, str]:
    """The shipped policy with bounds that a soak does not reach."""
    shipped = (Path(__file__).parents[2] / "policies" / "default.yaml").read_text()
    policy = folder / "policy.yaml"
    policy.write_text(shipped + BOUNDS)
    return {"HOLDFAST_POLICY_FILE": str(policy)}


async def _opened(world: World, company: Company) -> tuple[Merchant, str]:
    """The merchant, connected, with a cancel flow and an API key."""
    merchant = await merchants.create_merchant(
        world, name="Tides", actor="soak", time_zone=_where_it_is_midday()
    )
    account = await merchants.create_account(
        world,
        merchant_id=merchant.merchant_id,
        api_key=KEY,
        actor="soak",
        live=False,
        mode=CollectionMode.DRIVE,
        provider_ref="acct_tides",
        api_base=company.url,
    )
    with contextlib.redirect_stdout(io.StringIO()):
        await connect(world, account.account_id, again=False)
    named = (world, merchant.merchant_id, "default")
    await flows.put_flow(*named, FLOW, read_version=None, actor="soak")
    await flows.publish(*named, 1, actor="soak")
    _, key = await create_key(
        world, merchant_id=merchant.merchant_id, name="soak", scopes=SCOPES, actor="soak"
    )
    return merchant, key


def _where_it_is_midday() -> str:
    """Nobody is charged or written to by night, and a soak may be run at any hour."""
    ahead = (MIDDAY - datetime.now(UTC).hour + 11) % 24 - 11
    return f"Etc/GMT{-ahead:+d}" if ahead else "UTC"
