"""The sandbox as the bench needs it: one account a process, its invoices made before it opens.

Prints the port, then answers one line per line it reads with what happened at its door since.
Every tenth card refuses. The customers are `cus_…` of the sandbox; the invoices are told in their
order on the first line. With `--subscribed` each customer has a subscription instead.
"""

import argparse
import asyncio
import gc
import json
import sys
import time
from collections import Counter
from typing import Any

import uvicorn
import uvloop

from app.providers.sandbox import acts
from app.providers.sandbox.server import create_sandbox
from app.providers.sandbox.world import World

REFUSES = 10
PRICE = 3000
SANDBOX_KEY = "sk_test_of_the_bench"


class Watched:
    """The application, and when each charge of it was asked for and answered otherwise than 429."""

    def __init__(self, app: Any) -> None:
        self._app = app
        self.asked: dict[str, list[float]] = {}
        self.statuses: Counter[int] = Counter()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        path: str = scope.get("path", "")
        if not path.endswith("/pay"):
            await self._app(scope, receive, self._counting(send))
            return
        began = time.time()

        async def noting(message: Any) -> None:
            if message["type"] == "http.response.start" and message["status"] != 429:
                self.asked.setdefault(path.split("/")[3], []).append(began)
            await self._counting(send)(message)

        await self._app(scope, receive, noting)

    def _counting(self, send: Any) -> Any:
        async def counting(message: Any) -> None:
            if message["type"] == "http.response.start":
                self.statuses[message["status"]] += 1
            await send(message)

        return counting


def fill(world: World, count: int) -> list[tuple[str, str]]:
    """Customers with a card and an open invoice each: (customer, invoice) in order."""
    made = []
    for n in range(count):
        card = {"base": "visa"} | ({"behaviour": _refusal()} if n % REFUSES == 0 else {})
        method = acts.programme(world, card)["id"]
        customer = _ask(
            world,
            "customers",
            payment_method=method,
            invoice_settings={"default_payment_method": method},
        )
        invoice = _ask(world, "invoices", customer=customer, auto_advance=False, currency="usd")
        lines = {"customer": customer, "invoice": invoice, "amount": PRICE, "currency": "usd"}
        _ask(world, "invoiceitems", **lines)
        _ask(world, f"invoices/{invoice}/finalize", auto_advance=False)
        made.append((customer, invoice))
    return made


def subscribe(world: World, count: int) -> list[tuple[str, str]]:
    """Customers with a subscription that is paid each: (customer, subscription) in order."""
    product = _ask(world, "products", name="Team")
    every = {"interval": "month"}
    price = _ask(
        world, "prices", product=product, currency="usd", unit_amount=PRICE, recurring=every
    )
    made = []
    for _ in range(count):
        method = acts.programme(world, {"base": "visa"})["id"]
        customer = _ask(
            world,
            "customers",
            address={"country": "DE"},
            payment_method=method,
            invoice_settings={"default_payment_method": method},
        )
        made.append(
            (customer, _ask(world, "subscriptions", customer=customer, items=[{"price": price}]))
        )
    return made


def _refusal() -> dict[str, str]:
    return {"kind": "decline", "code": "insufficient_funds"}


def _ask(world: World, path: str, **params: Any) -> str:
    answer = world.call("POST", f"/v1/{path}", params)
    if answer.status != 200:
        raise RuntimeError(f"{path}: {answer.body}")
    return str(answer.body["id"])


def report(world: World, watched: Watched) -> dict[str, object]:
    """What was asked and charged; `charges` of a customer are those of the one invoice."""
    charges = Counter(charge["customer"] for charge in world.all("charge"))
    paid = sum(invoice["status"] == "paid" for invoice in world.all("invoice"))
    return {
        "asked": watched.asked,
        "statuses": {str(status): n for status, n in watched.statuses.items()},
        "charges": sum(charges.values()),
        "doubles": sum(n - 1 for n in charges.values()),
        "paid": paid,
    }


async def serve(count: int, settings: dict[str, float], *, subscribed: bool) -> None:
    """Serve until the bench closes the pipe."""
    app = create_sandbox(mode="running", clock=lambda: int(time.time()))
    world: World = app.state.house.world
    print(json.dumps((subscribe if subscribed else fill)(world, count)), flush=True)
    world.settle_settings(settings)
    gc.freeze()
    watched = Watched(app)
    server = uvicorn.Server(uvicorn.Config(watched, port=0, log_level="critical"))
    serving = asyncio.create_task(server.serve())
    while not server.started:  # noqa: ASYNC110 - uvicorn sets no event
        await asyncio.sleep(0.01)
    print(server.servers[0].sockets[0].getsockname()[1], flush=True)
    while (await asyncio.to_thread(sys.stdin.readline)).strip():
        print(json.dumps(report(world, watched)), flush=True)
    server.should_exit = True
    await serving


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("count", type=int)
    parser.add_argument("--whole", type=float, required=True)
    parser.add_argument("--endpoint", type=float, required=True)
    parser.add_argument("--subscribed", action="store_true")
    given = parser.parse_args()
    limits = {
        "requests_per_second": given.whole,
        "requests_per_endpoint": given.endpoint,
    }
    uvloop.run(serve(given.count, limits, subscribed=given.subscribed))
