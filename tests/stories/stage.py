"""One merchant in small: real services on a real database, the production adapter against the
sandbox over HTTP, a clock that moves when a story says so."""

import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from copy import deepcopy
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

from app.config import Settings
from app.domain.actions import Action
from app.domain.dunning import Case
from app.domain.merchants import CollectionMode, Merchant, ProviderAccount
from app.domain.operations import InboxEvent
from app.mail.mailbox import FolderMailbox
from app.ports.payments import Payments
from app.ports.world import World
from app.providers.sandbox import standing
from app.providers.sandbox.control import events_after
from app.providers.sandbox.house import House
from app.services import actions, intake, merchants
from app.services.backfill import backfill_subscriptions
from app.services.backlog import backlog
from app.wiring import build_world
from tests.sandbox.stand import Served, serve
from tests.stories.breaking import BreakingPayments, BreakingStore, Fuse, MoodyMailer
from tests.stories.looks import Looks, Person

HOUR = timedelta(hours=1)
PRICE = 3000
Event = dict[str, Any]
PAY = "/v1/invoices/*/pay"


@dataclass
class Stage(Looks):
    """What stories act on. `hears` off: the provider's webhooks are held back; `order`
    may double and turn round those of one instant."""

    clock_file: Path
    fuse: Fuse
    mailer: MoodyMailer
    heard: str | None = None
    hears: bool = True
    order: Callable[[list[Event]], list[Event]] = list
    prices: dict[tuple[Any, ...], str] = field(default_factory=dict)

    # people and what they and the provider do

    async def subscriber(
        self,
        behaviour: dict[str, Any],
        *,
        card: str = "visa",
        every: str = "month",
        currency: str = "usd",
        amount: int = PRICE,
        trial_days: int | None = None,
        billing_mode: str = "flexible",
        address: str | None = "",
        locale: str | None = None,
        **customer: Any,
    ) -> Person:
        """A customer whose first invoice was paid and whose card behaves so from now on.

        `address` is the mail address: "" for one of their own, None for none at all.
        """
        method = self.sandbox.control("cards", {"base": card})["id"]
        email = f"{method}@example.com" if address == "" else address
        made = self.call(
            "customers",
            **({"email": email} if email else {}),
            **({"preferred_locales[0]": locale} if locale else {}),
            payment_method=method,
            **{"invoice_settings[default_payment_method]": method},
            **customer,
        )
        subscription = self.call(
            "subscriptions",
            customer=made["id"],
            **{"items[0][price]": self.price(every, currency, amount)},
            **({"trial_period_days": trial_days} if trial_days else {}),
            **({"billing_mode[type]": billing_mode} if billing_mode != "flexible" else {}),
        )
        self.program(method, behaviour)
        self.heard = self.missed()[-1]["id"]
        await backfill_subscriptions(self.world, self.account)
        return Person(made["id"], subscription["id"], method)

    def program(self, method: str, behaviour: dict[str, Any]) -> None:
        """From now on this card behaves so."""
        self.sandbox.control("cards", {"payment_method": method, "behaviour": behaviour})

    def act(self, person: Person, what: str, **more: Any) -> dict[str, Any]:
        """Something the customer or a bank does outside."""
        path = f"customers/{person.customer}/acts"
        done: dict[str, Any] = self.sandbox.control(path, {"act": what, **more})
        return done

    def pauses_for_the_debt(self, person: Person) -> None:
        """The provider pauses their subscription at the first refusal, as a merchant may want."""

        def pauses(house: House) -> None:
            found = house.world.find("subscription", person.subscription)
            standing.pause(house.world, found, why="first_payment_failure")

        self.sandbox.inside(pauses)

    def fault(self, kind: str, path: str = PAY, *, times: int = 1, **more: Any) -> None:
        """The next calls of this path go wrong; an unanswered one breaks off at once."""
        about = {"path": path, "times": times, "seconds": 0, **more}
        self.sandbox.control("faults", {"fault": kind, **about})

    def mended(self) -> None:
        """Nothing goes wrong any more."""
        self.sandbox.control("faults", {"clear": True})

    def call(self, path: str, **params: Any) -> dict[str, Any]:
        """The merchant's own call of the provider's API."""
        answer = self.sandbox.raw("POST", f"/v1/{path}", data=params)
        assert answer.status_code == 200, answer.text
        made: dict[str, Any] = answer.json()
        return made

    def subscribes(self, person: Person) -> str:
        """A second subscription of the same customer, on the same day and card."""
        params = {"items[0][price]": self.price("month", "usd", 2000)}
        subscription = self.call("subscriptions", customer=person.customer, **params)
        return str(subscription["id"])

    async def has(self, **changes: Any) -> None:
        """The merchant has other settings."""
        self.merchant = replace(self.merchant, **changes)
        async with self.world.store.transaction(self.merchant.merchant_id) as tx:
            await tx.save([self.merchant])

    async def key_is(self, sealed: str) -> None:
        """The account has another key, as if it was revoked or renewed."""
        async with self.world.store.transaction(self.merchant.merchant_id) as tx:
            (account,) = await tx.load(ProviderAccount, [(self.account.account_id,)])
            await tx.save([replace(account, api_key_sealed=sealed)])

    # time

    async def fails(self, person: Person) -> Case:
        """Play until the renewal of this person was refused and the case was assessed: an hour
        after the month is over, at one in the night."""
        await self.passes(days=30, hours=1)
        return await self.case(person)

    async def reaches(self, at: datetime | None, *, hours: float = 0) -> None:
        """Let time pass until an instant, or some hours before or after it."""
        assert at is not None
        await self.passes(hours=(at - self.now) / HOUR + hours)

    async def passes(self, *, days: float = 0, hours: float = 0) -> None:
        """Let time pass; everything due on the way happens at its instant."""
        end = self.now + timedelta(days=days, hours=hours)
        while (at := await self._next()) is not None and at <= end:
            await self.plays(at)
        await self.plays(end)

    async def plays(self, at: datetime | None = None) -> None:
        """One instant, to a fixed point."""
        self.turns_to(at or self.now)
        while await self.listens() + await self.works():
            pass

    def turns_to(self, at: datetime) -> None:
        """Move both clocks; only the provider does what is due."""
        self.now = max(at, self.now)
        self.clock_file.write_text(self.now.isoformat())
        instant = int(self.now.timestamp())
        self.sandbox.inside(lambda house: house.advance(instant))

    async def works(self) -> int:
        """Drain the inbox and carry out what is due; how much there was."""
        done = await intake.drain(self.world)
        for action in await self.claims():
            done += 1
            await actions.carry_out(self.world, action)
        return done

    async def claims(self) -> list[Action]:
        """Claim what is due; the lease of whoever dies with it runs out at once."""
        return await actions.claim(self.world, limit=100, lease_s=0.0)

    async def listens(self) -> int:
        """Put the provider's new events into the inbox, as its webhooks would."""
        events = self.missed() if self.hears else []
        if events:
            self.heard = events[-1]["id"]
            await self.delivers(*self.order(events))
        return len(events)

    def missed(self) -> list[Event]:
        """The provider's events that we have not heard, oldest first."""
        found: list[Event] = self.sandbox.inside(
            lambda house: deepcopy(events_after(house.world, self.heard))
        )
        return found

    async def delivers(self, *events: Event) -> None:
        """Put events into the inbox; known ones stay as they are."""
        rows = [
            InboxEvent(
                merchant_id=self.merchant.merchant_id,
                account_id=self.account.account_id,
                event_id=event["id"],
                type=event["type"],
                body=json.dumps(event),
                created_at=self.now,
                received_at=self.now,
            )
            for event in events
        ]
        async with self.world.store.transaction(self.merchant.merchant_id) as tx:
            await tx.insert(rows)

    async def _next(self) -> datetime | None:
        times = [(await backlog(self.world)).next_due_at]
        following = self.sandbox.inside(lambda house: house.world.next_event_at())
        times.append(datetime.fromtimestamp(following, UTC) if following else None)
        found = [at for at in times if at is not None]
        return max(min(found), self.now) if found else None

    def price(self, every: str, currency: str, amount: int) -> str:
        key = (every, currency, amount)
        if key not in self.prices:
            price = self.call(
                "prices",
                product=self.call("products", name="Team")["id"],
                currency=currency,
                unit_amount=amount,
                nickname="Team",
                **{"recurring[interval]": every},
            )
            self.prices[key] = price["id"]
        return self.prices[key]


