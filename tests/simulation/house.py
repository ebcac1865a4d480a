"""Holdfast as it runs: two workers and two apis in one deployment, on the simulated machine."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Generator
from dataclasses import dataclass, field
from functools import cache
from itertools import groupby
from typing import Any

import yaml

from app.domain.actions import Action
from app.domain.merchants import CollectionMode, Merchant, ProviderAccount
from app.domain.operations import InboxEvent, InboxState, share_of
from app.domain.policies import Policy
from app.domain.policy_documents import policy_from
from app.ports.payments import ProviderUnavailable
from app.ports.store import Conflict, StoreUnavailable
from app.ports.world import World
from app.providers.stripe.webhooks import StripeWebhooks
from app.resources import resource
from app.services import actions, intake
from tests.simulation.bank import Bank, Wired
from tests.simulation.ledger import Ledger
from tests.simulation.machine import CLAIM, Claim, Machine, Process
from tests.simulation.post import NoWake, Open, Post, unused

LEASE_S = 60.0
SWEEP_S = 5.0
AT_ONCE = 0.6
LONGEST_REST_S = 6 * 3600.0
TEMPORARY = (Conflict, StoreUnavailable, ProviderUnavailable)
TRIES = 3
MERCHANT, ACCOUNT = "mer_kelp", "acc_kelp"


@cache
def shipped_policy() -> Policy:
    """The policy that new cases begin with."""
    document = yaml.safe_load((resource("policies") / "default.yaml").read_text())
    return policy_from(document, version=1)


@dataclass(frozen=True)
class Begun:
    """Work that is begun when its task is: one killed before has done nothing."""

    work: Callable[[], Awaitable[Any]]

    def __await__(self) -> Generator[Any, None, Any]:
        return self.work().__await__()


@dataclass
class House:
    """One deployment with one merchant, and the provider's account it is connected to."""

    machine: Machine
    bank: Bank
    ledger: Ledger
    post: Post
    world: World = field(init=False)
    secret: str = ""
    bells: list[asyncio.Event] = field(default_factory=list)
    alarm: float | None = None
    apis: list[Process] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.world = World(
            store=self.ledger,
            clock=self.machine,
            payments=Wired(self.bank, self.machine),
            webhooks=StripeWebhooks(),
            mailer=self.post,
            renderer=self.post,
            outgoing=self.post,
            mail_reports=unused(),
            invariants=unused(),
            sealer=Open(),
            tokens=Open(),
            wake=NoWake(),
            policy=shipped_policy(),
            public_url="https://pay.kelp.example",
        )
        self.bank.receives = self.receives

    def connects(self, mode: CollectionMode = CollectionMode.DRIVE) -> ProviderAccount:
        """The merchant and its account, put where the store has them; the endpoint is made."""
        self.secret = self.bank.listens()
        account = ProviderAccount(
            account_id=ACCOUNT,
            merchant_id=MERCHANT,
            mode=mode,
            api_key_sealed="sealed:sk_test",
            webhook_secrets_sealed=(f"sealed:{self.secret}",),
            created_at=self.machine.now(),
        )
        merchant = Merchant(
            merchant_id=MERCHANT,
            name="Kelp",
            sender_email="billing@kelp.example",
            assignment_key="00",
            created_at=self.machine.now(),
        )
        self.ledger.memory.rows[Merchant][(MERCHANT,)] = merchant
        self.ledger.memory.rows[ProviderAccount][(ACCOUNT,)] = account
        return account

    def opens(self, workers: int = 2, apis: int = 2) -> None:
        """The processes begin."""
        for n in range(workers):
            self.bells.append(asyncio.Event())
            self.machine.starts(f"worker-{n}", _worker(self, n))
        self.apis = [self.machine.starts(f"api-{n}") for n in range(apis)]

    def rings(self) -> None:
        """There may be more to do, now or later."""
        wait = 0.0 if self.ledger.waiting else self.quiet_s()
        if wait <= 0:
            self.alarm = None
            for bell in self.bells:
                self._rings(bell)
        elif self.alarm is None or self.machine.loop.time() + wait < self.alarm:
            self.alarm = self.machine.loop.time() + wait
            self.machine.loop.call_at(self.alarm, self._alarmed)

    def _rings(self, bell: asyncio.Event) -> None:
        """At once, or as late as a sweep comes: where all looked at the same instant each time,
        most would find nothing."""
        if self.machine.swift or self.machine.happens(AT_ONCE):
            bell.set()
        elif not bell.is_set():
            self.machine.loop.call_later(self.machine.draw.random() * SWEEP_S, bell.set)

    def _alarmed(self) -> None:
        if self.alarm is not None and self.alarm <= self.machine.loop.time():
            self.alarm = None
            self.rings()

    def quiet_s(self) -> float:
        """Seconds until something is due that nobody has leased."""
        soonest = self.ledger.soonest()
        if soonest is None:
            return LONGEST_REST_S
        return (soonest - self.machine.now()).total_seconds()

    # the api

    async def asked(self, work: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
        """Let some api process do this, as a request; None where it died."""
        up = [api for api in self.apis if not api.dead]
        if not up:
            return None
        api = up[0] if self.machine.swift else self.machine.draw.choice(up)
        task = self.machine.runs(api, Begun(work))
        await asyncio.wait({task})
        return None if task.cancelled() else task.result()

    async def receives(self, body: bytes, header: str) -> bool:
        """A webhook at the door; whether it was answered 2xx."""
        done = await self.asked(lambda: self._takes_in(body, header))
        return done is True

    async def _takes_in(self, body: bytes, header: str) -> bool:
        world = self.world
        try:
            now = self.machine.now()
            world.webhooks.verify(body, header.encode(), secrets=(self.secret,), now=now)
            head = world.webhooks.head(body)
            account = self.ledger.row(ProviderAccount, ACCOUNT)
            mismatch = intake.mismatch_of(account, head)
            event = InboxEvent(
                merchant_id=MERCHANT,
                account_id=ACCOUNT,
                event_id=head.id,
                type=head.type,
                body=body.decode(),
                state=InboxState.QUARANTINED if mismatch else InboxState.PENDING,
                reason=mismatch,
                created_at=head.created_at,
                received_at=now,
                share=share_of(ACCOUNT, head.customer),
            )
            async with world.store.transaction(MERCHANT) as tx:
                await tx.insert([event])
        except (Conflict, StoreUnavailable):
            return False
        self.machine.log("webhook", head.type, head.id[:12])
        return True


def _worker(house: House, n: int) -> Callable[[Process], Coroutine[Any, Any, None]]:
    async def works(process: Process) -> None:
        while True:
            house.bells[n].clear()
            if not await _one_round(house):
                await _rest(house, n)

    return works


async def _one_round(house: House) -> bool:
    """Drain, claim and carry out, as the workers' loops do; whether there was anything. What would
    find nothing is left out: most of five weeks would go into it."""
    try:
        drained = await intake.drain(house.world) if house.ledger.waiting else 0
        is_due = house.quiet_s() <= 0
        claimed = await actions.claim(house.world, limit=20, lease_s=LEASE_S) if is_due else []
    except TEMPORARY:
        await asyncio.sleep(SWEEP_S)
        return True
    lanes = groupby(sorted(claimed, key=_lane), key=lambda action: _lane(action)[:2])
    await asyncio.gather(*(_carry(house, list(lane)) for _, lane in lanes))
    return bool(drained or claimed)


def _lane(action: Action) -> tuple[Any, ...]:
    customer = action.customer_id or action.action_id
    return (action.account_id, customer, action.due_at, action.key)


async def _carry(house: House, lane: list[Action]) -> None:
    for action in lane:
        CLAIM.set(Claim(action))
        house.machine.log("carries out", action.kind, action.key[-40:])
        fault = await _carried_out(house, action)
        if fault is None:
            continue
        house.machine.log("went wrong", action.kind, repr(fault)[:200])
        if not isinstance(fault, TEMPORARY):
            try:
                await actions.failed(house.world, action, fault)
            except TEMPORARY as again:
                house.machine.log("not noted", repr(again)[:100])
        return


async def _carried_out(house: House, action: Action) -> Exception | None:
    fault: Exception | None = None
    for _ in range(TRIES):
        try:
            await actions.carry_out(house.world, action)
        except Conflict as again:
            fault = again
        except Exception as wrong:  # noqa: BLE001 - as the workers do: whatever it is, it is noted
            return wrong
        else:
            return None
    return fault


async def _rest(house: House, n: int) -> None:
    """Until something is due or a commit brings something new. What is due and was not to be had,
    another has a hand on: it is looked at again at the next sweep."""
    bell, machine = house.bells[n], house.machine
    if bell.is_set():
        return
    if house.ledger.waiting or house.quiet_s() <= 0:
        machine.loop.call_later(SWEEP_S, bell.set)
    else:
        house.rings()
    await bell.wait()
