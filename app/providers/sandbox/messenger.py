"""Posting webhooks over connections that are kept open: the standard library's client in threads.

A sandbox that plays a month sends thousands of small requests one after another; a client written
for more costs several times what the receiver needs to answer.
"""

import asyncio
from collections import deque
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from urllib.parse import urlsplit

TIMEOUT_S = 20.0
KINDS: dict[str, type[HTTPConnection]] = {"http": HTTPConnection, "https": HTTPSConnection}
Place = tuple[str, str]


class Messenger:
    """Posts bodies, at most `at_once` at a time. A redirect counts as a failure, as at Stripe."""

    def __init__(self, *, at_once: int) -> None:
        self._threads = ThreadPoolExecutor(at_once, thread_name_prefix="messenger")
        self._idle: dict[Place, deque[HTTPConnection]] = {}

    async def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> bool:
        """Whether the receiver answered with 2xx within `TIMEOUT_S` seconds. Raises nothing."""
        loop = asyncio.get_running_loop()
        try:
            return await loop.run_in_executor(self._threads, self._post, url, body, headers)
        except (OSError, HTTPException, ValueError):
            return False

    async def close(self) -> None:
        """Close the connections; the last thing this object does."""
        await asyncio.to_thread(self._threads.shutdown)
        for idle in self._idle.values():
            for connection in idle:
                connection.close()

    def _post(self, url: str, body: bytes, headers: Mapping[str, str]) -> bool:
        parts = urlsplit(url)
        place = (parts.scheme, parts.netloc)
        path = f"{parts.path or '/'}{'?' if parts.query else ''}{parts.query}"
        idle = self._idle.setdefault(place, deque())
        try:
            connection = idle.pop()
        except IndexError:
            return self._asked(self._connect(place), idle, path, body, headers)
        try:
            return self._asked(connection, idle, path, body, headers)
        except (ConnectionError, HTTPException):
            # the receiver closed a line that had been idle: a fresh one tells whether it is there
            return self._asked(self._connect(place), idle, path, body, headers)

    def _connect(self, place: Place) -> HTTPConnection:
        scheme, netloc = place
        if scheme not in KINDS:
            raise ValueError(f"a webhook cannot be sent to {scheme or 'no scheme'}")
        return KINDS[scheme](netloc, timeout=TIMEOUT_S)

    def _asked(
        self,
        connection: HTTPConnection,
        idle: deque[HTTPConnection],
        path: str,
        body: bytes,
        headers: Mapping[str, str],
    ) -> bool:
        keeps = False
        try:
            connection.request("POST", path, body, dict(headers))
            answer = connection.getresponse()
            answer.read()
            keeps = not answer.will_close
        finally:
            if not keeps:
                connection.close()
        if keeps:
            idle.append(connection)
        return 200 <= answer.status < 300
