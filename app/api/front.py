"""The front door: request ids, body limits, headers every answer carries, one log line each."""

import time
from collections.abc import Mapping

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.api.bodies import ClientGone, header, read_body
from app.api.metrics import REQUESTS
from app.api.problems import Problem, answer, request_id

log = structlog.stdlib.get_logger(__name__)

QUIET = frozenset({"/healthz", "/readyz", "/metrics"})
HEADERS = {
    b"x-content-type-options": b"nosniff",
    b"referrer-policy": b"no-referrer",
    b"content-security-policy": b"default-src 'none'; frame-ancestors 'none'",
    b"cache-control": b"no-store",
    b"cross-origin-resource-policy": b"same-origin",
}
HSTS = {b"strict-transport-security": b"max-age=31536000"}


class Front:
    """ASGI middleware around every route; webhooks do not come this far."""

    def __init__(self, app: ASGIApp, *, body_limit: int, https: bool) -> None:
        self._app = app
        self._limit = body_limit
        self._headers = {**HEADERS, **(HSTS if https else {})}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        visit = Visit(scope, send, {**self._headers, b"x-request-id": request_id(scope).encode()})
        try:
            await self._app(scope, await self._bounded(scope, receive), visit.send)
        except ClientGone:
            return
        except Problem as problem:
            await answer(problem, scope)(scope, receive, visit.send)
        finally:
            visit.note()

    async def _bounded(self, scope: Scope, receive: Receive) -> Receive:
        """A `receive` that hands out the whole body, read here and found small enough."""
        names = {name for name, _ in scope["headers"]}
        if not names & {b"content-length", b"transfer-encoding"}:
            return receive
        body = await read_body(scope, receive, self._limit)
        if body and scope["path"].startswith("/v1/"):
            _require_json(scope)
        handed_out = False

        async def replay() -> Message:
            nonlocal handed_out
            if handed_out:
                return await receive()
            handed_out = True
            return {"type": "http.request", "body": body, "more_body": False}

        return replay


class Visit:
    """One request on its way: adds headers to its answer and writes its line."""

    def __init__(self, scope: Scope, send: Send, headers: Mapping[bytes, bytes]) -> None:
        self._scope, self._send, self._always = scope, send, headers
        self._started = time.monotonic()
        self._status = 0

    async def send(self, message: Message) -> None:
        """Pass an answer on, with the headers it lacks."""
        if message["type"] == "http.response.start":
            self._status = message["status"]
            headers = list(message.get("headers", ()))
            present = {name.lower() for name, _ in headers}
            headers += [pair for pair in self._always.items() if pair[0] not in present]
            message = {**message, "headers": headers}
        await self._send(message)

    def note(self) -> None:
        """Count and log. The route's pattern stands for the path, which may hold a token."""
        route = getattr(self._scope.get("route"), "path", "none")
        status, seconds = self._status or 500, time.monotonic() - self._started
        REQUESTS.labels(self._scope["method"], route, status).observe(seconds)
        if route in QUIET:
            return
        log.info(
            "request",
            route=route,
            method=self._scope["method"],
            status=status,
            ms=round(seconds * 1000, 1),
            request_id=request_id(self._scope),
        )


def _require_json(scope: Scope) -> None:
    kind = (header(scope, b"content-type") or b"").split(b";")[0].strip().lower()
    if kind != b"application/json":
        raise Problem("unsupported-media-type", "The body must be application/json.")
