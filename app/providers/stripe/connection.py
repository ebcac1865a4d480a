"""Connections to Stripe: one HTTP client per process, one SDK client per account and key."""

import asyncio
import os
from collections.abc import Awaitable, Mapping
from contextvars import ContextVar
from time import monotonic
from urllib.parse import urlsplit

import httpx
import orjson
import stripe
from stripe import APIConnectionError, APIError, HTTPXClient, StripeClient, StripeObject

from app.domain.merchants import ProviderAccount
from app.ports.payments import TURN_WITHIN, AccountRefused, LastLook
from app.ports.secrets import Sealer, SecretUnreadable
from app.providers.stripe.pacing import REASON, Pacer, seconds_of, who_asks
from app.providers.stripe.reading import Json, table

# The SDK of this release speaks it, our readers know it, and `connect` pins endpoints to it.
API_VERSION = "2026-10-28.endive"
# Stripe's own longest time for a charge is not published; third parties say 60 s and more.
TIMEOUT = httpx.Timeout(30.0, connect=5.0, pool=10.0)
RETRIES = 2
MOST_CLIENTS = 1000

# The SDK would measure our calls, and would turn notices of Stripe's into Python warnings.
stripe.enable_telemetry = False
os.environ.setdefault("STRIPE_SUPPRESS_NOTICES", "true")


# The answer to this task's last call, as it came.
ANSWER: ContextVar[bytes] = ContextVar("ANSWER")
SEEN = b"{}"
# What this task's call asks before it is sent after a wait.
LAST_LOOK: ContextVar[LastLook | None] = ContextVar("LAST_LOOK", default=None)
Sent = tuple[bytes, int, Mapping[str, str]]
TOO_MANY = 429
LOCKED = b"lock_timeout"  # a 429 as well, but of one object: it says nothing of our pace
AT_LEAST_S = 0.5


class Wire(HTTPXClient):
    """The SDK's HTTP client, but it sends a form as content: httpx deprecates what the SDK does.

    A good answer is kept for `json_of`, and the SDK gets an empty one: of an invoice with all that
    it refers to it would build some hundred objects, which nobody here reads. Errors it gets whole.
    """

    def __init__(self, *, timeout: httpx.Timeout, pacer: Pacer | None) -> None:
        super().__init__(timeout=timeout)
        self._pacer = pacer

    async def request_async(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        post_data: str | bytes | None = None,
    ) -> Sent:
        """Send one request when its turn has come. Raises the SDK's `APIConnectionError` where no
        answer came.

        A request refused for its pace was not executed, so it is sent again, under the same key,
        until the patience is over; then, or where no turn comes in time, it ends in a 429. One that
        is not wanted any more after a wait is not sent and ends in a 400.
        """
        if self._pacer is None:
            return await self._send(method, url, headers, post_data)
        who, path = who_asks(url, headers), urlsplit(url).path
        until, again = monotonic() + TURN_WITHIN.total_seconds(), False
        while True:
            left = until - monotonic()
            wait = self._pacer.turn(who, method, path, now=monotonic(), within_s=left)
            if wait > left:
                return _not_now(wait)
            if wait:
                await asyncio.sleep(wait)
            if (wait or again) and not await is_wanted():
                return not_sent(400, "not_wanted", "stopped meanwhile", {})
            again = True
            sent = content, status, told = await self._send(method, url, headers, post_data)
            if status != TOO_MANY or LOCKED in content:
                return sent
            wait = max(seconds_of(told.get("retry-after", "")), AT_LEAST_S)
            reason = told.get(REASON, "")
            self._pacer.met(who, method, path, now=monotonic(), wait_s=wait, reason=reason)

    async def _send(
        self, method: str, url: str, headers: Mapping[str, str], post_data: str | bytes | None
    ) -> Sent:
        try:
            answer = await self._client_async.request(
                method, url, headers=headers, content=post_data, timeout=self._timeout
            )
        except httpx.ReadTimeout as error:
            # three such waits outlast a lease: another would ask as well, and nobody would put off
            unanswered = APIConnectionError("no answer in time", should_retry=False)  # type: ignore[no-untyped-call]
            raise unanswered from error
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            self._handle_request_error(error)
        if not answer.is_success:
            return answer.content, answer.status_code, answer.headers
        ANSWER.set(answer.content)
        return SEEN, answer.status_code, answer.headers


async def is_wanted() -> bool:
    look = LAST_LOOK.get()
    return look is None or await look()


def _not_now(wait: float) -> Sent:
    """What Stripe would have answered: when to come again."""
    return not_sent(TOO_MANY, "rate_limit", "our own pace", {"retry-after": f"{wait:.0f}"})


def not_sent(status: int, code: str, why: str, told: Mapping[str, str]) -> Sent:
    error = {"type": code, "code": code, "message": f"not sent: {why}"}
    return orjson.dumps({"error": error}), status, {**told, "stripe-should-retry": "false"}


class Connections:
    """SDK clients by account, made when first asked for. Belongs to one event loop."""

    def __init__(
        self, sealer: Sealer, *, timeout: httpx.Timeout = TIMEOUT, pacer: Pacer | None = None
    ) -> None:
        self._sealer = sealer
        self._http = Wire(timeout=timeout, pacer=pacer)
        self._clients: dict[tuple[str, str | None], StripeClient] = {}

    def client(self, account: ProviderAccount) -> StripeClient:
        """The client of an account; a new key or address makes a new one.

        Reads and harmless writes are repeated twice by the SDK, all tries under one idempotency
        key, unless nobody answered in time. Raises `AccountRefused` where the key cannot be opened.
        """
        cached = (account.api_key_sealed, account.api_base)
        known = self._clients.get(cached)
        if known is None:
            if len(self._clients) >= MOST_CLIENTS:
                self._clients.clear()
            known = self._clients[cached] = self._connect(account)
        return known

    async def close(self) -> None:
        """Close the connections; the last thing this object does."""
        await self._http.close_async()  # type: ignore[no-untyped-call]

    def _connect(self, account: ProviderAccount) -> StripeClient:
        try:
            key = self._sealer.open(account.api_key_sealed)
        except SecretUnreadable as lost:
            raise AccountRefused(f"the account's key cannot be opened: {lost}") from lost
        if not key:
            raise AccountRefused("the account has no key")
        base = account.api_base.rstrip("/") if account.api_base else None
        return StripeClient(
            key,
            http_client=self._http,
            stripe_version=API_VERSION,
            max_network_retries=RETRIES,
            base_addresses={"api": base} if base else None,
        )


async def json_of(call: Awaitable[StripeObject]) -> Json:
    """The JSON of an answer, as it came: the SDK's objects are no dicts and know one version.

    Empty for an answer that is no object. Raises `APIError` for one that is no JSON.
    """
    await call
    try:
        return table(orjson.loads(ANSWER.get()))
    except orjson.JSONDecodeError as garbled:
        raise APIError(f"the answer is no JSON: {garbled}") from garbled
