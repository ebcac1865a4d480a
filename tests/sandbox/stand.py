"""What the sandbox's tests stand on: a server in a thread, a listener, short ways to say things."""

import asyncio
import inspect
import json
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

import httpx
import stripe
import uvicorn

from app.providers.sandbox import acts
from app.providers.sandbox.house import House, Mode
from app.providers.sandbox.server import DEFAULT_START, create_sandbox
from app.providers.sandbox.world import Answer, World

START = DEFAULT_START
DAY = 86_400
Thing = dict[str, Any]


NO_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
OPEN: dict[float, stripe.HTTPXClient] = {}


def connections(timeout: float) -> stripe.HTTPXClient:
    """The SDK's own client, made once per timeout: each costs two TLS contexts."""
    if timeout not in OPEN:
        OPEN[timeout] = stripe.HTTPXClient(
            timeout=timeout, allow_sync_methods=True, verify_ssl_certs=False
        )
    return OPEN[timeout]


def hang_up() -> None:
    """Close what `connections` opened."""
    while OPEN:
        OPEN.popitem()[1].close()


class Served:
    """A running sandbox, as a client sees it."""

    def __init__(self, port: int, house: House, loop: asyncio.AbstractEventLoop) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self._house, self._loop = house, loop
        self.key = "sk_test_sandbox_tests"
        self.http = httpx.Client(base_url=self.url, verify=NO_TLS, timeout=30)

    def client(self, *, retries: int = 0, timeout: float = 5) -> stripe.StripeClient:
        """The official SDK, pointed here."""
        return stripe.StripeClient(
            self.key,
            max_network_retries=retries,
            base_addresses={"api": self.url},
            http_client=connections(timeout),
        )

    def inside(self, look: Callable[[House], Any]) -> Any:
        """What the house itself says or does, in its own thread: for what a story asks at every
        instant, where HTTP takes ten times as long."""

        async def looked() -> Any:
            found = look(self._house)
            return await found if inspect.isawaitable(found) else found

        return asyncio.run_coroutine_threadsafe(looked(), self._loop).result(30)

    def control(self, path: str, given: Thing | None = None) -> Any:
        """POST to the control API."""
        answer = self.http.post(f"/_sandbox/{path}", json=given or {})
        assert answer.status_code == 200, answer.text
        return answer.json()

    def status(self) -> Any:
        return self.http.get("/_sandbox/status").json()

    def events(self, after: str | None = None) -> list[Thing]:
        """Everything that ever happened (after one event), oldest first."""
        path = f"/_sandbox/events?limit=100000{f'&after={after}' if after else ''}"
        found: list[Thing] = self.http.get(path).json()["events"]
        return found

    def advance(self, *, days: float) -> Any:
        """Move the clock and play."""
        now = self.http.get("/_sandbox/status").json()["now"]
        return self.control("advance", {"to": later(now, days)})

    def raw(self, method: str, path: str, **given: Any) -> httpx.Response:
        """One API call without the SDK."""
        headers = {"authorization": f"Bearer {self.key}", **given.pop("headers", {})}
        return self.http.request(method, path, headers=headers, **given)


def later(now: str, days: float) -> str:
    return (datetime.fromisoformat(now) + timedelta(days=days)).isoformat()


@contextmanager
def serve(*, mode: Mode = "stepped", clock: Callable[[], int] | None = None) -> Iterator[Served]:
    """Run a sandbox in a thread of its own until the block ends."""
    app = create_sandbox(mode=mode, clock=clock)
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="critical", lifespan="on"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        thread.join(0.01)
        assert thread.is_alive(), "the sandbox did not start"
    port = server.servers[0].sockets[0].getsockname()[1]
    app.state.house.world.base_url = f"http://127.0.0.1:{port}"
    served = Served(port, app.state.house, server.servers[0].get_loop())
    try:
        yield served
    finally:
        served.http.close()
        server.should_exit = True
        thread.join()


