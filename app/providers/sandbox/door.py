"""The API's door: a raw ASGI application that reads Stripe's requests and gives its answers."""

import asyncio
import base64
import binascii
import json
from collections.abc import Awaitable, Callable, MutableMapping
from time import monotonic
from typing import Any
from urllib.parse import parse_qsl

from app.providers.sandbox import faults
from app.providers.sandbox.core import API_VERSION
from app.providers.sandbox.errors import ApiError, Thing, invalid, unauthorised
from app.providers.sandbox.house import House, as_json
from app.providers.sandbox.params import parse_form
from app.providers.sandbox.rates import Rates
from app.providers.sandbox.world import Answer

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

TEST_KEYS = ("sk_test_", "rk_test_")
HOLD = 120.0
"""Seconds an unanswered request is held, unless the caller hangs up first."""
GATEWAY_PAGE = b"<html><head><title>502 Bad Gateway</title></head><body>Bad gateway</body></html>"


class Door:
    """Answers everything under `/v1` and `/v2`."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._rates = Rates(house.world.table, monotonic)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request; faults that were asked for come first."""
        method, path = scope["method"], scope["path"]
        headers = {name.decode(): value.decode("latin-1") for name, value in scope["headers"]}
        body = await _read(receive)
        self._house.catch_up()
        beyond = self._rates.refuses(self._house.world.settings, method, path)
        if beyond is not None:
            await _respond(send, _too_many(beyond))
            return
        fault = faults.take_call(self._house.world, method, path)
        if fault is not None and await self._go_wrong(fault, scope, headers, body, receive, send):
            return
        await _respond(send, self._answer(scope, headers, body))

    def _answer(self, scope: Scope, headers: dict[str, str], body: bytes) -> Answer:
        method, path = scope["method"], scope["path"]
        try:
            _check_key(headers.get("authorization", ""))
            params = _params(scope, headers, body)
        except ApiError as refusal:
            return Answer(refusal.status, {"error": refusal.error}, {})
        return self._house.world.call(
            method,
            path,
            params,
            api_version=headers.get("stripe-version") or API_VERSION,
            idempotency_key=headers.get("idempotency-key"),
        )

    async def _go_wrong(
        self,
        fault: Thing,
        scope: Scope,
        headers: dict[str, str],
        body: bytes,
        receive: Receive,
        send: Send,
    ) -> bool:
        kind = fault["fault"]
        if kind in ("timeout_after", "reset_after"):
            self._answer(scope, headers, body)
        if kind.startswith("timeout"):
            await _hold(receive, float(fault.get("seconds", HOLD)))
        if kind.startswith(("timeout", "reset")):
            await _break_off(send)
            return True
        if kind == "html":
            await _send(send, 502, GATEWAY_PAGE, {"content-type": "text/html"})
            return True
        await _respond(send, self._refusal(fault, scope, headers, body))
        return True

    def _refusal(self, fault: Thing, scope: Scope, headers: dict[str, str], body: bytes) -> Answer:
        if fault["fault"] == "500":
            params = _params(scope, headers, body)
            key = headers.get("idempotency-key")
            return self._house.world.fail(scope["method"], scope["path"], params, key)
        status, error = REFUSALS[fault["fault"]]
        more = {"retry-after": str(fault.get("retry_after", 1))} if status == 429 else {}
        return Answer(status, {"error": error}, {"request-id": "req_fault", **more})


REFUSALS: dict[str, tuple[int, Thing]] = {
    "429": (
        429,
        {
            "type": "invalid_request_error",
            "code": "rate_limit",
            "message": "Request rate limit exceeded.",
        },
    ),
    "lock_timeout": (
        429,
        {
            "type": "invalid_request_error",
            "code": "lock_timeout",
            "message": "This object cannot be accessed right now; another request holds it.",
        },
    ),
    "409": (
        409,
        {
            "type": "idempotency_error",
            "code": "idempotency_key_in_use",
            "message": "There is currently another in-progress request using this key.",
        },
    ),
}


def _too_many(limit: str) -> Answer:
    status, error = REFUSALS["429"]
    headers = {"request-id": "req_limited", "stripe-rate-limited-reason": limit}
    return Answer(status, {"error": error}, headers)


async def _read(receive: Receive) -> bytes:
    parts = []
    while True:
        message = await receive()
        parts.append(message.get("body", b""))
        if not message.get("more_body"):
            return b"".join(parts)


def _check_key(header: str) -> None:
    scheme, _, value = header.partition(" ")
    if scheme.lower() == "basic":
        try:
            value = base64.b64decode(value).decode().partition(":")[0]
        except (binascii.Error, UnicodeDecodeError):
            value = ""
    if not value:
        raise unauthorised("You did not provide an API key.")
    if not value.startswith(TEST_KEYS):
        raise unauthorised(f"Invalid API Key provided: {value[:8]}***")


def _params(scope: Scope, headers: dict[str, str], body: bytes) -> Thing:
    query = parse_qsl(scope["query_string"].decode(), keep_blank_values=True)
    try:
        if headers.get("content-type", "").startswith("application/json") and body:
            read: Thing = json.loads(body)
            return {**parse_form(query), **read}
        return parse_form([*query, *parse_qsl(body.decode(), keep_blank_values=True)])
    except (ValueError, TypeError):
        raise invalid("The request body could not be read.") from None


async def _respond(send: Send, answer: Answer) -> None:
    headers = {"content-type": "application/json", **answer.headers}
    await _send(send, answer.status, as_json(answer.body), headers)


async def _send(send: Send, status: int, body: bytes, headers: dict[str, str]) -> None:
    rows = [(name.encode(), value.encode()) for name, value in headers.items()]
    rows.append((b"content-length", str(len(body)).encode()))
    await send({"type": "http.response.start", "status": status, "headers": rows})
    await send({"type": "http.response.body", "body": body})


async def _hold(receive: Receive, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            while (await receive())["type"] != "http.disconnect":
                pass
    except TimeoutError:
        return


async def _break_off(send: Send) -> None:
    """Promise a body and end without it: the server closes the connection."""
    rows = [(b"content-type", b"application/json"), (b"content-length", b"65536")]
    await send({"type": "http.response.start", "status": 200, "headers": rows})
