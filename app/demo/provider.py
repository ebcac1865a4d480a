"""The other side of the sandbox: signing up subscribers, moving its clock, playing customers."""

import json
from dataclasses import dataclass
from datetime import datetime
from http.client import HTTPConnection, HTTPException
from typing import Any
from urllib.parse import urlencode, urlsplit

from app.demo.cast import PLANS, Company, Subscriber, behaviour_of, expiry_of

KEY = "sk_test_demo"
FORM = {"Authorization": f"Bearer {KEY}", "Content-Type": "application/x-www-form-urlencoded"}
PATIENCE_S = 120.0


@dataclass(frozen=True, slots=True)
class SignedUp:
    """What the provider calls a subscriber's things."""

    customer: str
    subscription: str
    method: str


@dataclass(frozen=True, slots=True)
class Troupe:
    """A company's subscribers by key, and what their provider calls their things."""

    company: Company
    people: dict[str, Subscriber]
    known: dict[str, SignedUp]


class SandboxRefused(RuntimeError):
    """The sandbox answered with an error; the text is its answer."""


class Provider:
    """A client of the sandbox: its API as a merchant uses it, its control as the world does.

    It waits for each answer, over one connection: for one thread at a time. Every call raises
    `SandboxRefused` where the answer is an error, and `OSError` where there is none.
    """

    def __init__(self, base: str) -> None:
        self._line = HTTPConnection(urlsplit(base).netloc, timeout=PATIENCE_S)

    def close(self) -> None:
        """Close the connection; the next call opens it anew."""
        self._line.close()

    def call(self, path: str, **params: Any) -> dict[str, Any]:
        """One POST of the merchant, form-encoded."""
        return self._post(f"/v1/{path}", urlencode(params), FORM)

    def control(self, path: str, **body: Any) -> dict[str, Any]:
        """One POST of the control API."""
        return self._post(
            f"/_sandbox/{path}", json.dumps(body), {"Content-Type": "application/json"}
        )

    def prices(self) -> list[dict[str, Any]]:
        """Everything that is sold, as the provider shows it."""
        listed: list[dict[str, Any]] = self._ask("GET", "/v1/prices?limit=100", "", FORM)["data"]
        return listed

    def _post(self, path: str, body: str, headers: dict[str, str]) -> dict[str, Any]:
        return self._ask("POST", path, body, headers)

    def _ask(self, method: str, path: str, body: str, headers: dict[str, str]) -> dict[str, Any]:
        try:
            self._line.request(method, path, body.encode(), headers)
            answer = self._line.getresponse()
            content = answer.read()
        except (OSError, HTTPException) as lost:
            self._line.close()  # a half-read answer would be taken for the next one
            raise ConnectionError(f"the sandbox did not answer: {lost!r}") from lost
        if answer.status >= 400:
            raise SandboxRefused(f"{path}: {answer.status} {content.decode()}")
        return dict(json.loads(content))

    def advance(self, to: datetime) -> dict[str, Any]:
        """Play everything up to `to`; each webhook's answer is awaited."""
        return self.control("advance", to=to.isoformat())

    def deliver(self) -> dict[str, Any]:
        """Send what waits to be sent; returns the status after it."""
        return self.control("deliver")

    def make_prices(self) -> dict[tuple[str, str, str], str]:
        """Three plans, monthly and annual, in three currencies: the price's id of each."""
        prices: dict[tuple[str, str, str], str] = {}
        for plan, amounts in PLANS.items():
            product = self.call("products", name=plan)
            for currency, minor in amounts.items():
                for interval, times in (("month", 1), ("year", 10)):
                    price = self.call(
                        "prices",
                        product=product["id"],
                        currency=currency,
                        unit_amount=minor * times,
                        nickname=plan,
                        **{"recurring[interval]": interval},
                    )
                    prices[plan, interval, currency] = price["id"]
        return prices

    def sign_up(self, person: Subscriber, price: str, opening: datetime) -> SignedUp:
        """A customer with a card of their own (no two share a fingerprint) and a paid period."""
        expiry = expiry_of(person, opening)
        card = self.control("cards", brand=person.brand, base=person.brand, **expiry)
        customer = self.call(
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
        subscription = self.call(
            "subscriptions",
            customer=customer["id"],
            **{"items[0][price]": price, "metadata[key]": person.key},
        )
        method = customer["invoice_settings"]["default_payment_method"]
        return SignedUp(customer["id"], subscription["id"], method)

    def cast_fate(self, person: Subscriber, known: SignedUp) -> None:
        """From now on this subscriber's card behaves as fated."""
        if behaviour := behaviour_of(person):
            self.control("cards", payment_method=known.method, behaviour=behaviour)

    def act(self, customer: str, what: str, **more: Any) -> dict[str, Any]:
        """Something a customer or a bank does by itself."""
        return self.control(f"customers/{customer}/acts", act=what, **more)


def sign_up_all(
    provider: Provider, people: list[Subscriber], opening: datetime
) -> dict[str, SignedUp]:
    """Everybody signs up on their day; then the cards learn how they will behave."""
    prices = provider.make_prices()
    known: dict[str, SignedUp] = {}
    today: datetime | None = None
    for person in people:
        if person.signed_up_at != today:
            today = person.signed_up_at
            provider.advance(today)
        price = prices[person.plan, person.interval, person.currency]
        known[person.key] = provider.sign_up(person, price, opening)
    provider.advance(opening)
    for person in people:
        provider.cast_fate(person, known[person.key])
    provider.close()
    return known