class Listener:
    """Receives webhooks; answers 200 unless told to refuse."""

    def __init__(self) -> None:
        self.heard: list[tuple[Thing, str, bytes]] = []
        self.refusals = 0
        self.together = threading.Barrier(1)  # so many must have come before any is answered
        self._came = threading.Condition()
        listener = self

        class Ear(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                listener.together.wait(timeout=15)
                refuse = listener.refusals > 0
                listener.refusals -= 1 if refuse else 0
                if not refuse:
                    listener.hear(json.loads(body), self.headers["stripe-signature"], body)
                self.send_response(500 if refuse else 200)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                return

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Ear)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/hooks"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def hear(self, event: Thing, signature: str, body: bytes) -> None:
        with self._came:
            self.heard.append((event, signature, body))
            self._came.notify_all()

    def waits_for(self, kind: str) -> bool:
        """Wait until an event of this kind has come; False if it does not."""
        with self._came:
            return self._came.wait_for(lambda: kind in self.types(), timeout=20)

    def types(self) -> list[str]:
        return [event["type"] for event, _, _ in self.heard]

    def of(self, kind: str) -> list[Thing]:
        return [event for event, _, _ in self.heard if event["type"] == kind]


def a_world(**settings: Any) -> World:
    """A world in memory."""
    world = World(1, START)
    world.settle_settings(settings)
    return world


def ask(world: World, method: str, path: str, **params: Any) -> Thing:
    """A call that must succeed; returns the answer's body."""
    answer = world.call(method, path, params)
    assert answer.status == 200, answer.body
    return answer.body


def refusal(world: World, method: str, path: str, **params: Any) -> Answer:
    """A call that must fail."""
    answer = world.call(method, path, params)
    assert answer.status != 200, answer.body
    return answer


def a_price(world: World, amount: int = 2000, currency: str = "usd", every: str = "month") -> str:
    product = ask(world, "POST", "/v1/products", name=f"Plan {amount} {currency} {every}")
    price = ask(
        world,
        "POST",
        "/v1/prices",
        product=product["id"],
        unit_amount=amount,
        currency=currency,
        recurring={"interval": every},
    )
    return str(price["id"])


def a_customer(
    world: World, card: str | None = "pm_card_visa", email: str = "ada@x.example"
) -> str:
    customer = ask(world, "POST", "/v1/customers", email=email)
    if card:
        default = a_card(world, customer["id"], card)
        settings = {"default_payment_method": default}
        ask(world, "POST", f"/v1/customers/{customer['id']}", invoice_settings=settings)
    return str(customer["id"])


def a_card(world: World, customer: str, card: str = "pm_card_visa") -> str:
    method = ask(world, "POST", f"/v1/payment_methods/{card}/attach", customer=customer)
    return str(method["id"])


def a_subscription(world: World, customer: str | None = None, **params: Any) -> Thing:
    owner = customer or a_customer(world)
    items = params.pop("items", None) or [{"price": params.pop("price", None) or a_price(world)}]
    return ask(world, "POST", "/v1/subscriptions", customer=owner, items=items, **params)


def behaves(world: World, method: str, **behaviour: Any) -> None:
    """Programme a card."""
    acts.programme(world, {"payment_method": method, "behaviour": behaviour})


def default_card(world: World, customer: str) -> str:
    found = world.find("customer", customer)
    return str(found["invoice_settings"]["default_payment_method"])


def events(world: World, prefix: str = "") -> list[Thing]:
    return [event for event in world.all("event") if event["type"].startswith(prefix)]


def types(world: World, prefix: str = "") -> list[str]:
    return [event["type"] for event in events(world, prefix)]


def latest_invoice(world: World, subscription: str) -> Thing:
    return world.find("invoice", world.find("subscription", subscription)["latest_invoice"])


def a_failed_renewal(world: World, **behaviour: Any) -> Thing:
    """A subscription whose card refuses from the second month on; played until it has."""
    subscription = a_subscription(world)
    refuses = {"kind": "decline", "code": "insufficient_funds", **behaviour}
    behaves(world, default_card(world, subscription["customer"]), **refuses)
    world.advance_to(START + 31 * DAY)
    return world.find("subscription", subscription["id"])