@asynccontextmanager
async def open_world(database_url: str, folder: Path) -> AsyncIterator[World]:
    """A deployment without Redis, its clock and its mailbox in a folder."""
    (folder / "clock").write_text(datetime(2026, 9, 21, tzinfo=UTC).isoformat())
    settings = Settings(
        environment="demo",
        database_url=database_url,
        redis_url=None,
        smtp_url=None,
        clock_file=folder / "clock",
        mailbox_dir=folder / "mailbox",
        state_dir=folder,
        public_url="https://pay.kelp.example",
        events_to_localhost=True,
    )
    async with build_world(settings) as world:
        yield world


@asynccontextmanager
async def open_stage(
    world: World, folder: Path, mode: CollectionMode = CollectionMode.DRIVE, name: str = "Kelp"
) -> AsyncIterator[Stage]:
    """A merchant connected to a sandbox of its own, nobody subscribed yet."""
    with serve() as sandbox:
        merchant, account = await _connected(world, sandbox, mode, name)
        fuse = Fuse()
        mailer = MoodyMailer(world.mailer, fuse)
        broken = replace(
            world,
            store=BreakingStore(world.store, fuse),
            payments=cast("Payments", BreakingPayments(world.payments, fuse)),
            mailer=mailer,
        )
        stage = Stage(
            world=broken,
            sandbox=sandbox,
            merchant=merchant,
            account=account,
            mailbox=FolderMailbox(folder / "mailbox"),
            now=datetime.fromisoformat(sandbox.status()["now"]),
            clock_file=folder / "clock",
            fuse=fuse,
            mailer=mailer,
        )
        yield stage
        await stage.invariants()


async def _connected(
    world: World, sandbox: Served, mode: CollectionMode, name: str
) -> tuple[Merchant, ProviderAccount]:
    merchant = await merchants.create_merchant(world, name=name, actor="test")
    account = await merchants.create_account(
        world,
        merchant_id=merchant.merchant_id,
        api_key=sandbox.key,
        actor="test",
        live=False,
        mode=mode,
        api_base=sandbox.url,
    )
    return merchant, account
