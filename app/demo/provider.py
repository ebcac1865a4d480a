"""The other side of the sandbox: signing up subscribers, moving its clock, playing customers."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import httpx

from app.demo.cast import PLANS, Subscriber, behaviour_of

KEY = "sk_test_demo"


@dataclass(frozen=True, slots=True)
class SignedUp:
    """What the provider calls a subscriber's things."""

    customer: str
    subscription: str
    method: str


class Provider:
    """A client of the sandbox: its API as a merchant uses it, its control as the world does."""

    def __init__(self, base: str, client: httpx.AsyncClient) -> None:
        self._base = base
        self._client = client

    async def call(self, path: str, **params: Any) -> dict[str, Any]:
        """One POST of the merchant, form-encoded. Raises `httpx.HTTPStatusError`."""
        headers = {"Authorization": f"Bearer {KEY}"}
        answer = await self._client.post(f"{self._base}/v1/{path}", data=params, headers=headers)
        answer.raise_for_status()
        return dict(answer.json())

    async def control(self, path: str, **body: Any) -> dict[str, Any]:
        """One POST of the control API. Raises `httpx.HTTPStatusError`."""
        answer = await self._client.post(f"{self._base}/_sandbox/{path}", json=body, timeout=120)
        answer.raise_for_status()
        return dict(answer.json())

    async def advance(self, to: datetime) -> dict[str, Any]:
        """Play everything up to `to`; each webhook's answer is awaited."""
        return await self.control("advance", to=to.isoformat())

    async def deliver(self) -> dict[str, Any]:
        """Send what waits to be sent; returns the status after it."""
        return await self.control("deliver")

    async def status(self) -> dict[str, Any]:
        """Now, what is undelivered, when something happens next."""
        answer = await self._client.get(f"{self._base}/_sandbox/status")
        return dict(answer.json())

    async def make_prices(self) -> dict[tuple[str, str, str], str]:
        """Three plans, monthly and annual, in three currencies: the price's id of each."""
        prices: dict[tuple[str, str, str], str] = {}
        for plan, amounts in PLANS.items():
            product = await self.call("products", name=plan)
            for currency, minor in amounts.items():
                for interval, times in (("month", 1), ("year", 10)):
                    price = await self.call(
                        "prices",
                        product=product["id"],
                        currency=currency,
                        unit_amount=minor * times,
                        nickname=plan,
                        **{"recurring[interval]": interval},
                    )
                    prices[plan, interval, currency] = price["id"]
        return prices

    async def sign_up(self, person: Subscriber, price: str) -> SignedUp:
        """A customer with a card of their own (no two share a fingerprint) and a paid period."""
        card = await self.control("cards", brand=person.brand, base=person.brand)
        customer = await self.call(
            "customers",
            email=person.email,
            name=f"Subscriber {person.key}",
            payment_method=card["id"],
            **{
                "invoice_settings[default_payment_method]": card["id"],
                "preferred_locales[0]": person.language,
                "metadata[key]": person.key,
            },
        )
        subscription = await self.call(
            "subscriptions",
            customer=customer["id"],
            **{"items[0][price]": price, "metadata[key]": person.key},
        )
        method = customer["invoice_settings"]["default_payment_method"]
        return SignedUp(customer["id"], subscription["id"], method)

    async def cast_fate(self, person: Subscriber, known: SignedUp) -> None:
        """From now on this subscriber's card behaves as fated."""
        if behaviour := behaviour_of(person):
            await self.control("cards", payment_method=known.method, behaviour=behaviour)

    async def act(self, customer: str, what: str, **more: Any) -> dict[str, Any]:
        """Something a customer or a bank does by itself."""
        return await self.control(f"customers/{customer}/acts", act=what, **more)
