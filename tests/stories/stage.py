"""One merchant in small: real services on a real database, the production adapter against the
sandbox over HTTP, a clock that moves when a story says so."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from app.config import Settings
from app.domain.actions import CASE_ACTIONS, Action, ActionState
from app.domain.dunning import Attempt, Case, CaseEvent, CaseState
from app.domain.merchants import CollectionMode, Merchant, ProviderAccount
from app.domain.messages import Message, MessageState
from app.domain.operations import InboxEvent
from app.domain.records import R
from app.domain.recovery import RecoveryEntry
from app.mail.mailbox import FolderMailbox
from app.ports.mailbox import KeptMail
from app.ports.world import World
from app.services import actions, intake, merchants
from app.services.backfill import backfill_subscriptions
from app.services.backlog import backlog
from app.wiring import build_world
from tests.sandbox.stand import Served, serve

HOUR = timedelta(hours=1)
PRICE = 3000


@dataclass(frozen=True)
class Person:
    """A subscriber as the provider knows them."""

    customer: str
    subscription: str
    method: str


@dataclass
class Stage:
    """What stories act on and look at."""

    world: World
    sandbox: Served
    merchant: Merchant
    account: ProviderAccount
    clock_file: Path
    mailbox: FolderMailbox
    now: datetime
    heard: str | None = None
    prices: dict[str, str] = field(default_factory=dict)

    # what stories do

    async def subscriber(self, behaviour: dict[str, Any], **told: Any) -> Person:
        """A customer whose first month was paid and whose card behaves so from now on."""
        card = self.sandbox.control("cards", {"base": told.pop("card", "visa")})
        customer = self._call(
            "customers",
            email=f"{card['id']}@example.com",
            payment_method=card["id"],
            **{"invoice_settings[default_payment_method]": card["id"]},
            **told,
        )
        subscription = self._call(
            "subscriptions", customer=customer["id"], **{"items[0][price]": self._price("month")}
        )
        self.program(card["id"], behaviour)
        person = Person(customer["id"], subscription["id"], card["id"])
        self.heard = self.sandbox.events()[-1]["id"]
        await backfill_subscriptions(self.world, self.account)
        return person

    def program(self, method: str, behaviour: dict[str, Any]) -> None:
        """From now on this card behaves so."""
        self.sandbox.control("cards", {"payment_method": method, "behaviour": behaviour})

    def act(self, person: Person, what: str, **more: Any) -> dict[str, Any]:
        """Something the customer or a bank does outside."""
        done: dict[str, Any] = self.sandbox.control(
            f"customers/{person.customer}/acts", {"act": what, **more}
        )
        return done

    async def fails(self, person: Person) -> Case:
        """Play until the renewal of this person has failed and the case was assessed."""
        await self.passes(days=32)
        return await self.case(person)

    async def passes(self, *, days: float = 0, hours: float = 0) -> None:
        """Let time pass; everything due on the way happens at its instant."""
        end = self.now + timedelta(days=days, hours=hours)
        while (at := await self._next()) is not None and at <= end:
            await self.plays(at)
        await self.plays(end)

    async def plays(self, at: datetime | None = None) -> None:
        """One instant, to a fixed point."""
        self.now = max(at or self.now, self.now)
        self.clock_file.write_text(self.now.isoformat())
        self.sandbox.control("advance", {"to": self.now.isoformat()})
        while await self._hears() + await self.works():
            pass

    async def works(self) -> int:
        """Drain the inbox and carry out what is due; how much there was."""
        done = await intake.drain(self.world)
        for action in await actions.claim(self.world, limit=100):
            done += 1
            await actions.carry_out(self.world, action)
        return done

    async def _hears(self) -> int:
        """Put the provider's new events into the inbox, as its webhooks would."""
        events = self.sandbox.http.get(
            "/_sandbox/events", params={"after": self.heard} if self.heard else {}
        ).json()["events"]
        if events:
            self.heard = events[-1]["id"]
            await self.delivers(*events)
        return len(events)

    async def delivers(self, *events: dict[str, Any]) -> None:
        """Put events into the inbox; known ones stay as they are."""
        rows = [
            InboxEvent(
                merchant_id=self.merchant.merchant_id,
                account_id=self.account.account_id,
                event_id=event["id"],
                type=event["type"],
                body=json.dumps(event),
                created_at=datetime.fromtimestamp(event["created"], UTC),
                received_at=self.now,
            )
            for event in events
        ]
        async with self.world.store.transaction(self.merchant.merchant_id) as tx:
            await tx.insert(rows)

    async def _next(self) -> datetime | None:
        times = [(await backlog(self.world)).next_due_at]
        following = self.sandbox.status()["next_event_at"]
        times.append(datetime.fromisoformat(following) if following else None)
        found = [at for at in times if at is not None]
        return max(min(found), self.now) if found else None

    def _call(self, path: str, **params: Any) -> dict[str, Any]:
        answer = self.sandbox.raw("POST", f"/v1/{path}", data=params)
        assert answer.status_code == 200, answer.text
        made: dict[str, Any] = answer.json()
        return made

    def _price(self, interval: str) -> str:
        if interval not in self.prices:
            product = self._call("products", name="Team")
            price = self._call(
                "prices",
                product=product["id"],
                currency="usd",
                unit_amount=PRICE,
                nickname="Team",
                **{"recurring[interval]": interval},
            )
            self.prices[interval] = price["id"]
        return self.prices[interval]

    # what stories look at

    async def find(self, kind: type[R], **where: Any) -> list[R]:
        async with self.world.store.transaction(self.merchant.merchant_id) as tx:
            own = {"merchant_id": self.merchant.merchant_id}
            return await tx.find(kind, where=own | where)

    async def case(self, person: Person) -> Case:
        """The person's one case."""
        (case,) = await self.find(Case, customer_id=person.customer)
        return case

    async def attempts(self, case: Case) -> list[Attempt]:
        found = await self.find(Attempt, case_id=case.case_id)
        return sorted(found, key=lambda attempt: attempt.number)

    async def ledger(self, case: Case) -> list[tuple[str, int, str]]:
        found = await self.find(RecoveryEntry, case_id=case.case_id)
        lines = sorted(found, key=lambda entry: (entry.occurred_at, entry.provider_ref))
        return [(entry.kind, entry.amount_minor, entry.cause) for entry in lines]

    async def letters(self, case: Case) -> list[str]:
        """The steps of the letters that went out, in order."""
        found = await self.find(Message, case_id=case.case_id, state=MessageState.SENT)
        return [m.step for m in sorted(found, key=lambda m: (m.sent_at or self.now, m.step))]

    async def mails(self) -> list[KeptMail]:
        """What lies in the mailbox, oldest first."""
        kept = [await self.mailbox.read(name) for name in await self.mailbox.names()]
        return [mail for mail in reversed(kept) if mail is not None]

    async def timeline(self, case: Case) -> list[str]:
        found = await self.find(CaseEvent, case_id=case.case_id)
        return [event.text for event in sorted(found, key=lambda event: event.at)]

    async def pending(self, case: Case) -> list[Action]:
        """What keeps an active case going."""
        found = await self.find(Action, case_id=case.case_id, state=ActionState.PENDING)
        return [action for action in found if action.kind in CASE_ACTIONS]

    def charges(self, case: Case) -> list[dict[str, Any]]:
        """The provider's truth: successful charges of the case's customer since the case."""
        opened = int(case.opened_at.timestamp())
        answer = self.sandbox.raw("GET", "/v1/charges", params={"customer": case.customer_id})
        return [
            charge
            for charge in answer.json()["data"]
            if charge["status"] == "succeeded" and charge["created"] >= opened
        ]

    async def invariants(self) -> None:
        """What must hold whenever a story stops."""
        for case in await self.find(Case):
            if case.state is CaseState.ACTIVE:
                assert await self.pending(case), "an active case has a next action"
            entered = sum(line[1] for line in await self.ledger(case) if line[0] == "recovered")
            captured = sum(
                charge["amount"]
                for charge in self.charges(case)
                if charge["amount"] == case.amount_minor
            )
            if case.state is CaseState.RECOVERED:
                assert entered == case.recovered_minor
            assert entered <= captured or not entered


@asynccontextmanager
async def open_stage(
    database_url: str, folder: Path, mode: CollectionMode = CollectionMode.DRIVE
) -> AsyncIterator[Stage]:
    """A merchant connected to a sandbox of its own, nobody subscribed yet."""
    clock_file = folder / "clock"
    with serve() as sandbox:
        now = datetime.fromisoformat(sandbox.status()["now"])
        clock_file.write_text(now.isoformat())
        settings = Settings(
            environment="demo",
            database_url=database_url,
            redis_url=None,
            smtp_url=None,
            clock_file=clock_file,
            mailbox_dir=folder / "mailbox",
            state_dir=folder,
            public_url="http://holdfast.test",
        )
        async with build_world(settings) as world:
            merchant = await merchants.create_merchant(world, name="Kelp", actor="test")
            account = await merchants.create_account(
                world,
                merchant_id=merchant.merchant_id,
                api_key=sandbox.key,
                actor="test",
                live=False,
                mode=mode,
                api_base=sandbox.url,
            )
            mailbox = FolderMailbox(folder / "mailbox")
            stage = Stage(world, sandbox, merchant, account, clock_file, mailbox, now)
            yield stage
            await stage.invariants()
