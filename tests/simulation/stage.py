"""The stage of one history: the machine, the provider, the house, and who lives in it."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from app.domain.merchants import CollectionMode
from app.domain.operations import InboxEvent, InboxState
from app.providers.sandbox import acts
from app.services import flows
from app.services.backfill import backfill_subscriptions
from app.services.reconciling import begin_reconciling
from tests.simulation.bank import Bank
from tests.simulation.house import Estate, House
from tests.simulation.ledger import Ledger
from tests.simulation.machine import BEGINNING, CALM, Machine
from tests.simulation.post import Post
from tests.simulation.rest import at_rest, heard_again
from tests.simulation.rules import Rules

DAY_S = 86_400.0
PRICE = 3000
PERIODS = {"month": timedelta(days=31), "week": timedelta(days=7)}  # August has 31 days
HANDLED_WITHIN_S = 60.0  # what came in at the very last moment
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
    """A subscriber as the provider knows them, and whose. `address` may be empty; `words` tell who
    they are."""

    estate: Estate
    customer: str
    subscription: str
    method: str
    address: str
    words: tuple[str, ...]

    def is_of(self, row: Any) -> bool:
        """Whether a row is about them."""
        return (row.account_id, row.customer_id) == (self.estate.account_id, self.customer)


@dataclass
class Stage:
    """What a history plays on."""

    machine: Machine
    mode: CollectionMode = CollectionMode.DRIVE
    reconciles: bool = True
    house: House = field(init=False)
    rules: Rules = field(init=False)
    people: list[Person] = field(default_factory=list)
    prices: dict[tuple[str, str], str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        machine = self.machine
        self.house = House(machine, Ledger(machine), Post(machine))
        self.rules = Rules(self.house)
        self.first = self.takes(machine.seed)

    @property
    def of_the_first(self) -> list[Person]:
        """The people of the first merchant."""
        return [person for person in self.people if person.estate is self.first]

    def takes(self, seed: int) -> Estate:
        """One merchant more, with an account whose ids come from this seed."""
        bank = Bank(self.machine, seed)
        estate = self.house.takes(bank)
        bank.charging = partial(self.rules.charging, estate)
        return estate

    def _price(self, estate: Estate, every: str) -> str:
        known = (estate.account_id, every)
        if known not in self.prices:
            self.prices[known] = estate.bank.asks(
                "prices",
                product=self._product(estate),
                currency="usd",
                unit_amount=PRICE,
                nickname="Team",
                recurring={"interval": every},
            )["id"]
        return self.prices[known]

    def _product(self, estate: Estate) -> str:
        known = (estate.account_id, "product")
        if known not in self.prices:
            self.prices[known] = estate.bank.asks("products", name="Team")["id"]
        return self.prices[known]

    def signs_up(
        self,
        behaviour: dict[str, Any],
        renews_at: datetime,
        every: str = "month",
        *,
        estate: Estate | None = None,
        reachable: bool = True,
    ) -> Person:
        """Somebody who paid a period ago and whose card behaves so from now on. Earlier renewals
        first: the provider's clock does not go back."""
        estate = estate or self.first
        bank, world = estate.bank, estate.bank.world
        self._product(estate)
        n = sum(person.estate is estate for person in self.people)
        bank.turns_to(renews_at - PERIODS[every])
        card = world.outside(lambda: acts.programme(world, {"base": "visa"}))["id"]
        words = (f"person{n}@example.com", f"Vesper Quill{n}")
        made = bank.asks(
            "customers",
            email=words[0] if reachable else None,
            name=words[1],
            payment_method=card,
            invoice_settings={"default_payment_method": card},
        )
        customer, method = made["id"], made["invoice_settings"]["default_payment_method"]
        items = [{"price": self._price(estate, every)}]
        subscription = bank.asks("subscriptions", customer=customer, items=items)["id"]
        told = {"payment_method": method, "behaviour": behaviour}
        world.outside(lambda: acts.programme(world, told))
        address = words[0] if reachable else ""
        person = Person(estate, customer, subscription, method, address, words)
        self.people.append(person)
        return person

    def begins(self) -> None:
        """The merchants connect, what was there is read, and the processes start."""
        machine, weather, swift = self.machine, self.machine.weather, self.machine.swift
        estates = list(self.house.estates.values())
        machine.weather, machine.swift = CALM, True
        for estate in estates:
            estate.bank.turns_to(BEGINNING)
            self.house.connects(estate, self.mode)
            machine.runs(None, self._prepares(estate))
        machine.loop.run_until(1.0)
        machine.weather, machine.swift = weather, swift
        for estate in estates:
            estate.bank.watch = partial(self.rules.happened, estate)
        self.house.opens()
        for estate in estates:
            estate.bank.settles()

    async def _prepares(self, estate: Estate) -> None:
        world, merchant = self.house.world, estate.merchant_id
        await flows.put_flow(world, merchant, "default", FLOW, read_version=None, actor="test")
        await flows.publish(world, merchant, "default", 1, actor="test")
        if self.reconciles:
            await begin_reconciling(world, estate.connected)
        await backfill_subscriptions(world, estate.connected)

    def plays(self, days: float) -> None:
        """Let it all happen for so many days."""
        self.machine.loop.run_until(days * DAY_S)

    def rests(self, days: float = SETTLED_WITHIN_DAYS) -> None:
        """Nothing goes wrong any more; once all is settled everything must be in order."""
        machine = self.machine
        machine.weather = CALM
        self.house.post.away_until = 0.0
        for estate in self.house.estates.values():
            estate.bank.outage_until = 0.0
        self.plays(machine.loop.time() / DAY_S + days)
        if self._is_anything_on_its_way():
            machine.loop.run_until(machine.loop.time() + HANDLED_WITHIN_S)
        at_rest(self.rules, machine.now())

    def _is_anything_on_its_way(self) -> bool:
        """A webhook to us, or one that nobody has handled yet."""
        waiting = (one.state is InboxState.PENDING for one in self.house.ledger.rows(InboxEvent))
        banks = (estate.bank for estate in self.house.estates.values())
        return any(waiting) or any(True for bank in banks for _ in bank.world.all("delivery"))

    def hears_all_again(self) -> None:
        """The inbox is replayed from its first day; nothing goes on after it."""
        heard_again(self.rules)
