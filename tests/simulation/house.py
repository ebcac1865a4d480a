"""Holdfast as it runs: two workers and two apis in one deployment, on the simulated machine."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Generator
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache, partial
from itertools import groupby
from typing import Any

import yaml

from app.domain.actions import Action
from app.domain.merchants import CollectionMode, Merchant, ProviderAccount
from app.domain.operations import InboxEvent, InboxState, share_of
from app.domain.policies import Policy
from app.domain.policy_documents import policy_from
from app.domain.records import Key, key_of
from app.ports.payments import ProviderUnavailable
from app.ports.store import Conflict, StoreUnavailable
from app.ports.webhooks import BadSignature
from app.ports.world import World
from app.providers.stripe.webhooks import StripeWebhooks
from app.resources import resource
from app.services import actions, intake
from tests.simulation.bank import Bank, Wired
from tests.simulation.ledger import Ledger
from tests.simulation.machine import CLAIM, Claim, Machine, OwnClock, Process
from tests.simulation.post import NoWake, Open, Post, unused

LEASE_S = 60.0
SWEEP_S = 5.0
AT_ONCE = 0.6
LONGEST_REST_S = 6 * 3600.0
MOMENT_S = 1e-6
TEMPORARY = (Conflict, StoreUnavailable, ProviderUnavailable)
TRIES = 3
NAMES = ("kelp", "dulse")  # of the merchants; the first is in every history


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


@dataclass(eq=False)
class Estate:
    """A merchant, and its account at the provider."""

    name: str
    bank: Bank
    secret: str = ""
    connected: ProviderAccount = field(init=False)

    def __post_init__(self) -> None:
        self.merchant_id, self.account_id = f"mer_{self.name}", f"acc_{self.name}"
        self.sender = f"billing@{self.name}.example"


@dataclass
class House:
    """One deployment, and the merchants it works for. `bodies` are the webhooks as they came."""

    machine: Machine
    ledger: Ledger
    post: Post
    world: World = field(init=False)
    estates: dict[str, Estate] = field(default_factory=dict)
    bodies: dict[Key, str] = field(default_factory=dict)
    bells: list[asyncio.Event] = field(default_factory=list)
    alarm: float | None = None
    apis: list[Process] = field(default_factory=list)

    def __post_init__(self) -> None:
        clock = OwnClock(self.machine)
        self._wired = Wired(clock)
        self.world = World(
            store=self.ledger,
            clock=clock,
            payments=self._wired,
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

    def takes(self, bank: Bank) -> Estate:
        """One merchant more, whose account this is."""
        estate = Estate(NAMES[len(self.estates)], bank)
        self.estates[estate.account_id] = estate
        self._wired.lines.leads_to(estate.account_id, bank)
        bank.receives = partial(self.receives, estate)
        return estate

    def bank_of(self, row: Any) -> Bank:
        """The bank of the account that a row belongs to."""
        return self.estates[row.account_id].bank

    def connects(self, estate: Estate, mode: CollectionMode = CollectionMode.DRIVE) -> None:
        """A merchant and its account, put where the store has them; the endpoint is made."""
        estate.secret = estate.bank.listens()
        account = ProviderAccount(
            account_id=estate.account_id,
            merchant_id=estate.merchant_id,
            mode=mode,
            api_key_sealed="sealed:sk_test",
            webhook_secrets_sealed=(f"sealed:{estate.secret}",),
            created_at=self.machine.now(),
        )
        merchant = Merchant(
            merchant_id=estate.merchant_id,
            name=estate.name.title(),
            sender_email=estate.sender,
            assignment_key="00",
            created_at=self.machine.now(),
        )
        self.ledger.memory.publish(Merchant, key_of(merchant), merchant)
        self.ledger.memory.publish(ProviderAccount, key_of(account), account)
        estate.connected = account

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
            # Less than instants are told apart by would ring at this very time for ever.
            self.alarm = self.machine.loop.time() + max(wait, MOMENT_S)
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
        """Seconds until something is due that nobody has leased, by the clock that is furthest
        ahead."""
        return self._until_due_s(self.machine.now()) - self.machine.apart_s

    def has_due(self) -> bool:
        """Whether there is such a thing by the clock of whoever asks."""
        return self._until_due_s(self.world.clock.now()) <= 0

    def _until_due_s(self, now: datetime) -> float:
        soonest = self.ledger.soonest()
        return LONGEST_REST_S if soonest is None else (soonest - now).total_seconds()

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

    async def receives(self, estate: Estate, body: bytes, header: str) -> bool:
        """A webhook at the door of an account; whether it was answered 2xx."""
        done = await self.asked(lambda: self._takes_in(estate, body, header))
        return done is True

    async def _takes_in(self, estate: Estate, body: bytes, header: str) -> bool:
        world, account_id = self.world, estate.account_id
        try:
            now = world.clock.now()
            world.webhooks.verify(body, header.encode(), secrets=(estate.secret,), now=now)
            head = world.webhooks.head(body)
            account = self.ledger.row(ProviderAccount, account_id)
            mismatch = intake.mismatch_of(account, head)
            event = InboxEvent(
                merchant_id=estate.merchant_id,
                account_id=account_id,
                event_id=head.id,
                type=head.type,
                body=body.decode(),
                state=InboxState.QUARANTINED if mismatch else InboxState.PENDING,
                reason=mismatch,
                created_at=head.created_at,
                received_at=now,
                share=share_of(account_id, head.customer),
            )
            self.bodies[key_of(event)] = body.decode()
            async with world.store.transaction(estate.merchant_id) as tx:
                await tx.insert([event])
        except (Conflict, StoreUnavailable, BadSignature):
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
        is_due = house.has_due()
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
