"""What the stories of offers act on: a merchant's stage, sessions, and clicks."""

from dataclasses import dataclass, replace
from typing import Any

from app.domain.offers import Offer, parse
from app.domain.offers.common import Facts
from app.domain.offers.quotes import Quote
from app.domain.redemptions import Redemption, RedemptionStep
from app.domain.standing import Standing
from app.services import redemptions
from tests.stories.looks import Person
from tests.stories.stage import Stage

AFTER_THE_FIRST_CALL = 4  # after the commit of the intent, two points, and the call, two
THIRTY_OFF = {"id": "thirty-off", "kind": "discount", "percent": 30, "months": 3}


def offer_of(document: dict[str, Any]) -> Offer:
    """The offer of a document that is right."""
    found = parse(document)
    assert not isinstance(found, tuple), found
    return found


DAY_S = 86_400


@dataclass
class Leaving:
    """A person with a session open, and what a click of theirs does."""

    stage: Stage
    person: Person
    session: str = "cxs_1"
    about: redemptions.About = redemptions.NOTHING

    async def sees(self, document: dict[str, Any] = THIRTY_OFF) -> Quote:
        """The money and dates of an offer, before it is accepted."""
        facts = await self.facts(document)
        return await redemptions.preview(
            self.stage.world, self.stage.account, offer_of(document), facts
        )

    async def facts(self, document: dict[str, Any] = THIRTY_OFF) -> Facts:
        seen = await self.looks(document)
        async with self.stage.world.store.transaction(self.stage.merchant.merchant_id) as tx:
            return await redemptions.facts_of(
                tx, self.stage.account, seen, self.about, now=self.stage.now
            )

    async def looks(self, document: dict[str, Any] = THIRTY_OFF) -> redemptions.Look:
        world, account = self.stage.world, self.stage.account
        return await redemptions.look(
            world, account, self.person.subscription, [offer_of(document)]
        )

    async def claims(
        self, document: dict[str, Any] = THIRTY_OFF, *, session: str | None = None
    ) -> Redemption:
        """Accepts, and nothing of it is applied yet."""
        seen = await self.looks(document)
        async with self.stage.world.store.transaction(self.stage.merchant.merchant_id) as tx:
            return await redemptions.claim(
                tx,
                self.stage.account,
                session or self.session,
                offer_of(document),
                seen,
                self.about,
                now=self.stage.now,
                terms=document,
            )

    async def accepts(self, document: dict[str, Any] = THIRTY_OFF, **more: Any) -> Redemption:
        """Accepts, and it is applied as far as the provider answers."""
        claimed = await self.claims(document, **more)
        return await self.carries_on(claimed)

    async def carries_on(self, redemption: Redemption) -> Redemption:
        merchant = self.stage.merchant.merchant_id
        return await redemptions.carry_on(self.stage.world, merchant, redemption.redemption_id)

    async def stands(self) -> Standing:
        """The subscription as the provider has it."""
        world = self.stage.world
        return await world.payments.read_standing(
            self.stage.account, self.person.subscription, credits_of=self.person.customer
        )

    async def redeemed(self) -> list[Redemption]:
        found = await self.stage.find(Redemption)
        return sorted(found, key=lambda row: row.claimed_at)

    async def steps(self, redemption: Redemption) -> list[tuple[str, str]]:
        """What each step was to change and where it is at."""
        where = {"redemption_id": redemption.redemption_id}
        rows = await self.stage.find(RedemptionStep, **where)
        ordered = sorted(rows, key=lambda row: row.number)
        return [(row.change["op"], row.state) for row in ordered]

    def invoices(self) -> list[dict[str, Any]]:
        """The person's invoices, newest first."""
        found: list[dict[str, Any]] = self.stage.there(
            "invoices", customer=self.person.customer, limit=100
        )["data"]
        return found

    def plans_to_leave(self, *, in_days: int | None = None) -> None:
        """The subscription is to end with its period, or on a day within it."""
        end: dict[str, Any] = {"cancel_at_period_end": "true"}
        if in_days is not None:
            end = {"cancel_at": int(self.stage.now.timestamp()) + in_days * DAY_S}
        self.stage.call(f"subscriptions/{self.person.subscription}", **end)

    def price(self, every: str, amount: int) -> str:
        """A price of the same product's kind."""
        return self.stage.price(every, "usd", amount)

    def own_price(self) -> str:
        """What the subscription was made with."""
        return self.price("month", 3000)

    def _update(self, **params: Any) -> None:
        self.stage.call(f"subscriptions/{self.person.subscription}", **params)

    def takes_seats(self, quantity: int) -> None:
        """So many of it, from the beginning of this period on."""
        item = self.stage.there(f"subscriptions/{self.person.subscription}")["items"]["data"][0]
        wish = {"items[0][id]": item["id"], "items[0][quantity]": quantity}
        self._update(**wish, proration_behavior="none")

    def adds_seats(self, quantity: int) -> None:
        """So many of it from now on; the rest of the period is settled on the next invoice."""
        item = self.stage.there(f"subscriptions/{self.person.subscription}")["items"]["data"][0]
        self._update(**{"items[0][id]": item["id"], "items[0][quantity]": quantity})

    def adds_item(self, price: str) -> None:
        """A second item."""
        self._update(**{"items[0][price]": price}, proration_behavior="none")

    def has_coupon(self, name: str, **terms: Any) -> None:
        """A discount that the merchant gave."""
        self.stage.call("coupons", id=name, **terms)
        self._update(**{"discounts[0][coupon]": name})

    def is_classic(self) -> None:
        """The same person with a subscription in the older billing mode."""
        self.stage.sandbox.raw("DELETE", f"/v1/subscriptions/{self.person.subscription}")
        old = self.stage.there(f"subscriptions/{self.person.subscription}")
        made = self.stage.call(
            "subscriptions",
            customer=self.person.customer,
            **{"items[0][price]": old["items"]["data"][0]["price"]["id"]},
            **{"billing_mode[type]": "classic"},
        )
        self.person = replace(self.person, subscription=made["id"])

    def is_resumed(self) -> None:
        """The merchant ends the pause."""
        standing = self.stage.there(f"subscriptions/{self.person.subscription}")
        if standing["status"] == "paused":
            path = f"subscriptions/{self.person.subscription}/resume"
            self.stage.call(path, **{"billing_cycle_anchor[type]": "unchanged"})
        else:
            self._update(pause_collection="")

    def paid(self) -> list[dict[str, Any]]:
        """The invoices of this subscription that brought money, newest first."""
        mine = self.person.subscription
        return [
            invoice
            for invoice in self.invoices()
            if invoice["amount_paid"]
            and invoice["parent"]["subscription_details"]["subscription"] == mine
        ]

    def credits(self) -> list[int]:
        """What was given and taken on the customer's balance, as the provider writes it."""
        path = f"customers/{self.person.customer}/balance_transactions"
        return [row["amount"] for row in self.stage.there(path)["data"]]

    def balance(self) -> int:
        shown = self.stage.there(f"customers/{self.person.customer}")
        balance: int = shown["balance"]
        return balance

    def attaches_a_schedule_after_the_first_call(self) -> None:
        """The merchant puts the subscription under a schedule: past it no end can be taken back."""

        async def attached() -> None:
            self.stage.call("subscription_schedules", from_subscription=self.person.subscription)

        self.stage.fuse.arm(AFTER_THE_FIRST_CALL, attached)

    @staticmethod
    def told(quote: Quote) -> redemptions.About:
        """What a session keeps of the quote it has shown."""
        return redemptions.About(dated=quote.dated)

    def loses_the_answers(self, fault: str = "timeout_after") -> None:
        """One change of the subscription, with its two repeats, goes unanswered."""
        path = f"/v1/subscriptions/{self.person.subscription}"
        self.stage.fault(fault, path, times=3, method="POST")

    def discounts(self) -> list[str]:
        shown = self.stage.there(f"subscriptions/{self.person.subscription}")
        found: list[str] = shown["discounts"]
        return found
