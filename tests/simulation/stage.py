"""The stage of one history: the machine, the provider, the house, and who lives in it."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from app.domain.merchants import CollectionMode, ProviderAccount
from app.providers.sandbox import acts
from app.services import flows
from app.services.backfill import backfill_subscriptions
from app.services.reconciling import begin_reconciling
from tests.simulation.bank import Bank
from tests.simulation.house import MERCHANT, House
from tests.simulation.ledger import Ledger
from tests.simulation.machine import BEGINNING, CALM, Machine
from tests.simulation.post import Post
from tests.simulation.rest import at_rest, heard_again
from tests.simulation.rules import Rules

DAY_S = 86_400.0
PRICE = 3000
PERIODS = {"month": timedelta(days=31), "week": timedelta(days=7)}  # August has 31 days
SETTLED_WITHIN_DAYS = 3.0  # after the last storm: rounds of the reconciler and all they find
FLOW: dict[str, Any] = {
    "place": "DE",
    "immediately": True,
    "steps": [
        {"id": "why", "kind": "survey"},
        {
            "id": "half",
            "kind": "offer",
            "when": {"reasons": ["too_expensive"]},
            "offer": {"kind": "discount", "percent": 50, "months": 3},
        },
        {"id": "confirm", "kind": "confirm"},
        {"id": "done", "kind": "success"},
    ],
}


@dataclass(frozen=True, slots=True)
class Person:
    """A subscriber as the provider knows them."""

    customer: str
    subscription: str
    method: str


@dataclass
class Stage:
    """What a history plays on."""

    machine: Machine
    mode: CollectionMode = CollectionMode.DRIVE
    reconciles: bool = True
    account: ProviderAccount = field(init=False)
    bank: Bank = field(init=False)
    house: House = field(init=False)
    rules: Rules = field(init=False)
    people: list[Person] = field(default_factory=list)
    prices: dict[str, str] = field(default_factory=dict)
    product: str = ""

    def __post_init__(self) -> None:
        machine = self.machine
        self.bank = Bank(machine)
        self.house = House(machine, self.bank, Ledger(machine), Post(machine))
        self.product = self.bank.asks("products", name="Team")["id"]
        self.rules = Rules(self.house)
        self.bank.charging = self.rules.charging

    def _price(self, every: str) -> str:
        if every not in self.prices:
            self.prices[every] = self.bank.asks(
                "prices",
                product=self.product,
                currency="usd",
                unit_amount=PRICE,
                nickname="Team",
                recurring={"interval": every},
            )["id"]
        return self.prices[every]

    def signs_up(
        self, behaviour: dict[str, Any], renews_at: datetime, every: str = "month"
    ) -> Person:
        """Somebody who paid a period ago and whose card behaves so from now on. Earlier renewals
        first: the provider's clock does not go back."""
        world, n = self.bank.world, len(self.people)
        self.bank.turns_to(renews_at - PERIODS[every])
        card = world.outside(lambda: acts.programme(world, {"base": "visa"}))["id"]
        made = self.bank.asks(
            "customers",
            email=f"person{n}@example.com",
            payment_method=card,
            invoice_settings={"default_payment_method": card},
        )
        customer, method = made["id"], made["invoice_settings"]["default_payment_method"]
        items = [{"price": self._price(every)}]
        subscription = self.bank.asks("subscriptions", customer=customer, items=items)["id"]
        told = {"payment_method": method, "behaviour": behaviour}
        world.outside(lambda: acts.programme(world, told))
        person = Person(customer, subscription, method)
        self.people.append(person)
        return person

    def begins(self) -> None:
        """The merchant connects, what was there is read, and the processes start."""
        machine, weather, swift = self.machine, self.machine.weather, self.machine.swift
        self.bank.turns_to(BEGINNING)
        machine.weather, machine.swift = CALM, True
        self.account = self.house.connects(self.mode)
        machine.runs(None, self._prepares(self.account))
        machine.loop.run_until(1.0)
        machine.weather, machine.swift = weather, swift
        self.bank.watch = self.rules.happened
        self.house.opens()
        self.bank.settles()

    async def _prepares(self, account: ProviderAccount) -> None:
        world = self.house.world
        await flows.put_flow(world, MERCHANT, "default", FLOW, read_version=None, actor="test")
        await flows.publish(world, MERCHANT, "default", 1, actor="test")
        if self.reconciles:
            await begin_reconciling(world, account)
        await backfill_subscriptions(world, account)

    def plays(self, days: float) -> None:
        """Let it all happen for so many days."""
        self.machine.loop.run_until(days * DAY_S)

    def rests(self, days: float = SETTLED_WITHIN_DAYS) -> None:
        """Nothing goes wrong any more; once all is settled everything must be in order."""
        machine = self.machine
        machine.weather = CALM
        self.bank.outage_until = self.house.post.away_until = 0.0
        self.plays(machine.loop.time() / DAY_S + days)
        at_rest(self.rules, machine.now())

    def hears_all_again(self) -> None:
        """The inbox is replayed from its first day; nothing goes on after it."""
        heard_again(self.rules)
