"""Posting webhooks over connections that are kept open, each by a few lines on a socket.

A sandbox that plays a month sends thousands of small requests; a client written for more, or one
that waits in threads, costs several times what the receiver needs to answer.
"""

import asyncio
import ssl
from asyncio import StreamReader, StreamWriter
from collections import deque
from collections.abc import Mapping
from urllib.parse import SplitResult, urlsplit

from httptools import HttpParserError, HttpResponseParser

TIMEOUT_S = 20.0
PORTS = {"http": 80, "https": 443}
PIECE = 65_536
Place = tuple[str, str]
Line = tuple[StreamReader, StreamWriter]


class Messenger:
    """Posts bodies. A redirect counts as a failure, as at Stripe. Belongs to one event loop."""

    def __init__(self) -> None:
        self._idle: dict[Place, deque[Line]] = {}

    async def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> bool:
        """Whether the receiver answered with 2xx within `TIMEOUT_S` seconds. Raises nothing."""
        try:
            async with asyncio.timeout(TIMEOUT_S):
                return await self._post(urlsplit(url), body, headers)
        except (OSError, ValueError, HttpParserError):
            return False

    async def close(self) -> None:
        """Close the connections; the last thing this object does."""
        for idle in self._idle.values():
            for _, writer in idle:
                writer.close()
        self._idle.clear()

    async def _post(self, url: SplitResult, body: bytes, headers: Mapping[str, str]) -> bool:
        if url.scheme not in PORTS or url.hostname is None:
            raise ValueError(f"a webhook cannot be sent to {url.scheme or 'no scheme'}")
        idle = self._idle.setdefault((url.scheme, url.netloc), deque())
        request = _request(url, body, headers)
        if idle:
            try:
                return await self._asked(idle.pop(), idle, request)
            except (ConnectionError, HttpParserError):
                pass  # the receiver closed a line that was idle: a fresh one tells if it is there
        context = ssl.create_default_context() if url.scheme == "https" else None
        port = url.port or PORTS[url.scheme]
        line = await asyncio.open_connection(url.hostname, port, ssl=context)
        return await self._asked(line, idle, request)

    async def _asked(self, line: Line, idle: deque[Line], request: bytes) -> bool:
        reader, writer = line
        keeps = False
        try:
            writer.write(request)
            answer = Answer()
            while not answer.is_whole:
                answer.feed(await reader.read(PIECE))
            keeps = answer.keeps
        finally:
            if not keeps:
                writer.close()
        if keeps:
            idle.append(line)
        return 200 <= answer.status < 300


class Answer:
    """An answer as it comes in; httptools calls the two `on_` methods."""

    def __init__(self) -> None:
        self._parser = HttpResponseParser(self)
        self._begun = False
        self.is_whole, self.keeps, self.status = False, False, 0

    def feed(self, data: bytes) -> None:
        """Take the next piece; empty where the line was closed. Raises `ConnectionError` where that
        is before an answer has begun, and httptools' `HttpParserError` for what is none."""
        if data:
            self._parser.feed_data(data)
        elif self._begun:
            self.is_whole, self.keeps = True, False  # a body that ends with its line
        else:
            raise ConnectionResetError("closed without an answer")

    def on_headers_complete(self) -> None:
        """The status is known."""
        self._begun, self.status = True, self._parser.get_status_code()

    def on_message_complete(self) -> None:
        """Nothing more will come."""
        self.is_whole, self.keeps = True, self._parser.should_keep_alive()


def _request(url: SplitResult, body: bytes, headers: Mapping[str, str]) -> bytes:
    path = f"{url.path or '/'}{'?' if url.query else ''}{url.query}"
    lines = [f"POST {path} HTTP/1.1", f"host: {url.netloc.rpartition('@')[2]}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    lines += [f"content-length: {len(body)}", "", ""]
    return "\r\n".join(lines).encode("latin-1") + body
