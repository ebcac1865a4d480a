"""What the customers of a company do once their renewal was refused, over the api and beside it."""

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from random import Random
from typing import Any

import httpx

from app.providers.sandbox.errors import ApiError
from tests.faults.company import Company, Holder

# After the renewal was due; near it, so that webhooks, looks and charges are under way.
ACTS_WITHIN_S = (0.5, 20.0)
AGAIN_AFTER_S = 0.5
# Asked again with the same key, as a browser or a merchant's program would.
COMES_BACK = frozenset({429, 503})
NOT_NOW = 409


@dataclass
class Customers:
    """`answers` counts what the api said, `0` for a connection that broke; `done` who has acted."""

    company: Company
    url: str
    key: str
    client: httpx.AsyncClient
    draw: Random
    answers: Counter[int] = field(default_factory=Counter)
    done: Counter[str] = field(default_factory=Counter)
    asked: int = 0

    async def live(self) -> None:
        """Let everybody do what they do, once."""
        await asyncio.gather(*map(self._lives, self.company.holders))

    async def _lives(self, holder: Holder) -> None:
        after = self.draw.uniform(*ACTS_WITHIN_S)
        await asyncio.sleep(max(holder.renews_at + after - time.time(), 0))
        does = DOES.get(holder.part.name)
        if does is not None:
            await does(self, holder)
        self.done[holder.part.name] += 1

    async def asks(self, method: str, path: str, token: str, **body: str) -> httpx.Response:
        """One question or command, repeated under one key until there is an answer."""
        self.asked += 1
        headers = {"Authorization": f"Bearer {token}", "Idempotency-Key": f"soak:{self.asked}"}
        while True:
            try:
                answer = await self.client.request(
                    method,
                    f"{self.url}/v1{path}",
                    headers=headers,
                    json=body if method == "POST" else None,
                    params=body if method == "GET" else None,
                )
            except httpx.TransportError:
                self.answers[0] += 1
            else:
                self.answers[answer.status_code] += 1
                if answer.status_code not in COMES_BACK:
                    return answer
            await asyncio.sleep(AGAIN_AFTER_S)


async def enters_a_card(customers: Customers, holder: Holder) -> None:
    """A new card, which approves."""
    await _beside(customers, holder, "new_card")


async def pays_on_the_page(customers: Customers, holder: Holder) -> None:
    """On the provider's own page, with another card."""
    await _beside(customers, holder, "pay_hosted_invoice")


async def is_charged_by_order(customers: Customers, holder: Holder) -> None:
    """Somebody at the merchant orders a charge as soon as there is a case."""
    case = await _case(customers, holder)
    while True:
        answer = await customers.asks("POST", f"/cases/{case}/retry", customers.key)
        if answer.status_code != NOT_NOW:
            break
        await asyncio.sleep(AGAIN_AFTER_S)  # something of this case is under way


async def leaves(customers: Customers, holder: Holder) -> None:
    """Opens the cancel page, says why, and confirms."""
    here, token = await _opens(customers, holder, "missing_feature")
    await customers.asks("POST", f"{here}/confirm", token)


async def is_saved(customers: Customers, holder: Holder) -> None:
    """Opens the cancel page, says that it is too much, and takes the discount."""
    here, token = await _opens(customers, holder, "too_expensive")
    await customers.asks("POST", f"{here}/accept", token, step="half")


async def _opens(customers: Customers, holder: Holder, reason: str) -> tuple[str, str]:
    answer = await customers.asks(
        "POST", "/cancel-sessions", customers.key, subscription=holder.subscription
    )
    opened: dict[str, Any] = answer.raise_for_status().json()
    here = f"/cancel-sessions/{opened['id']}"
    await customers.asks("POST", f"{here}/answer", opened["token"], step="why", reason=reason)
    return here, opened["token"]


async def _case(customers: Customers, holder: Holder) -> str:
    while True:
        answer = await customers.asks("GET", "/cases", customers.key, customer=holder.customer)
        found: list[dict[str, Any]] = answer.raise_for_status().json()["cases"]
        if found:
            return str(found[0]["id"])
        await asyncio.sleep(AGAIN_AFTER_S)


async def _beside(customers: Customers, holder: Holder, act: str) -> None:
    """At the provider; where there is nothing to pay yet, a little later."""
    while True:
        try:
            customers.company.acts(holder, act)
        except ApiError:
            await asyncio.sleep(AGAIN_AFTER_S)
        else:
            return


DOES: dict[str, Callable[[Customers, Holder], Awaitable[None]]] = {
    "enters a card": enters_a_card,
    "pays on the page": pays_on_the_page,
    "is charged by order": is_charged_by_order,
    "leaves unpaid": leaves,
    "leaves": leaves,
    "is saved": is_saved,
}
