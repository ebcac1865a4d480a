"""`ports.outgoing.Outgoing` over HTTPS, to the public internet alone.

A name is resolved once and every address it has is looked at; the connection goes to the very
address that was found good, so that a name server cannot answer differently the second time. The
name itself stays in the Host header, in SNI and in the certificate's check.
"""

import asyncio
import socket
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from ipaddress import IPv6Address, ip_address
from ssl import SSLContext
from typing import Any
from urllib.parse import SplitResult, urlsplit

import httpx

from app.domain.events_addresses import is_loopback, is_public, why_refused
from app.ports.outgoing import Response

PATIENCE_S = 15.0  # for the whole request; Standard Webhooks asks for 15 to 30
CONNECT_S = 5.0
MOST_ADDRESSES = 3  # of one name that are tried, as long as none was connected to
EXCERPT = 1024  # bytes of an answer that are read
PORTS = {"http": 80, "https": 443}
Resolve = Callable[[str, int], Awaitable[Sequence[str]]]
ONE_WAY = httpx.Limits(max_keepalive_connections=0)


async def resolve(host: str, port: int) -> Sequence[str]:
    """The addresses of a name, best first. Raises `OSError` for one that has none."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


class GuardedSender:
    """Sends one request at a time to each address, keeps no connection and follows nothing.

    `local` also allows this machine, over http. `permits` judges an address, `resolve` finds
    them, `trust` are the certificates believed: the machine's where none are given.
    """

    def __init__(
        self,
        *,
        local: bool = False,
        patience_s: float = PATIENCE_S,
        resolve: Resolve = resolve,
        permits: Callable[[str], bool] = is_public,
        trust: SSLContext | None = None,
    ) -> None:
        self._local, self._patience_s = local, patience_s
        self._resolve, self._permits, self._trust = resolve, permits, trust
        self._made: httpx.AsyncClient | None = None

    @property
    def _client(self) -> httpx.AsyncClient:
        """Made when first needed: reading the machine's certificates takes a while. No idle
        connection is kept, because one to an address may belong to another name there."""
        if self._made is None:
            self._made = httpx.AsyncClient(
                verify=self._trust or httpx.create_ssl_context(),
                trust_env=False,
                follow_redirects=False,
                limits=ONE_WAY,
                timeout=httpx.Timeout(self._patience_s, connect=CONNECT_S),
            )
        return self._made

    async def close(self) -> None:
        """Give back what is open."""
        if self._made is not None:
            await self._made.aclose()

    def why_not(self, url: str) -> str | None:
        return why_refused(url, local=self._local)

    async def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> Response:
        started = time.monotonic()

        def no_answer(why: str) -> Response:
            return Response(status=None, ms=_ms_since(started), text=why)

        try:
            async with asyncio.timeout(self._patience_s):
                status, text, asked = await self._sent(url, body, headers)
        except TimeoutError:
            return no_answer(f"no answer within {self._patience_s:g} s")
        except NotSent as refused:
            return no_answer(str(refused))
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as fault:
            return no_answer(f"no answer: {type(fault).__name__}")
        return Response(status=status, ms=_ms_since(started), text=text, retry_after_s=asked)

    async def _sent(
        self, url: str, body: bytes, headers: Mapping[str, str]
    ) -> tuple[int, str, float | None]:
        if (why := self.why_not(url)) is not None:
            raise NotSent(f"refused: the URL {why}")
        parts = urlsplit(url)
        fault: Exception = NotSent("refused: the name has no address")
        for address in (await self._addresses(parts))[:MOST_ADDRESSES]:
            try:
                return await self._sent_to(address, parts, body, headers)
            except (httpx.ConnectError, httpx.ConnectTimeout) as unreached:
                fault = unreached
        raise fault

    async def _addresses(self, parts: SplitResult) -> Sequence[str]:
        """Where the name leads. One inside address among them, and none is used."""
        host = parts.hostname or ""
        try:
            found = await self._resolve(host, _port(parts))
        except (OSError, UnicodeError):
            raise NotSent("refused: the name has no address") from None
        here = self._local and parts.hostname in {"localhost", "127.0.0.1", "::1"}
        if not found or not all(is_loopback(a) if here else self._permits(a) for a in found):
            raise NotSent("refused: the name leads to an address that is not public")
        return found

    async def _sent_to(
        self, address: str, parts: SplitResult, body: bytes, headers: Mapping[str, str]
    ) -> tuple[int, str, float | None]:
        port = _port(parts)
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        host = (parts.hostname or "") if port == PORTS[parts.scheme] else parts.netloc
        extensions: dict[str, Any] = {"sni_hostname": (parts.hostname or "").removesuffix(".")}
        async with self._client.stream(
            "POST",
            f"{parts.scheme}://{_literal(address)}:{port}{path}",
            content=body,
            headers={**headers, "host": host.lower(), "accept-encoding": "identity"},
            extensions=extensions,
        ) as answer:
            return answer.status_code, await _beginning(answer), _asked(answer)


class NotSent(Exception):
    """Nothing left: the address must not be reached, or there is none. Says why."""


def _port(parts: SplitResult) -> int:
    return parts.port or PORTS[parts.scheme]


def _literal(address: str) -> str:
    return f"[{address}]" if isinstance(ip_address(address), IPv6Address) else address


async def _beginning(answer: httpx.Response) -> str:
    """The first bytes of an answer as text that a database can hold; the rest is not read."""
    read = bytearray()
    async for part in answer.aiter_raw():
        read += part
        if len(read) >= EXCERPT:
            break
    text = bytes(read[:EXCERPT]).decode("utf-8", "replace")
    return "".join(sign if sign.isprintable() or sign == "\n" else " " for sign in text)


def _asked(answer: httpx.Response) -> float | None:
    """`Retry-After` in seconds; its form as a date is not read."""
    asked = answer.headers.get("retry-after", "")
    return float(asked) if asked.isascii() and asked.isdigit() and len(asked) < 10 else None


def _ms_since(started: float) -> int:
    return round((time.monotonic() - started) * 1000)
