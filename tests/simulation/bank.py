"""The provider: the sandbox's world behind the production adapter, without HTTP, and what becomes
of calls and webhooks on their way."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from types import SimpleNamespace
from typing import Any, TypeVar, cast

import orjson
from stripe import APIConnectionError, StripeClient, StripeError
from stripe._api_requestor import _APIRequestor
from stripe._v1_services import V1Services
from stripe._v2_services import V2Services

from app.domain.merchants import ProviderAccount
from app.ports.clock import Clock
from app.ports.payments import TURN_WITHIN
from app.providers.sandbox import acts, webhooks
from app.providers.sandbox.errors import ApiError, Thing
from app.providers.sandbox.world import Answer, World
from app.providers.stripe import connection
from app.providers.stripe.admin import EVENTS
from app.providers.stripe.client import StripePayments
from app.providers.stripe.connection import ANSWER, API_VERSION, RETRIES, Connections
from tests.simulation.machine import BEGINNING, Machine, acted

HISTORY = timedelta(days=32)  # so long before the beginning the earliest subscriber signed up
BEGAN_AT = BEGINNING.timestamp()
GIVES_UP_AFTER_S = 30.0
NO_CONNECTION_AFTER_S = 5.0
GOOD = 200
AGAIN = frozenset({409, 429})
SERVER_FAULT = 500
CALL_FATES = ("lost", "unheard", "late", "500", "429", "409")
T = TypeVar("T")
Received = Callable[[bytes, str], Awaitable[bool]]
_ERRORS = _APIRequestor()


@dataclass
class Bank:
    """One account of the provider. `outage_until` is when it answers again; `charging` is asked
    about an invoice, a key and perhaps a method right before the charge is sent. `seed` gives ids:
    two accounts of one seed know their customers and invoices by the same. `ahead_s` is how far
    the provider's clock is ahead of the time."""

    machine: Machine
    seed: int = 0
    ahead_s: int = 0
    receives: Received | None = None
    watch: Callable[[], None] = lambda: None
    charging: Callable[[str, str, str | None], None] = lambda invoice, key, method: None
    outage_until: float = 0.0
    world: World = field(init=False)
    endpoint: Thing = field(init=False)
    under_way: dict[str, set[str]] = field(default_factory=dict)
    sent: set[str] = field(default_factory=set)
    _armed: float | None = None

    def __post_init__(self) -> None:
        began = BEGINNING - HISTORY
        self.world = World(self.seed, int(began.timestamp()))

    # the merchant's side, before anything is connected

    def asks(self, path: str, **params: Any) -> Thing:
        """A call of the merchant's own."""
        answer = self.world.call("POST", f"/v1/{path}", params)
        assert answer.status == GOOD, answer.body
        return answer.body

    def turns_to(self, at: datetime) -> None:
        """Let the time before the beginning pass."""
        self.world.advance_to(int(at.timestamp()))

    def listens(self) -> str:
        """Register our endpoint; its secret."""
        self.endpoint = self.asks(
            "webhook_endpoints",
            url="https://pay.kelp.example/webhooks",
            enabled_events=sorted(EVENTS),
            api_version=API_VERSION,
        )
        return str(self.endpoint["secret"])

    # time and effects

    def now_s(self) -> float:
        """Unix seconds, by the provider's clock."""
        return self.machine.now().timestamp() + self.ahead_s

    def does(self, what: Callable[[], T]) -> T:
        """Let something happen at the provider now."""
        self.world.advance_to(int(self.now_s()))
        try:
            return what()
        finally:
            self.settles()

    def acts(self, customer: str, what: str, **more: Any) -> bool:
        """Something a customer, a bank or the staff does; whether it could be done."""
        try:
            world = self.world
            told = {"act": what, **more}
            self.does(lambda: world.outside(lambda: acts.act(world, customer, told)))
        except ApiError as refusal:
            self.machine.log("act refused", what, refusal.error.get("code"))
            return False
        self.machine.log("act", what, customer[:12])
        return True

    def settles(self) -> None:
        """After anything happened: webhooks leave, and what is due next is waited for."""
        self.watch()
        for delivery in self.world.pending_deliveries():
            if delivery["id"] not in self.sent:
                self.sent.add(delivery["id"])
                self._posts(delivery)
        due = self.world.records.next_due()
        if due is not None:
            at = due[0] - BEGAN_AT - self.ahead_s
            if self._armed is None or at < self._armed:
                self._armed = at
                self.machine.loop.call_at(at, self._plays)

    def _plays(self) -> None:
        self._armed = None
        self.does(lambda: None)

    # webhooks

    def _posts(self, delivery: Thing) -> None:
        machine, weather = self.machine, self.machine.weather
        if machine.happens(weather.lost_hook):
            machine.log("webhook lost", delivery["event"][:12])
            self.world.records.remove(delivery)
            return
        times = 2 if machine.happens(weather.double_hook) else 1
        for _ in range(times):
            wait = 1.0 if machine.swift else machine.draw.random() * 5
            if machine.happens(weather.late_hook):
                wait = machine.draw.random() * machine.draw.choice((600, 7200, 172_800))
            machine.runs(None, self._delivers(delivery, wait))

    async def _delivers(self, delivery: Thing, wait: float) -> None:
        while self.world.get(delivery["id"]) is delivery:
            await asyncio.sleep(wait)
            if self.receives is None or self.world.get(delivery["id"]) is not delivery:
                return
            body = delivery["body"]
            secrets = webhooks.secrets_of(self.world, self.world.get(self.endpoint["id"]) or {})
            at = int(self.now_s())
            ok = await self.receives(body.encode(), webhooks.signature_header(secrets, at, body))
            self.world.advance_to(int(self.now_s()))
            self.world.delivered(delivery, ok=ok)
            self.world.records.commit()
            wait = max(0.0, delivery["at"] - self.now_s())

    # calls

    async def request_async(
        self,
        method: str,
        url: str,
        params: Mapping[str, Any] | None = None,
        options: Mapping[str, Any] | None = None,
        **_: object,
    ) -> None:
        """What the SDK asks its requestor: the answer is left where the adapter reads it."""
        told = options or {}
        key = told.get("idempotency_key")
        if key is None and method == "post":
            key = f"sdk-{self.world.tally('sdk')}"
        if url.endswith("/pay"):
            await self._has_its_turn(_invoice_of(url), str(key), params or {})
        if method != "get":
            acted()
        tries = told.get("max_network_retries")
        for left in range(RETRIES if tries is None else tries, -1, -1):
            try:
                answer = await self._asked(method.upper(), url, dict(params or {}), key)
                break
            except StripeError as fault:
                status = fault.http_status or SERVER_FAULT
                again = status in AGAIN or status >= SERVER_FAULT
                if not left or not again or not getattr(fault, "should_retry", True):
                    raise
                await asyncio.sleep(1.0)
        ANSWER.set(orjson.dumps(answer.body))

    async def _has_its_turn(self, invoice: str, key: str, params: Mapping[str, Any]) -> None:
        """As the connection does it: a charge that waited is looked at once more."""
        if self.machine.happens(self.machine.weather.turn):
            wait = self.machine.draw.random() * TURN_WITHIN.total_seconds()
            self._log("waits for its turn", f"{wait:.1f}", "s")
            await asyncio.sleep(wait)
            if not await connection.is_wanted():
                body, status, headers = connection.not_sent(
                    400, "not_wanted", "stopped meanwhile", {}
                )
                answer = orjson.loads(body)
                _ERRORS.handle_error_response(body, status, answer, headers, api_mode="V1")
        self.charging(invoice, key, params.get("payment_method"))

    async def _asked(self, method: str, url: str, params: Thing, key: str | None) -> Answer:
        machine = self.machine
        await machine.point(f"asking {method} {url}", 0.3)
        fate = self._fate(url)
        self._log(fate or "asked", method, url, key)
        if fate in ("late", "lost", "unheard"):
            await self._goes_astray(fate, method, url, params, key)
        if fate == "500":
            answer = self.does(lambda: self.world.fail(method, url, params, key))
        elif fate is not None:
            error = {"error": {"type": "invalid_request_error", "code": "busy"}}
            answer = Answer(int(fate), error, {})
        else:
            answer = self._carried_out(method, url, params, key)
        await machine.point(f"answered {method} {url}", 0.3)
        if answer.status >= 400:
            self._log(
                answer.status,
                answer.body["error"].get("code"),
                answer.body["error"].get("decline_code"),
            )
            body = orjson.dumps(answer.body)
            _ERRORS.handle_error_response(
                body, answer.status, answer.body, answer.headers, api_mode="V1"
            )
        return answer

    def _log(self, *what: object) -> None:
        self.machine.log("provider", *what)

    def _fate(self, url: str) -> str | None:
        machine = self.machine
        if machine.loop.time() < self.outage_until:
            return "lost"
        if machine.happens(machine.weather.outage):
            hours = machine.draw.choice((0.1, 1, 6, 30))
            self.outage_until = machine.loop.time() + hours * 3600
            machine.log("the provider is away for", hours, "h")
            return "lost"
        weather = machine.weather
        if machine.happens(weather.charge if url.endswith("/pay") else weather.call):
            return machine.draw.choice(CALL_FATES)
        return None

    async def _goes_astray(
        self, fate: str, method: str, url: str, params: Thing, key: str | None
    ) -> None:
        if fate == "unheard":
            self._carried_out(method, url, params, key)
        if fate == "late":
            wait = self.machine.draw.random() * 2400
            self.machine.runs(None, self._comes_late(wait, method, url, params, key))
        if fate == "lost" and self.machine.happens(0.5):
            await asyncio.sleep(NO_CONNECTION_AFTER_S)
            raise APIConnectionError("no connection", should_retry=True)
        await asyncio.sleep(GIVES_UP_AFTER_S)
        await self.machine.point("gave up waiting")
        raise APIConnectionError("no answer in time", should_retry=False)

    async def _comes_late(
        self, wait: float, method: str, url: str, params: Thing, key: str | None
    ) -> None:
        invoice = _invoice_of(url)
        self.under_way.setdefault(invoice, set()).add(key or "")
        await asyncio.sleep(wait)
        self.under_way[invoice].discard(key or "")
        answer = self._carried_out(method, url, params, key)
        self._log("came late", method, url, answer.status)

    def _carried_out(self, method: str, url: str, params: Thing, key: str | None) -> Answer:
        call = partial(
            self.world.call, method, url, params, api_version=API_VERSION, idempotency_key=key
        )
        return self.does(call)


def _invoice_of(url: str) -> str:
    return url.split("/")[3] if url.endswith("/pay") else ""


class Wired(StripePayments):
    """The production adapter, wired to the banks without a network."""

    def __init__(self, clock: Clock) -> None:
        self.lines = Lines()
        self._clock = clock
        self._connections = cast("Connections", self.lines)


class Lines:
    """`Connections` as far as the adapter uses them: the SDK's services on our requestor, for each
    account those of its bank."""

    def __init__(self) -> None:
        self._clients: dict[str, StripeClient] = {}

    def leads_to(self, account_id: str, bank: Bank) -> None:
        """Connect an account."""
        services = SimpleNamespace(v1=V1Services(bank), v2=V2Services(bank))
        self._clients[account_id] = cast("StripeClient", services)

    def client(self, account: ProviderAccount) -> StripeClient:
        return self._clients[account.account_id]
