"""A company at a sandbox that runs with the clock: its customers' renewals come one after the
other, most of them refused, and each customer is one who does something about it."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator, MutableMapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import uvicorn
from fastapi import FastAPI

from app.engines.processes import listen
from app.providers.sandbox import acts, faults
from app.providers.sandbox.house import House
from app.providers.sandbox.server import create_sandbox
from app.providers.sandbox.world import World

Thing = dict[str, Any]
KEY = "sk_test_of_the_company"
PRICE_MINOR = 3000
WEEK_S = 7 * 86_400
# As long as an invoice stays a draft: an hour at Stripe, which a soak has no time for.
FINALIZED_AFTER_S = 5
TOO_MANY = 429
# What filling takes, with room for a busy machine.
FILLED_PER_S = 50


@dataclass(frozen=True, slots=True)
class Part:
    """Who somebody is: what their card answers from the renewal on, one code a try."""

    name: str
    codes: tuple[str, ...] = ("approve",)


PARTS = (
    Part("pays"),
    Part("enters a card", ("expired_card",)),
    Part("pays on the page", ("expired_card",)),
    Part("is charged by order", ("insufficient_funds", "approve")),
    Part("leaves unpaid", ("expired_card",)),
    Part("leaves"),
    Part("is saved"),
    Part("does nothing", ("insufficient_funds",)),
)


@dataclass(frozen=True, slots=True)
class Holder:
    """A customer; `renews_at` is when their invoice is collected, in Unix seconds."""

    part: Part
    customer: str
    subscription: str
    renews_at: float


@dataclass
class Company:
    """The provider's side: `world` is the truth about money."""

    app: FastAPI
    holders: list[Holder]
    url: str = ""
    calls: int = 0
    too_many: int = 0

    @property
    def house(self) -> House:
        house: House = self.app.state.house
        return house

    @property
    def world(self) -> World:
        return self.house.world

    async def __call__(self, scope: Thing, receive: Any, send: Any) -> None:
        """The application, whose calls are counted, and those that it answers with 429."""

        async def counting(message: MutableMapping[str, Any]) -> None:
            self.too_many += message.get("status") == TOO_MANY
            await send(message)

        self.calls += scope["type"] == "http"
        await self.app(scope, receive, counting)

    def events(self) -> int:
        """How many there are."""
        return len(self.world.records.kinds.get("event", {}))

    def acts(self, holder: Holder, act: str, **more: Any) -> None:
        """Let a customer do something that we only hear of."""
        self.house.catch_up()
        self.world.outside(lambda: acts.act(self.world, holder.customer, {"act": act, **more}))

    def breaks(self, fault: str, **more: Any) -> None:
        """Let the next call or webhook go wrong."""
        self.world.outside(lambda: faults.plan(self.world, {"fault": fault, **more}))

    def mends(self) -> None:
        """Let nothing go wrong any more."""
        self.world.outside(lambda: faults.plan(self.world, {"clear": True}))

    def is_quiet(self) -> bool:
        """Whether no webhook waits to be sent, or to be sent again."""
        return not any(True for _ in self.world.all("delivery"))


def a_company(count: int, *, per_s: float, parts: Sequence[Part] = PARTS) -> Company:
    """So many customers, who signed up a week ago; the first renews in some seconds."""
    begins = int(time.time()) + 20 + count // FILLED_PER_S
    week_before = begins - WEEK_S - FINALIZED_AFTER_S
    app = create_sandbox(start=week_before, clock=lambda: int(time.time()))
    house: House = app.state.house
    house.world.settle_settings(
        {"retry_days": [], "end_action": "past_due", "finalize_after": FINALIZED_AFTER_S}
    )
    holders = list(_signed_up(house.world, count, per_s, week_before, parts))
    house.world.advance_to(int(time.time()))
    house.mode = "running"
    return Company(app, holders)


def _signed_up(
    world: World, count: int, per_s: float, since: int, parts: Sequence[Part]
) -> Iterator[Holder]:
    product = _asked(world, "products", name="Tides")
    every = {"interval": "week"}
    price = _asked(
        world,
        "prices",
        product=product,
        currency="eur",
        unit_amount=PRICE_MINOR,
        recurring=every,
    )
    for n in range(count):
        at = since + n / per_s
        world.advance_to(int(at))
        method = acts.programme(world, {"base": "visa"})["id"]
        customer = _asked(
            world,
            "customers",
            email=f"person{n}@example.com",
            name=f"Person {n}",
            payment_method=method,
            invoice_settings={"default_payment_method": method},
        )
        subscription = _asked(world, "subscriptions", customer=customer, items=[{"price": price}])
        part = parts[n % len(parts)]
        behaviour = {"kind": "script", "codes": list(part.codes)}
        acts.programme(world, {"payment_method": method, "behaviour": behaviour})
        yield Holder(part, customer, subscription, at + WEEK_S + FINALIZED_AFTER_S)


def _asked(world: World, path: str, **params: Any) -> str:
    answer = world.call("POST", f"/v1/{path}", params)
    assert answer.status == 200, answer.body
    return str(answer.body["id"])


@asynccontextmanager
async def open_for_business(company: Company) -> AsyncIterator[Company]:
    """Serve the company's sandbox in this loop."""
    with listen() as door:
        company.url = f"http://127.0.0.1:{door.getsockname()[1]}"
        server = uvicorn.Server(uvicorn.Config(company, log_level="critical"))
        serving = asyncio.create_task(server.serve(sockets=[door]))
        try:
            yield company
        finally:
            server.should_exit = True
            await serving
